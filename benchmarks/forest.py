"""Random forests to purity, on two threads. Quality is 1 - AUC on held-out rows; a fit includes the
bins, and memory what it adds to a process that has fitted small forests before. Peers that take
more than 20 seconds a fit run in fewer rounds.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from sklearn.ensemble import RandomForestClassifier as HostForest
from sklearn.metrics import roc_auc_score
from sklearnex.ensemble import RandomForestClassifier as IntelForest

from benchmarks.boosting_data import Table as Rows
from benchmarks.boosting_data import higgs_like, small
from benchmarks.harness import Contest, Contestant
from skextras import RandomForestClassifier

N_TREES, N_THREADS = 100, 2
MANY, FEW, FEWER = 100_000, 5_000, (12_500, 25_000, 50_000)
OURS, HOST, INTEL = "skextras", "sklearn RandomForest", "oneDAL RandomForest (sklearnex)"
ROUNDS = {HOST: 2}  # of those that take long on many rows
LONG = 30_000  # rows from which they do


def models(seed: int = 0, n_trees: int = N_TREES) -> dict[str, Any]:
    """Ours and the peers, not fitted."""
    usual: dict[str, Any] = {
        "n_estimators": n_trees,
        "n_jobs": N_THREADS,
        "random_state": seed,
    }
    return {
        OURS: RandomForestClassifier(**usual),
        HOST: HostForest(**usual),
        INTEL: IntelForest(**usual),
    }


def contests() -> Iterator[Contest]:
    """Many rows, few rows; growth with the rows."""
    names = (OURS, HOST, INTEL)
    few = small(FEW, 0)
    for model in models(n_trees=2).values():
        model.fit(few.X, few.y)  # code is no part of what a fit takes
    yield from fit_and_predict("5k x 20", few, names, 0.02)
    yield from fit_and_predict("100k x 28", higgs_like(MANY, 0), names, 0.01)
    for n in FEWER:
        task = "fit, growth with the rows"
        yield fit_contest(task, higgs_like(n, 0), (OURS, HOST), 0.02, size=n)


def fit_and_predict(
    title: str, rows: Rows, names: tuple[str, ...], tolerance: float
) -> Iterator[Contest]:
    """A contest of fits, and one of predictions by what was fitted."""
    kept: dict[str, Any] = {}
    yield fit_contest(f"fit {title}, {N_TREES} trees", rows, names, tolerance, kept=kept)
    yield Contest(
        task=f"predict_proba {len(rows.X_test)} rows, {title}, {N_TREES} trees",
        quality_name="1 - AUC",
        tolerance=tolerance,
        contestants=[
            Contestant(
                name=name,
                run=partial(kept[name].predict_proba, rows.X_test),
                quality=lambda shares: 1 - roc_auc_score(rows.y_test, shares[:, 1]),
            )
            for name in names
        ],
    )


def fit_contest(
    task: str,
    rows: Rows,
    names: tuple[str, ...],
    tolerance: float,
    *,
    size: int = 1,
    kept: dict[str, Any] | None = None,
) -> Contest:
    """Fits of the same rows; those that were judged are kept."""

    def fit(name: str) -> Any:
        return models()[name].fit(rows.X, rows.y)

    def loss(name: str, fitted: Any) -> float:
        if kept is not None:
            kept[name] = fitted
        return one_loss(fitted, rows)

    rounds = ROUNDS if len(rows.y) > LONG else {}
    return Contest(
        task=task,
        size=size,
        quality_name="1 - AUC",
        tolerance=tolerance,
        contestants=[
            Contestant(
                name=name,
                run=partial(fit, name),
                quality=partial(loss, name),
                rounds=rounds.get(name),
            )
            for name in names
        ],
    )


def one_loss(model: Any, rows: Rows) -> float:
    """1 - AUC of one model."""
    return 1 - roc_auc_score(rows.y_test, model.predict_proba(rows.X_test)[:, 1])
