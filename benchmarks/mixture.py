"""Mixtures by EM. Quality is minus the mean log-likelihood of a row at the end.

An iteration is timed as a fit of 10 iterations from the same parameters, its start included, over
10. "To convergence" is the best of four fits from k-means, k-means included: from one start alone
the two sides end in different optima. oneDAL's EM takes double precision and full covariances; it
starts from the same parameters. The streamed rows are made anew in each pass, so that no array of
them exists.
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
SIDES = {
    "skextras GaussianMixture": GaussianMixture,
    "sklearn GaussianMixture": host.GaussianMixture,
}
TYPES = ("full", "diag", "tied", "spherical")


def contests() -> Iterator[Contest]:
    """Iterations, whole fits, memory, streams."""
    X = clusters(N, D, K)
    for dtype in (np.float64, np.float32):
        for kind in TYPES:
            yield iterations(X.astype(dtype), kind)
    for n in (N // 4, N):
        yield to_convergence(clusters(n, D, 8))
    yield memory(clusters(2_000_000, D, 32))
    for n in (5_000_000, 20_000_000):
        yield streaming(n)


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


def to_convergence(X: np.ndarray) -> Contest:
    """The best of four fits, their starts included."""
    options = {"n_init": 4, "tol": 1e-4, "max_iter": 200, "random_state": 0}
    return Contest(
        task="full, k=8: k-means and EM to convergence, four times",
        size=len(X),
        contestants=[
            Contestant(
                name=name,
                run=lambda side=side: quiet(lambda: side(8, **options).fit(X)),
                quality=partial(minus_score, X),
            )
            for name, side in SIDES.items()
        ],
        quality_name="- log-likelihood",
        tolerance=1e-3,
    )


def memory(X: np.ndarray) -> Contest:
    """An iteration on two million rows; what counts is the peak."""
    options = {**start(X, "full", 32), "tol": 0.0, "max_iter": 1}
    return Contest(
        task=f"full, {len(X)} x 16, k=32: an iteration and its start",
        contestants=[
            Contestant(
                name=name,
                run=lambda side=side: quiet(lambda: side(32, **options).fit(X)),
                quality=partial(minus_score, X[:20_000]),
            )
            for name, side in SIDES.items()
        ],
        quality_name="- log-likelihood",
        tolerance=0.003,
    )


class Stream:
    """Batches of rows, the same in each pass, none kept."""

    def __init__(self, n: int, batch: int) -> None:
        rng = np.random.default_rng(7)
        self.centres, self.n, self.batch = 2 * rng.standard_normal((K, D)), n, batch

    def __iter__(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(8)
        for _ in range(self.n // self.batch):
            rows = rng.standard_normal((self.batch, D), np.float32)
            yield rows + self.centres[rng.integers(K, size=self.batch)].astype(np.float32)


def streaming(n: int) -> Contest:
    """Stepwise EM over n rows beside EM on a million of them in memory.

    The tolerance is a thousandth of the likelihood; the peak must not grow with n.
    """
    stream = Stream(n, 100_000)
    held = np.concatenate([rows for rows, _ in zip(stream, range(10), strict=False)])
    model = {"n_components": K, "random_state": 0, "n_init": 3}

    def pass_over() -> GaussianMixture:
        found = GaussianMixture(**model)
        for rows in stream:
            found.partial_fit(rows)
        return found

    return Contest(
        task="stepwise EM on n x 16 in batches of 100k, beside EM on 1M in memory",
        size=n,
        contestants=[
            Contestant(
                name="partial_fit over the stream",
                run=lambda: quiet(pass_over),
                quality=partial(minus_score, held),
            ),
            Contestant(
                name="fit in memory",
                run=lambda: quiet(lambda: GaussianMixture(**model).fit(held)),
                quality=partial(minus_score, held),
            ),
        ],
        quality_name="- log-likelihood",
        tolerance=0.02,
    )
