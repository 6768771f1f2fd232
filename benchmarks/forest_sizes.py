"""Random forests of 100 trees to purity. On 100k rows: bytes of a pickle, and what the fitted
forest holds in memory before and after its first prediction. On 20k rows: quality over five seeds,
mean (least to greatest), and by how many standard errors ours is behind; more than three are a
fault.
"""

import ctypes
import gc
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, variance
from typing import Any

import psutil
from sklearn.metrics import roc_auc_score

from benchmarks.boosting_data import Table as Rows
from benchmarks.boosting_data import higgs_like, small
from benchmarks.forest import FEW, HOST, MANY, N_TREES, OURS, models
from benchmarks.harness import Table

N_SEEDS, N_JUDGED = 5, 20_000
QUALITIES = ("OOB accuracy", "held-out accuracy", "held-out AUC")


def tables() -> Iterator[Table]:
    """Sizes of one fit, and quality of fits by five seeds."""
    few = small(FEW, 0)
    for name in (OURS, HOST):
        models(n_trees=2)[name].fit(few.X, few.y).predict_proba(few.X_test)  # loads the code
    yield sizes(higgs_like(MANY, 0))
    yield qualities(higgs_like(N_JUDGED, 0))


def sizes(rows: Rows) -> Table:
    """What fits of many rows take."""
    lines = [
        f"| {MANY} x 28, {N_TREES} trees | pickle MB | fitted MB | after a prediction MB |",
        "|---|---|---|---|",
    ]
    for name in (OURS, HOST):
        megabytes = " | ".join(f"{n / 1e6:.1f}" for n in sizes_of(name, rows))
        lines.append(f"| {name} | {megabytes} |")
    return Table("\n".join(lines), is_fair=True)


def qualities(rows: Rows) -> Table:
    """What fits by several seeds are worth."""
    titles = " | ".join(QUALITIES)
    lines = [
        f"| {N_JUDGED} x 28, {N_TREES} trees, {N_SEEDS} seeds | {titles} |",
        "|---|---|---|---|",
    ]
    found = {}
    for name in (OURS, HOST):
        own = [scores(name, seed, rows) for seed in range(N_SEEDS)]
        found[name] = list(zip(*own, strict=True))
        lines.append(f"| {name} | " + " | ".join(map(spread, found[name])) + " |")
    behind = [standard_errors(*pair) for pair in zip(found[HOST], found[OURS], strict=True)]
    lines.append("| standard errors behind | " + " | ".join(f"{n:.1f}" for n in behind) + " |")
    return Table("\n".join(lines), is_fair=max(behind) <= 3)


def sizes_of(name: str, rows: Rows) -> tuple[int, int, int]:
    """Bytes of a pickle, and in memory before and after a prediction."""
    before = resident()
    model = models()[name].fit(rows.X, rows.y)
    fitted = resident() - before
    model.predict_proba(rows.X_test[:1])
    return len(pickle.dumps(model)), fitted, resident() - before


def resident() -> int:
    """Bytes that this process holds, freed ones handed back (Linux)."""
    gc.collect()
    if Path("/proc/self").exists():
        ctypes.CDLL(None).malloc_trim(0)
    found: int = psutil.Process().memory_info().rss
    return found


def scores(name: str, seed: int, rows: Rows) -> tuple[float, float, float]:
    """Qualities of one fit, the higher the better."""
    model: Any = models(seed)[name].set_params(oob_score=True).fit(rows.X, rows.y)
    shares = model.predict_proba(rows.X_test)[:, 1]
    accuracy = float(((shares > 0.5) == rows.y_test).mean())
    return model.oob_score_, accuracy, float(roc_auc_score(rows.y_test, shares))


def spread(numbers: Sequence[float]) -> str:
    """Mean (least to greatest)."""
    return f"{fmean(numbers):.4f} ({min(numbers):.4f} to {max(numbers):.4f})"


def standard_errors(host: Sequence[float], ours: Sequence[float]) -> float:
    """By how many standard errors of the difference the mean of ours is lower."""
    error = ((variance(host) + variance(ours)) / len(host)) ** 0.5
    return (fmean(host) - fmean(ours)) / error
