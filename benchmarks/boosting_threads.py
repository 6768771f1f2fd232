"""Gradient boosting by one thread, and by two of which one has no core of its own. Quality is the
log loss on held-out rows.

Beside a busy program the libraries whose threads wait for each other at every leaf lose far more
than the core; ten trees are enough to see it. Of 255 leaves, one
thread grows 40 trees.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks.boosting_data import higgs_like, small
from benchmarks.boosting_models import (
    AS_GOOD,
    N_TREES,
    OURS,
    QUANTISED,
    fit_contest,
    ours,
    quantised,
    tasks,
    usual,
    with_quantised,
)
from benchmarks.harness import Contest

N_ROWS, N_SMALL, N_BIG_TREES, N_TREES_BESIDE = 400_000, 5000, 40, 10
SPIN = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"  # ends with who started it


def contests() -> Iterator[Contest]:
    """One thread; then two beside a busy core."""
    table = partial(higgs_like, N_ROWS)
    of = tasks(usual(31, 1), table, 1, n_seeds=1)
    yield fit_contest("fit 400k x 28, 31 leaves, 1 thread", of, tolerance=0.005)
    models = {
        f"{OURS}, {AS_GOOD} trees": ours(31, 1, max_iter=AS_GOOD),
        QUANTISED: quantised(31, 1),
    }
    title = f"fit 400k x 28, 31 leaves, 1 thread, beside {N_TREES} trees of few bits"
    yield fit_contest(title, tasks(models, table, 1), tolerance=0.0)
    of = tasks(with_quantised(31, 1), partial(small, N_SMALL), 1, n_seeds=1)
    yield fit_contest("fit 5k x 20, 31 leaves, 1 thread", of, tolerance=0.01)
    of = tasks(cut(usual(255, 1), N_BIG_TREES), table, 1, n_seeds=1)
    title = f"fit 400k x 28, {N_BIG_TREES} trees of 255 leaves, 1 thread"
    yield fit_contest(title, of, tolerance=0.005)
    few = cut(usual(31, 2), N_TREES_BESIDE)
    title = f"fit 400k x 28, {N_TREES_BESIDE} trees of 31 leaves, 2 threads, one core busy"
    with busy_core():
        yield fit_contest(title, tasks(few, table, 2, n_seeds=1), tolerance=0.005)


def cut(models: dict[str, Any], n_trees: int) -> dict[str, Any]:
    """The models with so many trees."""
    return {name: m.set_params(**{tree_count(m): n_trees}) for name, m in models.items()}


def tree_count(model) -> str:
    """What a model calls the number of its trees."""
    return next(name for name in ("max_iter", "n_estimators") if name in model.get_params())


@contextmanager
def busy_core() -> Iterator[None]:
    """Another program that never waits."""
    spinning = subprocess.Popen([sys.executable, "-c", SPIN, str(os.getpid())])
    try:
        yield
    finally:
        spinning.kill()
        spinning.wait()
