"""Mixtures of many rows. Quality is minus the mean log-likelihood of a row at the end.

"To convergence" is the best of four fits from k-means, k-means included: from one start alone the
two sides end in different optima. The streamed rows are made anew in each pass, so that no array of
them exists. Runs that take long are fewer than the rounds; the tables say how many.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
from sklearn import mixture as host

from benchmarks.harness import Contest, Contestant
from benchmarks.mixture import D, K, N, clusters, minus_score, quiet, start
from skextras.mixture import GaussianMixture

SIDES = {
    "skextras GaussianMixture": GaussianMixture,
    "sklearn GaussianMixture": host.GaussianMixture,
}


def contests() -> Iterator[Contest]:
    """Whole fits, memory, streams."""
    for n in (N // 10, N):
        yield to_convergence(clusters(n, D, K))
    yield memory(clusters(2_000_000, D, 32))
    for n in (5_000_000, 20_000_000):
        yield streaming(n)


def to_convergence(X: np.ndarray) -> Contest:
    """The best of four fits, their starts included."""
    options = {"n_init": 4, "tol": 1e-4, "max_iter": 200, "random_state": 0}
    return Contest(
        task=f"full, k={K}: k-means and EM to convergence, four times",
        size=len(X),
        contestants=[
            Contestant(
                name=name,
                run=lambda side=side: quiet(lambda: side(K, **options).fit(X)),
                quality=partial(minus_score, X),
                rounds=None if side is GaussianMixture else 2,
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
                rounds=None if side is GaussianMixture else 1,
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
                rounds=1,
            ),
        ],
        quality_name="- log-likelihood",
        tolerance=0.02,
    )
