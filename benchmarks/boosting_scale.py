"""Gradient boosting on ten million rows that lie in a file, twenty trees of 31 leaves. Quality is
the peak of memory, in MB, of the process that each fit has of its own, above what imports and a fit
of one block have left there; the seconds are the whole process's, reading included. Ours reads the
file in blocks of 25k rows, twice; LightGBM through its ``Sequence``, row by row for the bins and
then in the same blocks, and from one array; these two run twice only. All end at the same log loss
within 0.005, or the contest fails.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.metrics import log_loss

from benchmarks.boosting_data import higgs_like
from benchmarks.harness import Contest, Contestant, with_peak_memory

N_ROWS, N_TREES, N_THREADS = 10_000_000, 20, 2
DRAWN, BLOCK = 250_000, 25_000  # rows that are drawn, and read, at once
N_COLUMNS = 29  # 28 features and the label, single precision
SAME_LOSS = 0.005  # bins by other samples of the rows move it by as much
PEER_ROUNDS = 2  # of the contestants that take minutes


def contests() -> Iterator[Contest]:
    """One table, three ways through it."""
    with TemporaryDirectory() as folder:
        write(Path(folder, "table"), N_ROWS)
        losses: list[float] = []
        yield Contest(
            task=f"fit {N_ROWS // 1000}k x 28, {N_TREES} trees, from a file",
            quality_name="peak MB of its process",
            tolerance=0.0,
            contestants=[
                Contestant(
                    name=name,
                    run=partial(in_own_process, name, folder),
                    quality=partial(peak, losses),
                    rounds=None if name == OURS else PEER_ROUNDS,
                )
                for name in WAYS
            ],
        )


def write(path: Path, n: int) -> None:
    """Rows block by block, and more of them to judge on beside them."""
    with path.open("wb") as file:
        for number in range(n // DRAWN):
            table = higgs_like(DRAWN, number, n_test=0)
            np.column_stack([table.X, table.y]).astype(np.float32).tofile(file)
    table = higgs_like(DRAWN, n // DRAWN, n_test=0)
    np.column_stack([table.X, table.y]).astype(np.float32).tofile(path.with_name("test"))


def in_own_process(name: str, folder: str) -> dict[str, float]:
    """What the process found."""
    command = [sys.executable, "-m", "benchmarks.boosting_scale", name, folder]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(result.stdout)
    return found


def peak(losses: list[float], found: dict[str, float]) -> float:
    """Megabytes, provided that the model is as good as the others."""
    losses.append(found["loss"])
    if max(losses) - min(losses) > SAME_LOSS:
        raise RuntimeError(f"boosting_scale: log losses must agree, got {losses}.")
    return found["peak"] / 1e6


class File:
    """Rows in a file, read but not mapped: what is read counts as memory."""

    def __init__(self, path: Path, n_rows: int | None = None) -> None:
        self.path = path
        self.n_rows = n_rows or path.stat().st_size // (4 * N_COLUMNS)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Some rows, the label last."""
        count, offset = (stop - start) * N_COLUMNS, 4 * start * N_COLUMNS
        values = np.fromfile(self.path, np.float32, count, offset=offset)
        return values.reshape(-1, N_COLUMNS)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, self.n_rows, BLOCK):
            rows = self.read(start, min(self.n_rows, start + BLOCK))
            yield rows[:, :-1], rows[:, -1].astype(np.int8)


def fit_ours(file: File) -> Callable[[np.ndarray], np.ndarray]:
    """From blocks."""
    from skextras import GradientBoostingClassifier

    model = GradientBoostingClassifier(
        max_iter=N_TREES, early_stopping=False, n_jobs=N_THREADS, random_state=0
    )
    return model.fit(file).predict_proba


def fit_light(file: File, *, in_blocks: bool) -> Callable[[np.ndarray], np.ndarray]:
    """From a sequence of rows, or from an array of all."""
    import lightgbm

    class Rows(lightgbm.Sequence):
        """What LightGBM asks for."""

        batch_size = BLOCK

        def __len__(self) -> int:
            return file.n_rows

        def __getitem__(self, which: Any) -> np.ndarray:
            if isinstance(which, slice):
                rows = file.read(which.start, min(which.stop, file.n_rows))[:, :-1]
                return rows.astype(np.float64)  # the only kind that it takes
            return file.read(which, which + 1)[0, :-1].astype(np.float64)

    y = np.concatenate([labels for _, labels in file])
    X: Any = Rows()
    if not in_blocks:
        X = np.empty((file.n_rows, N_COLUMNS - 1), np.float32)
        for number, (rows, _) in enumerate(file):
            X[number * BLOCK : number * BLOCK + len(rows)] = rows
    data = lightgbm.Dataset(X, y)
    del X
    options = {"objective": "binary", "num_leaves": 31, "num_threads": N_THREADS, "verbose": -1}
    return lightgbm.train(options, data, N_TREES).predict


OURS = "skextras, blocks"
WAYS = {
    OURS: fit_ours,
    "LightGBM, Sequence": partial(fit_light, in_blocks=True),
    "LightGBM, array": partial(fit_light, in_blocks=False),
}


def main(name: str, folder: str) -> None:
    """Fit one way, and print what was found."""
    WAYS[name](File(Path(folder, "table"), BLOCK))  # code is no part of what the data take
    file, test = File(Path(folder, "table")), File(Path(folder, "test"))
    predict, n_bytes = with_peak_memory(partial(WAYS[name], file))
    rows = test.read(0, test.n_rows)
    loss = log_loss(rows[:, -1], predict(rows[:, :-1]))
    print(json.dumps({"peak": n_bytes, "loss": loss}))


if __name__ == "__main__":
    main(*sys.argv[1:])
