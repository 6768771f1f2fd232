"""Iterations of EM. Quality is minus the mean log-likelihood of a row at the end.

An iteration is timed as a fit of 10 iterations from the same parameters, its start included, over
10. oneDAL's EM takes double precision and full covariances; it starts from the same parameters.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn import mixture as host
from threadpoolctl import threadpool_limits

from benchmarks.harness import Contest, Contestant
from skextras.mixture import GaussianMixture

N, D, K = 200_000, 16, 16
ITERATIONS = 10
TYPES = ("full", "diag", "tied", "spherical")


def contests() -> Iterator[Contest]:
    """Each kind of covariance in each dtype."""
    X = clusters(N, D, K)
    for dtype in (np.float64, np.float32):
        for kind in TYPES:
            yield iterations(X.astype(dtype), kind)


def clusters(n: int, d: int, k: int, seed: int = 0) -> np.ndarray:
    """Rows around k centres, overlapping, each cluster with axes of its own."""
    rng = np.random.default_rng(seed)
    centres, mixing = 1.2 * rng.standard_normal((k, d)), rng.standard_normal((k, d, d)) / np.sqrt(d)
    labels = np.sort(rng.integers(k, size=n))
    X = rng.standard_normal((n, d))
    for j in range(k):
        own = slice(*np.searchsorted(labels, [j, j + 1]))
        X[own] = X[own] @ mixing[j] + centres[j]
    return X[rng.permutation(n)]


def start(X: np.ndarray, kind: str, k: int) -> dict[str, Any]:
    """Parameters to start from, for either side."""
    variances = X.var(axis=0, dtype=np.float64)
    whole = np.diag(1 / variances)
    precisions = {
        "full": np.array([whole] * k),
        "tied": whole,
        "diag": np.array([1 / variances] * k),
        "spherical": np.full(k, 1 / variances.mean()),
    }[kind]
    return {
        "means_init": X[:k],
        "weights_init": np.full(k, 1 / k, X.dtype),
        "precisions_init": precisions.astype(X.dtype),
        "covariance_type": kind,
        "init_params": "random_from_data",
        "random_state": 0,
    }


def quiet(run: Callable[[], Any]) -> Any:
    """A fit stopped on purpose warns that it did not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run()


def better_threads(fit: Callable[[], Any]) -> int:
    """Threads with which scikit-learn is faster here: 1 or all."""
    seconds = {}
    for threads in (1, 2):
        begin = time.perf_counter()
        with threadpool_limits(threads):
            quiet(fit)
        seconds[threads] = time.perf_counter() - begin
    return min(seconds, key=seconds.get)


def limited(fit: Callable[[], Any], threads: int) -> Any:
    with threadpool_limits(threads):
        return quiet(fit)


def minus_score(X: np.ndarray, model: Any) -> float:
    return -float(model.score(X))


def iterations(X: np.ndarray, kind: str) -> Contest:
    """EM iterations from one start."""
    options = {**start(X, kind, K), "tol": 0.0, "max_iter": ITERATIONS}
    ours, theirs = GaussianMixture(K, **options), host.GaussianMixture(K, **options)
    threads = better_threads(lambda: theirs.set_params(max_iter=1).fit(X))
    theirs.set_params(max_iter=ITERATIONS)
    sample = X[:20_000]
    contestants = [
        Contestant(
            name="skextras GaussianMixture",
            run=lambda: quiet(lambda: ours.fit(X)),
            quality=partial(minus_score, sample),
        ),
        Contestant(
            name=f"sklearn GaussianMixture, {threads} BLAS threads",
            run=lambda: limited(lambda: theirs.fit(X), threads),
            quality=partial(minus_score, sample),
            rounds=3,
        ),
    ]
    if kind == "full" and X.dtype == np.float64:
        contestants.append(
            Contestant(
                name="daal4py em_gmm",
                run=lambda: onedal(X),
                quality=lambda found: minus_score(sample, found),
            )
        )
    return Contest(
        task=f"{kind}, {X.dtype}, {N} x {D}, k={K}: an iteration",
        contestants=contestants,
        quality_name="- log-likelihood",
        tolerance=0.003,
        units=ITERATIONS,
    )


def onedal(X: np.ndarray) -> host.GaussianMixture:
    """oneDAL's EM from the same parameters; the result as scikit-learn's estimator."""
    import daal4py

    variance = np.diag(X.var(axis=0))
    found = daal4py.em_gmm(
        nComponents=K, maxIterations=ITERATIONS, accuracyThreshold=1e-300
    ).compute(X, np.full((1, K), 1 / K), X[:K].copy(), [variance.copy() for _ in range(K)])
    model = host.GaussianMixture(K)
    model.weights_, model.means_ = found.weights.ravel(), found.means
    model.covariances_ = np.array(found.covariances)
    model.precisions_cholesky_ = np.array(
        [np.linalg.cholesky(np.linalg.inv(C)) for C in model.covariances_]
    )
    return model
