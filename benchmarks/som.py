"""Self-organising maps on one thread. Quality is named by each task.

Ten batch epochs of one map from the same weights, one online epoch over the rows in their order,
predictions, sparse rows, and rows that lie in a file. The quality of a map is QE (1 + TE), its
quantization error on the rows times one plus its topographic error, computed alike for all.
IntraSOM is left out for the twenty packages that it pulls: it was about equal to fastersom, .180 to
.176 core-seconds a batch epoch. somoclu is built from its sources, since its package installs
without the compiled part; it alone takes sparse rows as they are, fastersom takes them dense.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import fastersom
import numbasom
import numpy as np
import torch
from minisom import MiniSom
from scipy import sparse
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin
from threadpoolctl import threadpool_limits
from xpysom import XPySom

from benchmarks import somoclu_peer
from benchmarks.harness import Contest, Contestant, Table, growth, hold, with_peak_memory
from skextras import SelfOrganizingMap
from skextras.som.grid import Grid
from skextras.som.search import Codebook

N_EPOCHS = 10
MOST_MEMORY = 1e9  # bytes beyond the data
RADIUS = (7.5, 0.75)  # fastersom's own for 30 x 30; the others are given it


def rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Rows near a curved sheet of four dimensions, with noise."""
    random = np.random.default_rng(seed)
    inner = random.standard_normal((n, 4))
    bent = np.tanh(inner @ random.standard_normal((4, d))) + inner @ random.standard_normal((4, d))
    return (bent + 0.3 * random.standard_normal((n, d))).astype(np.float32)


def error(X: np.ndarray, W: np.ndarray, grid: Grid) -> float:
    """QE (1 + TE) of any codebook."""
    found, distances = Codebook(W.reshape(grid.n_units, -1)).nearest(
        np.ascontiguousarray(X), n_best=2, with_distance=True
    )
    torn = ~grid.are_touching(found[:, 0], found[:, 1])
    return float(distances.mean() * (1 + torn.mean()))


def alone(run: Callable[[], Any]) -> Callable[[], Any]:
    """The same on one thread, and without the peers' lines."""

    def quiet() -> Any:
        with threadpool_limits(1), contextlib.redirect_stdout(io.StringIO()):
            return run()

    torch.set_num_threads(1)
    return quiet


def tables() -> Iterator[Table]:
    """All contests, and the memory that a fit of a file takes."""
    for _, same in groupby(contests(), key=lambda contest: contest.task):
        reports = []
        for contest in same:
            reports.append(hold(contest))
            yield Table(reports[-1].markdown(), reports[-1].is_fair)
        if len(reports) > 1:
            yield Table(growth(reports), is_fair=True)
    yield mapped(5_000_000)


def contests() -> Iterator[Contest]:
    """Batch and online epochs, and predictions."""
    for n in (12_500, 50_000):
        yield batch(n)
    yield online(50_000)
    yield online_free(50_000)
    yield prediction(1_000_000)
    yield sparse_batch(500_000)


def batch(n: int) -> Contest:
    """Ten batch epochs on 30 x 30 units; MiniSom does one on a fiftieth of the rows.

    somoclu takes half a minute for 50,000 rows, and goes once.
    """
    X, grid = rows(n, 32), Grid(30, 30)
    start = X[np.random.default_rng(1).choice(n, 900, replace=False)].reshape(30, 30, 32)

    def ours() -> np.ndarray:
        som = SelfOrganizingMap((30, 30), radius=RADIUS, n_epochs=N_EPOCHS, init=start, n_jobs=1)
        return som.fit(X).weights_

    def faster() -> np.ndarray:
        som = fastersom.SOM(
            30, 30, N_EPOCHS, *RADIUS, init=start.reshape(900, 32), device="cpu", random_state=0
        )
        return som.fit(X).weights_

    def xpysom() -> np.ndarray:
        som = XPySom(30, 30, 32, sigma=RADIUS[0], sigmaN=RADIUS[1], std_coeff=1.0, xp=np)
        som._weights = start.astype(np.float64)
        som.train(X, N_EPOCHS)
        return som.get_weights()

    def somoclu() -> np.ndarray:
        return somoclu_peer.trained(X, start, (30, 30), RADIUS, N_EPOCHS)

    def minisom() -> np.ndarray:
        som = MiniSom(30, 30, 32, sigma=RADIUS[0], learning_rate=1.0)
        som._weights = start.astype(np.float64)
        som.train_batch_offline(X[: n // 50], 1)
        return som.get_weights()

    runs = {
        "skextras": ours,
        "fastersom": faster,
        "xpysom": xpysom,
        "somoclu": somoclu,
        "MiniSom train_batch_offline, one epoch of n / 50 rows (x 500)": minisom,
    }
    return Contest(
        task="batch, 30 x 30 units, 32 features, ten epochs and the final labels",
        size=n,
        quality_name="QE (1 + TE)",
        tolerance=0.02,
        contestants=[
            Contestant(
                name=name,
                run=alone(run),
                quality=lambda W: error(X, W, grid),
                rounds=1 if name == "somoclu" and n > 20_000 else None,
            )
            for name, run in runs.items()
        ],
    )


def online_start(n: int) -> tuple[np.ndarray, Grid, np.ndarray]:
    """Rows, a map of 30 x 30, and rows for its units to begin at."""
    X = rows(n, 32)
    start = X[np.random.default_rng(1).choice(n, 900, replace=False)].reshape(30, 30, 32)
    return X, Grid(30, 30), start


def ours_online(X: np.ndarray, start: np.ndarray, **options: Any) -> np.ndarray:
    """One epoch of our online algorithm."""
    som = SelfOrganizingMap(
        (30, 30), algorithm="online", n_epochs=1, init=start, n_jobs=1, **options
    )
    return som.fit(X).weights_


def online(n: int) -> Contest:
    """One epoch, a row at a time, with one schedule: radius 7.5 to 1, rate 0.5 to 0."""
    X, grid, start = online_start(n)

    def ours() -> np.ndarray:
        schedule = {"radius": (7.5, 1), "learning_rate": (0.5, 0), "decay": "linear"}
        return ours_online(X, start, **schedule)

    def minisom() -> np.ndarray:
        som = MiniSom(
            30,
            30,
            32,
            sigma=7.5,
            learning_rate=0.5,
            decay_function="linear_decay_to_zero",
            sigma_decay_function="linear_decay_to_one",
        )
        som._weights = start.astype(np.float64)
        som.train(X, n)
        return som.get_weights()

    return online_contest("one schedule", n, X, grid, {"skextras": ours, "MiniSom": minisom})


def online_free(n: int) -> Contest:
    """The same where the peer has a schedule and a start of its own; ours has one as good."""
    X, grid, start = online_start(n)

    def ours() -> np.ndarray:
        return ours_online(X, start, radius=(7.5, 0.7), learning_rate=(0.3, 0.03))

    def numba() -> np.ndarray:
        return numbasom.SOM((30, 30)).train(X.astype(np.float64), n)

    return online_contest("own schedules", n, X, grid, {"skextras": ours, "numbasom": numba})


def online_contest(
    schedules: str, n: int, X: np.ndarray, grid: Grid, runs: dict[str, Callable[[], Any]]
) -> Contest:
    """One epoch and, for ours, the final labels and errors."""
    return Contest(
        task=f"online, 30 x 30 units, 32 features, one epoch, {schedules}",
        size=n,
        quality_name="QE (1 + TE)",
        tolerance=0.1,
        contestants=[
            Contestant(name=name, run=alone(run), quality=lambda W: error(X, W, grid))
            for name, run in runs.items()
        ],
    )


def prediction(n: int) -> Contest:
    """Nearest units on 50 x 50; the last contestant is the product of the matrices alone."""
    X = rows(n, 32)
    W = X[np.random.default_rng(1).choice(n, 2500, replace=False)]
    som = SelfOrganizingMap((50, 50), init=W, n_epochs=0, n_jobs=1).fit(X[:1000])
    peer = fastersom.SOM.from_weights(W, 50, 50, device="cpu")
    kmeans = MiniBatchKMeans(2500, init=W, n_init=1, max_iter=1, batch_size=2500).fit(W)
    kmeans.cluster_centers_ = W.copy()
    columns, scores = np.ascontiguousarray(W.T), np.empty((512, 2500), np.float32)

    def product() -> np.ndarray:
        for begin in range(0, n - 511, 512):
            np.matmul(X[begin : begin + 512], columns, out=scores)
        return expected

    few = slice(0, n, 1000)
    expected = som.predict(X)
    exact = pairwise_distances_argmin(X[few].astype(np.float64), W.astype(np.float64))
    runs = {
        "skextras": lambda: som.predict(X),
        "fastersom": lambda: peer.predict(X),
        "scikit-learn KMeans": lambda: kmeans.predict(X),
        "NumPy, the product alone in blocks of 512 rows": product,
    }
    return Contest(
        task="predict, 50 x 50 units, 32 features",
        size=n,
        quality_name="wrong units, share",
        tolerance=0.0,
        contestants=[
            Contestant(
                name=name,
                run=alone(run),
                quality=lambda found: float(np.mean(found[few] != exact)),
            )
            for name, run in runs.items()
        ],
    )


def sparse_batch(n: int) -> Contest:
    """Rows of 784 features of which a fifth are stored; fastersom takes them dense.

    somoclu takes more than a minute, and goes once.
    """
    random, shape = np.random.default_rng(2), (10_000, 784)
    options = {"density": 0.19, "format": "csr", "dtype": np.float32, "rng": random}
    parts = [sparse.random_array(shape, **options) for _ in range(n // shape[0])]
    X = sparse.vstack(parts, format="csr")
    start, grid = X[:400].toarray(), Grid(20, 20)
    dense = X.toarray()

    def ours() -> np.ndarray:
        som = SelfOrganizingMap((20, 20), radius=(5, 0.5), n_epochs=1, init=start, n_jobs=1)
        return som.fit(X).weights_

    def faster() -> np.ndarray:
        return fastersom.SOM(20, 20, 1, 5, 0.5, init=start, device="cpu").fit(dense).weights_

    def somoclu() -> np.ndarray:
        return somoclu_peer.trained(X, start, (20, 20), (5, 0.5), 1)

    runs = {"skextras": ours, "fastersom, dense rows": faster, "somoclu": somoclu}
    return Contest(
        task="batch of sparse rows, 20 x 20 units, 784 features, one epoch and the final labels",
        size=n,
        quality_name="QE (1 + TE)",
        tolerance=0.02,
        contestants=[
            Contestant(
                name=name,
                run=alone(run),
                quality=lambda W: error(dense, W, grid),
                rounds=1 if name == "somoclu" else None,
            )
            for name, run in runs.items()
        ],
    )


def mapped(n: int) -> Table:
    """One batch epoch on rows in a file; its pages count as memory, and are taken off."""
    with tempfile.TemporaryDirectory() as folder:
        path, part = Path(folder) / "rows.npy", rows(50_000, 32)
        X = np.lib.format.open_memmap(path, "w+", np.float32, (n, 32))
        for begin in range(0, n, len(part)):
            X[begin : begin + len(part)] = part[: n - begin]
        X.flush()
        del X
        X = np.load(path, mmap_mode="r")
        som = SelfOrganizingMap((20, 20), n_epochs=1)
        with_peak_memory(lambda: som.fit(X[:5000]))  # compiled code counts once
        _, held = with_peak_memory(lambda: som.fit(X))
        size = X.nbytes
    beyond = max(held - size, 0)
    lines = [
        f"| fit of {n} x 32 memory-mapped rows, 20 x 20 units | MB |",
        "|---|---|",
        f"| rows | {size / 1e6:.0f} |",
        f"| peak, pages of the file included | {held / 1e6:.0f} |",
        f"| beyond the rows (at most {MOST_MEMORY / 1e6:.0f}) | {beyond / 1e6:.0f} |",
    ]
    return Table("\n".join(lines), beyond <= MOST_MEMORY)
