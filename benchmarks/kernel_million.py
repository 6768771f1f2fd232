"""Kernel logistic regression on a million rows of 28 features that lie in a file, mapped.

Each fit has a process of its own; memory is the peak above the imports, pages of the file included,
seconds are those of ``fit`` on two threads, once each. The log loss is of 50,000 held-out rows.
scikit-learn's Nyström features with its logistic regression hold all rows by all centres, so that
the peer that finishes has a thousand centres; ours has as many, and ten thousand. Falkon has no
wheel. Fair is when ours with ten thousand centres stays below 4 GB and is the best, and ours with a
thousand is as good as the peer.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline

from benchmarks.boosting_data import higgs_like
from benchmarks.harness import OtherLoad, Table, with_peak_memory
from skextras import KernelLogisticRegression

N_ROWS, N_HELD_OUT, N_FEATURES = 1_000_000, 50_000, 28
GAMMA, C = 0.02, 1.0
LIMIT, SAME_LOSS = 4000, 0.003  # MB, nats


def ours(m: int) -> Any:
    """On m centres."""
    return KernelLogisticRegression(
        C, gamma=GAMMA, solver="nystroem", n_components=m, random_state=0
    )


def peer(m: int) -> Any:
    """The same model where all rows by m centres fit the memory."""
    features = Nystroem(gamma=GAMMA, n_components=m, random_state=0)
    return make_pipeline(features, LogisticRegression(C=C, max_iter=1000))


WAYS: dict[str, tuple[Callable[[int], Any], int]] = {
    "skextras, 1000 centres": (ours, 1000),
    "sklearn Nystroem + LogisticRegression, 1000 centres": (peer, 1000),
    "skextras, 10,000 centres": (ours, 10_000),
}


def tables() -> Iterator[Table]:
    """One row a way."""
    load = OtherLoad()
    with TemporaryDirectory() as folder:
        write(folder)
        found = {name: in_own_process(name, folder) for name in WAYS}
    small, host, large = found.values()
    lines = [
        f"| {N_ROWS:,} x {N_FEATURES} | s | ratio | peak MB | log loss | passes or steps |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        lines.append(
            f"| {name} | {one['seconds']:.0f} | {host['seconds'] / one['seconds']:.2f} "
            f"| {one['peak']:.0f} | {one['loss']:.5f} | {one['steps']:.0f} |"
        )
    lines += ["", f"Other work on {load.cores():.1f} cores."]
    is_fair = large["peak"] < LIMIT and large["loss"] <= min(small["loss"], host["loss"])
    is_fair = is_fair and small["loss"] <= host["loss"] + SAME_LOSS
    yield Table("\n".join(lines), is_fair)


def write(folder: str) -> None:
    """Rows to learn from and rows to be judged on, standardised."""
    table = higgs_like(N_ROWS, 0, n_test=N_HELD_OUT)
    centre, scale = table.X.mean(axis=0), table.X.std(axis=0)
    for name, X, y in (("train", table.X, table.y), ("test", table.X_test, table.y_test)):
        np.save(Path(folder, f"{name}_X"), ((X - centre) / scale).astype(np.float32))
        np.save(Path(folder, f"{name}_y"), y)


def in_own_process(name: str, folder: str) -> dict[str, float]:
    """What the process found."""
    command = [sys.executable, "-m", "benchmarks.kernel_million", name, folder]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return found


def measure(name: str, folder: str) -> dict[str, float]:
    """Fit in this process."""
    X, X_test = (np.load(Path(folder, f"{part}_X.npy"), "r") for part in ("train", "test"))
    y, y_test = (np.load(Path(folder, f"{part}_y.npy")) for part in ("train", "test"))
    make, m = WAYS[name]
    make(50).fit(X[:2000], y[:2000])  # code is no part of it
    start = time.perf_counter()
    model, peak = with_peak_memory(lambda: make(m).fit(X, y))
    seconds = time.perf_counter() - start
    last = model[-1] if hasattr(model, "steps") else model
    return {
        "seconds": seconds,
        "peak": peak / 1e6,
        "loss": log_loss(y_test, model.predict_proba(X_test)),
        "steps": float(np.max(last.n_iter_)),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(*sys.argv[1:])) + "\n")
