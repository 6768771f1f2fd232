"""Hidden Markov models beside hmmlearn, mixtures of bits and categories beside pomegranate.

Both sides start from the same parameters, those of ours before its first iteration, and take the
same number of iterations without priors or floors, so that they end at the same likelihood up to
rounding: quality is minus its mean over the rows. Mixtures are handed the start on both sides. Our
hidden Markov model has no such option and finds its start within the time; hmmlearn is handed it,
but for the contest that has each side find its own (k-means, either). hmmlearn runs its faster
implementation, "scaling"; pomegranate computes in float32, the dtype of the rows.
"""

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.harness import Contest, Contestant
from skextras.mixture import BernoulliMixture, CategoricalHMM, CategoricalMixture, GaussianHMM

STEPS, STATES, SWEEPS = 1_000_000, 8, 5
CHAIN = {"n_components": STATES, "random_state": 0, "tol": 0.0}
N, D, K, ITERATIONS = 20_000, 32, 8, 10


def contests() -> Iterator[Contest]:
    """Sequences, bits, categories."""
    yield gaussian_chain("diag", steps(1))
    yield whole_fit(steps(1))
    for kind in ("full", "tied", "spherical"):
        yield gaussian_chain(kind, steps(2))
    yield categorical_chain()
    rng = np.random.default_rng(0)
    labels = rng.integers(K, size=N)
    bits = (rng.random((N, D)) < rng.uniform(0.1, 0.9, (K, D))[labels]).astype(np.float32)
    yield discrete("Bernoulli", bits, "Bernoulli")
    ends = np.cumsum(rng.dirichlet(np.ones(4), (K, D)), axis=2)
    codes = (rng.random((N, D, 1)) > ends[labels][:, :, :-1]).sum(axis=2)
    yield discrete("categorical", codes.astype(np.float32), "Categorical")


def quiet(run: Callable[[], Any]) -> Any:
    """A fit stopped on purpose warns that it did not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run()


def steps(d: int) -> np.ndarray:
    """One long sequence of overlapping states."""
    rng = np.random.default_rng(0)
    states = np.cumsum(rng.random(STEPS) < 0.05) % STATES
    centres = np.stack([1.5 * np.arange(STATES), np.arange(STATES) % 2], axis=1)[:, :d]
    return centres[states] + rng.standard_normal((STEPS, d))


def gaussian_peer(kind: str) -> Any:
    """hmmlearn's model without priors, floors and an end before the last iteration."""
    from hmmlearn import hmm

    free = {"min_covar": 0.0, "covars_prior": 0.0, "tol": -np.inf, "random_state": 0}
    return hmm.GaussianHMM(STATES, kind, n_iter=SWEEPS, implementation="scaling", **free)


def gaussian_chain(kind: str, X: np.ndarray) -> Contest:
    """Baum-Welch of normal emissions, from the same start."""
    options = {**CHAIN, "covariance_type": kind, "reg_covar": 0.0}
    first = quiet(lambda: GaussianHMM(max_iter=0, **options).fit(X))

    def theirs() -> Any:
        model = gaussian_peer(kind).set_params(init_params="")
        model.startprob_, model.transmat_ = first.startprob_, first.transmat_
        model.means_, model.covars_ = first.means_, first.covariances_
        return model.fit(X)

    task = f"Baum-Welch, {kind}, {STEPS} x {X.shape[1]}, {STATES} states: an iteration"
    return beside_hmmlearn(task, lambda: GaussianHMM(max_iter=SWEEPS, **options).fit(X), theirs, X)


def whole_fit(X: np.ndarray) -> Contest:
    """Each side's own start, and the same number of iterations after it."""
    options = {**CHAIN, "max_iter": SWEEPS, "reg_covar": 0.0}
    task = f"k-means and {SWEEPS} iterations of Baum-Welch, diag, {STEPS} steps, {STATES} states"
    return beside_hmmlearn(
        task,
        lambda: GaussianHMM(**options).fit(X),
        lambda: gaussian_peer("diag").fit(X),
        X,
        units=1.0,
    )


def categorical_chain() -> Contest:
    """Baum-Welch of categories, from the same start."""
    from hmmlearn import hmm

    rng = np.random.default_rng(1)
    states = np.cumsum(rng.random(STEPS) < 0.05) % STATES
    ends = np.cumsum(rng.dirichlet(np.full(6, 0.5), STATES), axis=1)
    X = (rng.random((STEPS, 1)) > ends[states][:, :-1]).sum(axis=1, keepdims=True)
    first = quiet(lambda: CategoricalHMM(max_iter=0, **CHAIN).fit(X))

    def theirs() -> Any:
        free = {"tol": -np.inf, "init_params": "", "implementation": "scaling"}
        model = hmm.CategoricalHMM(STATES, n_iter=SWEEPS, n_features=6, **free)
        model.startprob_, model.transmat_ = first.startprob_, first.transmat_
        model.emissionprob_ = first.probabilities_[0]
        return model.fit(X)

    task = f"Baum-Welch, 6 categories, {STEPS} steps, {STATES} states: an iteration"
    return beside_hmmlearn(task, lambda: CategoricalHMM(max_iter=SWEEPS, **CHAIN).fit(X), theirs, X)


def beside_hmmlearn(
    task: str,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    X: np.ndarray,
    units: float = SWEEPS,
) -> Contest:
    """Two fits of equal likelihood."""
    held = X[:50_000]
    return Contest(
        task=task,
        contestants=[
            Contestant(
                name="skextras",
                run=lambda: quiet(ours),
                quality=lambda model: -model.score(held) / len(held),
            ),
            Contestant(
                name="hmmlearn, scaling",
                run=lambda: quiet(theirs),
                quality=lambda model: -model.score(held) / len(held),
                rounds=3,
            ),
        ],
        quality_name="- log-likelihood",
        tolerance=1e-3,
        units=units,
    )


def discrete(name: str, X: np.ndarray, family: str) -> Contest:
    """A mixture of independent features."""
    import torch
    from pomegranate import distributions
    from pomegranate.gmm import GeneralMixtureModel

    side = {"Bernoulli": BernoulliMixture, "Categorical": CategoricalMixture}[family]
    kind = getattr(distributions, family)
    table = torch.from_numpy(X if family == "Bernoulli" else X.astype(np.int64))
    start = quiet(lambda: side(K, max_iter=0, random_state=0).fit(X))
    first = start.probabilities_
    if family == "Categorical":  # a list, feature by feature
        first = np.stack(first, axis=1)

    def ours() -> Any:
        model = copy.deepcopy(start).set_params(max_iter=ITERATIONS, tol=0.0, warm_start=True)
        return model.fit(X)

    def theirs() -> Any:
        # (A copy for each run: the peer updates what it is given in place.)
        own = [kind(torch.tensor(p, dtype=torch.float32)) for p in first]
        weights = torch.tensor(start.weights_, dtype=torch.float32)
        return GeneralMixtureModel(own, weights, max_iter=ITERATIONS, tol=-np.inf).fit(table)

    return Contest(
        task=f"{name} mixture, {N} x {D}, k={K}: an iteration",
        contestants=[
            Contestant(
                name=f"skextras {side.__name__}",
                run=lambda: quiet(ours),
                quality=lambda model: -float(model.score(X)),
            ),
            Contestant(
                name=f"pomegranate, {family}",
                run=lambda: quiet(theirs),
                quality=lambda model: -float(model.log_probability(table).mean()),
                rounds=3,
            ),
        ],
        quality_name="- log-likelihood",
        tolerance=1e-3,
        units=ITERATIONS,
    )
