"""AdaBoost on 100k x 28, two threads, beside scikit-learn's. Quality is the error on held-out rows
(for numbers 1 - R²); a fit includes the bins. scikit-learn takes minutes for 200 rounds, so that
fits of few rounds are held against one another, their growth with the rounds is fitted, and its
seconds for 200 rounds are read off the line through its medians; ours are measured.
"""

import statistics
import time
from collections.abc import Iterator
from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import AdaBoostClassifier as HostClassifier
from sklearn.ensemble import AdaBoostRegressor as HostRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from benchmarks.boosting_data import Table as Data
from benchmarks.boosting_data import higgs_like
from benchmarks.harness import Contest, Contestant, Report, Table, growth, hold
from skextras import AdaBoostClassifier, AdaBoostRegressor

N_ROWS, N_THREADS, ALL_ROUNDS = 100_000, 2, 200
FEW = {1: (4, 12), 3: (2, 6)}  # rounds by depth: some seconds of scikit-learn's
N_LEARNT = 5000  # rows from which the models that predict are made: scikit-learn's take long
N_REPEATS = 100  # of one row
N_SLOW = 3  # of scikit-learn's fits, which take seconds
OURS, HOST = "skextras", "scikit-learn"


def tables() -> Iterator[Table]:
    """Fits of few rounds and of all, predictions of many learners and of few, numbers."""
    data = higgs_like(N_ROWS, 0)
    for depth, rounds in FEW.items():
        models = classifiers(depth)
        task = f"fit {N_ROWS} x 28, trees of depth {depth}, n rounds"
        reports = [hold(fit_contest(task, models, data, n)) for n in rounds]
        yield from map(told, reports)
        yield Table(growth(reports), is_fair=True)
        yield all_rounds(depth, models[OURS], reports, data)
        for n in (ALL_ROUNDS, 6, 1):
            yield told(hold(predict_contest(depth, models, data, n, 100_000)))
        yield told(hold(predict_contest(depth, models, data, 1, 1)))
    numbers = in_numbers(data)
    task = f"fit {N_ROWS} x 28, AdaBoost.R2, trees of depth 3, n rounds"
    yield told(hold(fit_contest(task, regressors(), numbers, FEW[3][-1])))


def classifiers(depth: int) -> dict:
    """The contestants, not fitted."""
    tree = DecisionTreeClassifier(max_depth=depth)
    return {
        OURS: AdaBoostClassifier(tree, n_jobs=N_THREADS, random_state=0),
        HOST: HostClassifier(tree, random_state=0),
    }


def regressors() -> dict:
    """The same for numbers."""
    tree = DecisionTreeRegressor(max_depth=3)
    return {
        OURS: AdaBoostRegressor(tree, n_jobs=N_THREADS, random_state=0),
        HOST: HostRegressor(tree, random_state=0),
    }


def in_numbers(data: Data) -> Data:
    """The same table with a feature to predict from the others."""
    y, y_test = data.X[:, -1].astype(np.float64), data.X_test[:, -1].astype(np.float64)
    return Data(data.X[:, :-1], y, data.X_test[:, :-1], y_test)


def told(report: Report) -> Table:
    """A contest as a table."""
    return Table(report.markdown(), report.is_fair)


def fitted(model, data: Data, n_rounds: int, n: int | None = None):
    """A fit on the first n rows."""
    return clone(model).set_params(n_estimators=n_rounds).fit(data.X[:n], data.y[:n])


def error(data: Data, model) -> float:
    """On held-out rows."""
    return 1 - model.score(data.X_test[:20_000], data.y_test[:20_000])


def fit_contest(task: str, models: dict, data: Data, n_rounds: int) -> Contest:
    """Fits of so many rounds."""
    return Contest(
        task=task,
        size=n_rounds,
        quality_name="held-out error",
        tolerance=0.01,  # trees on bins and on values differ as seeds do
        contestants=[
            Contestant(
                name=name,
                run=partial(fitted, model, data, n_rounds),
                quality=partial(error, data),
                rounds=N_SLOW if name == HOST else None,
            )
            for name, model in models.items()
        ],
    )


def predict_contest(depth: int, models: dict, data: Data, n_rounds: int, n: int) -> Contest:
    """Predictions of n rows by so many learners; of one row a hundred times."""
    of = {name: fitted(model, data, n_rounds, N_LEARNT) for name, model in models.items()}
    repeats = N_REPEATS if n == 1 else 1

    def predict(model):
        for _ in range(repeats):
            labels = model.predict(data.X_test[:n])
        return labels if n > 1 else model.predict(data.X_test[:20_000])

    return Contest(
        task=f"predict {n} rows, {n_rounds} trees of depth {depth}",
        units=repeats,
        quality_name="held-out error",
        tolerance=0.02,  # of models of 5000 rows
        contestants=[
            Contestant(
                name=name,
                run=partial(predict, model),
                quality=lambda labels: float((labels != data.y_test[: len(labels)]).mean()),
            )
            for name, model in of.items()
        ],
    )


def all_rounds(depth: int, model, reports: list[Report], data: Data) -> Table:
    """Ours measured at 200 rounds, scikit-learn's by the line through its fits of few."""
    rounds = [report.contest.size for report in reports]
    medians = [statistics.median(report.records[HOST].seconds) for report in reports]
    line = statistics.linear_regression(rounds, medians)
    expected = line.intercept + ALL_ROUNDS * line.slope
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        one = fitted(model, data, ALL_ROUNDS)
        seconds.append(time.perf_counter() - start)
    ours = statistics.median(seconds)
    task = f"fit {N_ROWS} x 28, trees of depth {depth}, {ALL_ROUNDS} rounds"
    rows = [
        f"| {task} | s | s a round | ratio |",
        "|---|---|---|---|",
        f"| {OURS} (median of 5; error {error(data, one):.4f}) | {ours:.3g} "
        f"| {ours / ALL_ROUNDS:.3g} | 1.00 |",
        f"| {HOST} (by its growth from {rounds[0]} to {rounds[-1]} rounds) | {expected:.3g} "
        f"| {line.slope:.3g} | {expected / ours:.1f} |",
    ]
    return Table("\n".join(rows), is_fair=True)
