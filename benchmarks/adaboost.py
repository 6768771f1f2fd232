"""AdaBoost on 100k x 28, two threads, beside scikit-learn's. Quality is the error on held-out rows
(for numbers 1 - R²); a fit includes the bins. scikit-learn takes minutes for 200 rounds and runs
once. Then quality over five seeds: each draws other rows, 10,000 to learn from and 100,000 to be
judged on; mean (least to greatest), and by how many standard errors of the difference, pair by
pair, ours is behind; more than three are a fault.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from statistics import fmean, stdev

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import AdaBoostClassifier as HostClassifier
from sklearn.ensemble import AdaBoostRegressor as HostRegressor
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from benchmarks.boosting_data import Table as Data
from benchmarks.boosting_data import higgs_like
from benchmarks.forest_sizes import spread
from benchmarks.harness import Contest, Contestant, Report, Table, hold
from skextras import AdaBoostClassifier, AdaBoostRegressor

N_ROWS, N_THREADS, ALL_ROUNDS = 100_000, 2, 200
DEPTHS = (1, 3)
N_FEW = 6  # rounds of a fit for numbers: some seconds of scikit-learn's
N_LEARNT = 5000  # rows from which the models that predict are made: scikit-learn's take long
N_REPEATS = 100  # of one row
N_SEEDS, N_JUDGED = 5, 10_000
OURS, HOST = "skextras", "scikit-learn"


def tables() -> Iterator[Table]:
    """Fits, predictions of many learners and of few, numbers, and quality by seeds."""
    data = higgs_like(N_ROWS, 0)
    for depth in DEPTHS:
        models = classifiers(depth)
        task = f"fit {N_ROWS} x 28, {ALL_ROUNDS} trees of depth {depth}"
        yield told(hold(fit_contest(task, models, data, ALL_ROUNDS, n_slow=1)))
        for n in (ALL_ROUNDS, 6, 1):
            yield told(hold(predict_contest(depth, models, data, n, 100_000)))
        yield told(hold(predict_contest(depth, models, data, 1, 1)))
    task = f"fit {N_ROWS} x 28, AdaBoost.R2, {N_FEW} trees of depth 3"
    yield told(hold(fit_contest(task, regressors(), in_numbers(data), N_FEW, n_slow=3)))
    yield qualities()


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


def fit_contest(task: str, models: dict, data: Data, n_rounds: int, *, n_slow: int) -> Contest:
    """Fits of so many rounds; scikit-learn's run n_slow times."""
    return Contest(
        task=task,
        quality_name="held-out error",
        tolerance=0.01,  # trees on bins and on values differ as seeds do
        contestants=[
            Contestant(
                name=name,
                run=partial(fitted, model, data, n_rounds),
                quality=partial(error, data),
                rounds=n_slow if name == HOST else None,
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


def qualities() -> Table:
    """What fits of other rows by each seed are worth."""
    lines = [
        f"| {N_JUDGED} x 28, {ALL_ROUNDS} trees, {N_SEEDS} seeds | held-out accuracy | AUC |",
        "|---|---|---|",
    ]
    behind = []
    for depth in DEPTHS:
        rows = [higgs_like(N_JUDGED, seed) for seed in range(N_SEEDS)]
        found = {
            name: list(zip(*(scores(model, each) for each in rows), strict=True))
            for name, model in classifiers(depth).items()
        }
        for name, of in found.items():
            lines.append(f"| {name}, depth {depth} | " + " | ".join(map(spread, of)) + " |")
        errors = [
            paired_standard_errors(*each) for each in zip(found[HOST], found[OURS], strict=True)
        ]
        behind += errors
        lines.append("| standard errors behind | " + " | ".join(f"{n:.1f}" for n in errors) + " |")
    return Table("\n".join(lines), is_fair=max(behind) <= 3)


def scores(model, rows: Data) -> tuple[float, float]:
    """Accuracy and AUC of a fit on held-out rows."""
    values = fitted(model, rows, ALL_ROUNDS).decision_function(rows.X_test)
    return float(((values > 0) == rows.y_test).mean()), float(roc_auc_score(rows.y_test, values))


def paired_standard_errors(host: Sequence[float], ours: Sequence[float]) -> float:
    """By how many standard errors of the mean difference ours is lower."""
    lead = [theirs - own for theirs, own in zip(host, ours, strict=True)]
    return fmean(lead) / (stdev(lead) / len(lead) ** 0.5)
