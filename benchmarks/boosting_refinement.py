"""What 100 trees of a rate of its own and extra leaf iterations are worth: chimeraboost, LightGBM,
and ours with as many trees as take chimeraboost's time. Read the log loss, which is the mean over
tables of two seeds; the seconds are about equal on purpose.

chimeraboost grows symmetric trees of depth 6, chooses its rate, and tries linear leaves; without
them is its second line. A greater rate is most of what it has before the usual settings; a penalty
on the leaves makes it bearable.
"""

from collections.abc import Iterator
from functools import partial

from chimeraboost import ChimeraBoostClassifier

from benchmarks.boosting_data import higgs_like
from benchmarks.boosting_models import N_TREES, fit_contest, light, ours, tasks
from benchmarks.harness import Contest

N_ROWS, N_THREADS = 100_000, 2
REFINED = {"learning_rate": 0.2, "l2_regularization": 10.0}


def contests() -> Iterator[Contest]:
    """One table of 100k rows."""
    chimera = partial(
        ChimeraBoostClassifier,
        n_estimators=N_TREES,
        thread_count=N_THREADS,
        early_stopping=False,
        random_state=0,
    )
    own = partial(ours, 31, N_THREADS)
    models = {
        "skextras, 650 trees, refined": own(max_iter=650, **REFINED),
        "skextras, 100 trees": own(),
        "skextras, 100 trees, 3 leaf iterations": own(leaf_iterations=3),
        "skextras, 100 trees, refined, 3 leaf iterations": own(leaf_iterations=3, **REFINED),
        "chimeraboost, 100 trees": chimera(),
        "chimeraboost, 100 trees, constant leaves": chimera(linear_leaves=False),
        "LightGBM, 100 trees": light(31, N_THREADS),
    }
    of = tasks(models, partial(higgs_like, N_ROWS), N_THREADS, n_seeds=2)
    yield fit_contest("refinement, 100k x 28", of, tolerance=0.05)
