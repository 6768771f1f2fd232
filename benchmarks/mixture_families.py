"""Hidden Markov models beside hmmlearn, mixtures of bits and categories beside pomegranate.

Both sides start from the same parameters and take the same number of iterations; quality is minus
the mean log-likelihood of a row at the end. hmmlearn runs its faster implementation, "scaling".
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.harness import Contest, Contestant
from skextras.mixture import BernoulliMixture, CategoricalMixture, GaussianHMM

STEPS, STATES, ITERATIONS = 1_000_000, 8, 3
N, D, K = 100_000, 32, 8


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
    options = {"n_components": STATES, "random_state": 0, "tol": 0.0}

    def theirs() -> Any:
        model = hmm.GaussianHMM(
            STATES, n_iter=ITERATIONS, tol=-np.inf, random_state=0, implementation="scaling"
        )
        return model.fit(X)

    held = X[:50_000]
    return Contest(
        task=f"Baum-Welch, {STEPS} steps, {STATES} states: an iteration",
        contestants=[
            Contestant(
                name="skextras GaussianHMM",
                run=lambda: quiet(lambda: GaussianHMM(max_iter=ITERATIONS, **options).fit(X)),
                quality=lambda model: -model.score(held) / len(held),
            ),
            Contestant(
                name="hmmlearn GaussianHMM, scaling",
                run=lambda: quiet(theirs),
                quality=lambda model: -model.score(held) / len(held),
            ),
        ],
        quality_name="- log-likelihood",
        tolerance=0.05,
        units=ITERATIONS,
    )


def discrete(name: str, X: np.ndarray, family: str) -> Contest:
    """A mixture of independent features."""
    import torch
    from pomegranate import distributions
    from pomegranate.gmm import GeneralMixtureModel

    side = {"Bernoulli": BernoulliMixture, "Categorical": CategoricalMixture}[family]
    kind = getattr(distributions, family)
    table = torch.from_numpy(X if family == "Bernoulli" else X.astype(np.int64))

    def theirs() -> Any:
        model = GeneralMixtureModel(
            [kind() for _ in range(K)], max_iter=30, tol=1e-5 * N, random_state=0
        )
        return model.fit(table)

    return Contest(
        task=f"{name} mixture, {N} x {D}, k={K}: a fit, start included",
        contestants=[
            Contestant(
                name=f"skextras {side.__name__}",
                run=lambda: quiet(lambda: side(K, max_iter=30, random_state=0).fit(X)),
                quality=lambda model: -float(model.score(X)),
            ),
            Contestant(
                name=f"pomegranate, {family}",
                run=lambda: quiet(theirs),
                quality=lambda model: -float(model.log_probability(table).mean()),
            ),
        ],
        quality_name="- log-likelihood",
        tolerance=0.05,
    )
