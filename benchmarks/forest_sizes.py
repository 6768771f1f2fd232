"""Random forests of 100 trees to purity on 100k rows: bytes of a pickle, what the fitted forest
holds in memory before and after its first prediction, and quality over five seeds, mean (least to
greatest): accuracy out of the bag, and 1 - AUC on held-out rows.
"""

import ctypes
import gc
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import psutil

from benchmarks.boosting_data import Table as Rows
from benchmarks.boosting_data import higgs_like, small
from benchmarks.forest import FEW, HOST, MANY, N_TREES, OURS, models, one_loss
from benchmarks.harness import Table

N_SEEDS = 5


def tables() -> Iterator[Table]:
    """Sizes of one fit, and quality of fits by five seeds."""
    rows, few = higgs_like(MANY, 0), small(FEW, 0)
    sizes = "pickle MB | fitted MB | after a prediction MB"
    lines = [
        f"| {MANY} x 28, {N_TREES} trees | {sizes} | OOB accuracy | 1 - AUC |",
        "|---|---|---|---|---|---|",
    ]
    found = {}
    for name in (OURS, HOST):
        models(n_trees=2)[name].fit(few.X, few.y).predict_proba(few.X_test)  # loads the code
        size = " | ".join(f"{n / 1e6:.1f}" for n in sizes_of(name, rows))
        found[name] = [scores(name, seed, rows) for seed in range(N_SEEDS)]
        quality = " | ".join(map(spread, zip(*found[name], strict=True)))
        lines.append(f"| {name} | {size} | {quality} |")
    ours, host = ([fmean(own) for own in zip(*found[name], strict=True)] for name in found)
    is_fair = ours[0] >= host[0] - 0.01 and ours[1] <= host[1] + 0.01
    yield Table("\n".join(lines), is_fair)


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


def scores(name: str, seed: int, rows: Rows) -> tuple[float, float]:
    """Accuracy out of the bag, and 1 - AUC."""
    model: Any = models(seed)[name].set_params(oob_score=True).fit(rows.X, rows.y)
    return model.oob_score_, one_loss(model, rows)


def spread(numbers: Sequence[float]) -> str:
    """Mean (least to greatest)."""
    return f"{fmean(numbers):.4f} ({min(numbers):.4f} to {max(numbers):.4f})"
