"""Random forests of 100 trees to purity, two threads. Quality is 1 - AUC on held-out rows, for fits
the mean over forests of five seeds on the first table; a fit includes the bins. LightGBM and
XGBoost run in their forest modes, with as many leaves as rows allow and rows drawn without
replacement, since they have no bootstrap; they take minutes for 100 trees, and so grow 10.
"""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import fmean
from typing import Any

import lightgbm
import xgboost
from sklearn.ensemble import RandomForestClassifier as HostForest
from sklearn.metrics import roc_auc_score
from sklearnex.ensemble import RandomForestClassifier as IntelForest

from benchmarks.boosting_data import Table as Rows
from benchmarks.boosting_data import higgs_like, small
from benchmarks.harness import Contest, Contestant
from skextras import RandomForestClassifier

N_TREES, N_THREADS, N_SEEDS = 100, 2, 5
N_SLOW = 10  # trees beside the forest modes of boosting
MANY, FEW, FEWER = 100_000, 5_000, (12_500, 25_000, 50_000)
OURS, HOST, INTEL = "skextras", "sklearn RandomForest", "oneDAL RandomForest (sklearnex)"
LIGHT, EXTREME = "LightGBM rf", "XGBRF"


def models(seed: int = 0, n_trees: int = N_TREES) -> dict[str, Any]:
    """Ours and the peers, not fitted."""
    usual = {"n_estimators": n_trees, "n_jobs": N_THREADS, "random_state": seed}
    drawn = {"subsample": 0.632, "max_depth": 0}
    return {
        OURS: RandomForestClassifier(**usual),
        HOST: HostForest(**usual),
        INTEL: IntelForest(**usual),
        LIGHT: lightgbm.LGBMClassifier(
            boosting_type="rf",
            num_leaves=20_000,
            min_child_samples=1,
            min_child_weight=0.0,
            feature_fraction_bynode=0.19,  # five features of 28, the root of their number
            subsample=0.632,
            subsample_freq=1,
            verbose=-1,
            **usual,
        ),
        EXTREME: xgboost.XGBRFClassifier(
            colsample_bynode=0.19,
            reg_lambda=1e-5,
            min_child_weight=0.5,
            max_leaves=20_000,
            grow_policy="lossguide",
            tree_method="hist",
            **drawn,
            **usual,
        ),
    }


def contests() -> Iterator[Contest]:
    """Many rows, few rows; the forest modes of boosting; growth with the rows."""
    names = (OURS, HOST, INTEL)
    yield from fit_and_predict("100k x 28", partial(higgs_like, MANY), names, 0.01)
    yield from fit_and_predict("5k x 20", partial(small, FEW), names, 0.02)
    rows, slow = higgs_like(MANY, 0), (OURS, LIGHT, EXTREME)
    task = f"fit 100k x 28, {N_SLOW} trees"
    yield fit_contest(task, rows, slow, 0.01, n_trees=N_SLOW, n_seeds=1)
    for n in FEWER:
        rows = higgs_like(n, 0)
        task = "fit, growth with the rows"
        yield fit_contest(task, rows, (OURS, HOST), 0.02, size=n, n_seeds=1)


def fit_and_predict(
    title: str, table: Callable[[int], Rows], names: tuple[str, ...], tolerance: float
) -> Iterator[Contest]:
    """A contest of fits, and one of predictions by what was fitted."""
    rows = table(0)
    yield fit_contest(f"fit {title}, {N_TREES} trees", rows, names, tolerance)
    fitted = {name: models()[name].fit(rows.X, rows.y) for name in names}
    yield Contest(
        task=f"predict_proba {len(rows.X_test)} rows, {title}, {N_TREES} trees",
        quality_name="1 - AUC",
        tolerance=tolerance,
        contestants=[
            Contestant(
                name=name,
                run=partial(fitted[name].predict_proba, rows.X_test),
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
    n_trees: int = N_TREES,
    n_seeds: int = N_SEEDS,
) -> Contest:
    """Fits of the same rows; quality over several seeds."""

    def fit(name: str, seed: int = 0) -> Any:
        return models(seed, n_trees)[name].fit(rows.X, rows.y)

    def loss(name: str, fitted: Any) -> float:
        """Mean 1 - AUC of what was fitted, and of fits with other seeds."""
        others = (fit(name, seed) for seed in range(1, n_seeds))
        return fmean(one_loss(model, rows) for model in (fitted, *others))

    return Contest(
        task=task,
        size=size,
        quality_name="1 - AUC",
        tolerance=tolerance,
        contestants=[
            Contestant(name=name, run=partial(fit, name), quality=partial(loss, name))
            for name in names
        ],
    )


def one_loss(model: Any, rows: Rows) -> float:
    """1 - AUC of one model."""
    return 1 - roc_auc_score(rows.y_test, model.predict_proba(rows.X_test)[:, 1])
