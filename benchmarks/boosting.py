"""Gradient boosting on numbers, two threads. Quality is the log loss on held-out rows, for fits the
mean over tables of three seeds; a fit includes the bins. All are asked for ``predict_proba``; for
one row also the peers' shorter ways, which take no table of a user's.

Gradients rounded to few bits at random help here: LightGBM's quantised trees find interactions that
no first split pays for, and are as good as 15 more of ours, which is what they stand beside.
"""

from collections.abc import Iterator
from functools import partial

from benchmarks.boosting_data import higgs_like, small
from benchmarks.boosting_models import (
    AS_GOOD,
    EXTREME,
    HIST,
    LIGHT,
    N_TREES,
    ONEDAL,
    OURS,
    QUANTISED,
    Task,
    fit_contest,
    onedal,
    ours,
    predict_contest,
    quantised,
    tasks,
    usual,
    with_quantised,
)
from benchmarks.harness import Contest, Contestant

N_ROWS, N_SMALL, N_THREADS, N_REPEATS = 400_000, 5000, 2, 100


def contests() -> Iterator[Contest]:
    """Many rows by small and big trees; few rows; one row."""
    table = partial(higgs_like, N_ROWS)
    for n_leaves in (31, 255):
        title = f"400k x 28, {n_leaves} leaves, {N_THREADS} threads"
        models = usual(n_leaves, N_THREADS) | {ONEDAL: onedal(n_leaves, N_THREADS)}
        of = tasks(models, table, N_THREADS)
        yield fit_contest(f"fit {title}", of, tolerance=0.005)
        yield predict_contest(f"predict 100k rows, {title}", of, table(0), tolerance=0.005)
    as_good = ours(31, N_THREADS, max_iter=AS_GOOD)
    models = {f"{OURS}, {AS_GOOD} trees": as_good, QUANTISED: quantised(31, N_THREADS)}
    title = f"fit 400k x 28, 31 leaves, {N_THREADS} threads, beside {N_TREES} trees of few bits"
    yield fit_contest(title, tasks(models, table, N_THREADS), tolerance=0.0)
    few = partial(small, N_SMALL)
    of = tasks(with_quantised(31, N_THREADS), few, N_THREADS)
    yield fit_contest("fit 5k x 20, 31 leaves", of, tolerance=0.01)
    yield predict_contest("predict 10k rows, 5k x 20, 31 leaves", of, few(0), tolerance=0.03)
    yield one_row(of)


def one_row(of: dict[str, Task]) -> Contest:
    """One row at a time by the models of 5k x 20, 100 times over."""
    table = small(N_SMALL, 0)
    light, extreme = of[LIGHT].fitted.booster_, of[EXTREME].fitted.get_booster()
    ways = {name: of[name].fitted.predict_proba for name in (OURS, LIGHT, EXTREME, HIST)}
    ways |= {
        "LightGBM Booster.predict": partial(light.predict, num_threads=1),
        "XGBoost Booster.inplace_predict": extreme.inplace_predict,
    }

    def predict(name):
        with of.get(name, of[OURS]).threads():
            for number in range(N_REPEATS):
                result = ways[name](table.X_test[number : number + 1])
        return result

    def difference(result):
        """Of one probability from that of the majority of the models: all agree on a plain row."""
        return abs(float(result.ravel()[-1]) - median)

    row = table.X_test[N_REPEATS - 1 : N_REPEATS]
    median = sorted(float(way(row).ravel()[-1]) for way in ways.values())[len(ways) // 2]
    return Contest(
        task="predict one row, 5k x 20, 31 leaves",
        units=N_REPEATS,
        quality_name="off the median",
        tolerance=0.1,
        contestants=[
            Contestant(name=name, run=partial(predict, name), quality=difference) for name in ways
        ],
    )
