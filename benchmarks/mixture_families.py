"""Hidden Markov models beside hmmlearn, mixtures of bits and categories beside pomegranate.

Both sides start from the same parameters, those of ours before its first iteration, and take the
same number of iterations without priors or floors, so that they end at the same likelihood up to
rounding: quality is minus its mean over the rows. Mixtures are handed the start on both sides. Our
hidden Markov model has no such option and finds its start, a k-means, within the time; hmmlearn is
handed it. hmmlearn runs its faster implementation, "scaling"; pomegranate computes in float32, the
dtype of the rows.
"""

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.harness import Contest, Contestant
from skextras.mixture import BernoulliMixture, CategoricalMixture, GaussianHMM

STEPS, STATES, SWEEPS = 1_000_000, 8, 3
N, D, K, ITERATIONS = 20_000, 32, 8, 10


def contests() -> Iterator[Contest]:
    """Sequences, bits, categories."""
    yield chain()
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


def chain() -> Contest:
    """Baum-Welch on one long sequence of one feature."""
    from hmmlearn import hmm

    rng = np.random.default_rng(0)
    states = np.cumsum(rng.random(STEPS) < 0.05) % STATES
    X = (1.5 * states + rng.standard_normal(STEPS))[:, None]
    options = {"n_components": STATES, "random_state": 0, "tol": 0.0, "reg_covar": 0.0}
    start = quiet(lambda: GaussianHMM(max_iter=0, **options).fit(X))

    def theirs() -> Any:
        free = {"min_covar": 0.0, "covars_prior": 0.0, "tol": -np.inf, "init_params": ""}
        model = hmm.GaussianHMM(STATES, n_iter=SWEEPS, implementation="scaling", **free)
        model.startprob_, model.transmat_ = start.startprob_, start.transmat_
        model.means_, model.covars_ = start.means_, start.covariances_
        return model.fit(X)

    held = X[:50_000]
    return Contest(
        task=f"Baum-Welch, {STEPS} steps, {STATES} states: an iteration",
        contestants=[
            Contestant(
                name="skextras GaussianHMM",
                run=lambda: quiet(lambda: GaussianHMM(max_iter=SWEEPS, **options).fit(X)),
                quality=lambda model: -model.score(held) / len(held),
            ),
            Contestant(
                name="hmmlearn GaussianHMM, scaling",
                run=lambda: quiet(theirs),
                quality=lambda model: -model.score(held) / len(held),
            ),
        ],
        quality_name="- log-likelihood",
        tolerance=1e-3,
        units=SWEEPS,
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
            ),
        ],
        quality_name="- log-likelihood",
        tolerance=1e-3,
        units=ITERATIONS,
    )
