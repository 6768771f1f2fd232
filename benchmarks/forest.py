"""Random forests of 100 trees to purity, two threads. Quality is 1 - AUC on held-out rows, for fits
the mean over forests of five seeds on the first table; a fit includes the bins. LightGBM and
XGBoost run in their forest modes, with as many leaves as rows allow and rows drawn without
replacement, since they have no bootstrap.
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
MANY, FEW, FEWER = 100_000, 5_000, (12_500, 25_000, 50_000, 100_000)
OURS, HOST, INTEL = "skextras", "sklearn RandomForest", "oneDAL RandomForest (sklearnex)"
LIGHT, EXTREME = "LightGBM rf", "XGBRF"


def models(seed: int = 0) -> dict[str, Any]:
    """Ours and the peers, not fitted."""
    usual = {"n_estimators": N_TREES, "n_jobs": N_THREADS, "random_state": seed}
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
    """Many rows by all; few rows; growth with the rows beside scikit-learn."""
    yield from fit_and_predict("100k x 28", partial(higgs_like, MANY), tuple(models()), 0.01)
    yield from fit_and_predict("5k x 20", partial(small, FEW), (OURS, HOST, INTEL), 0.02)
    for n in FEWER:
        yield fit_contest("fit, growth with the rows", higgs_like(n, 0), (OURS, HOST), 0.02, size=n)


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
    task: str, rows: Rows, names: tuple[str, ...], tolerance: float, *, size: int = 1
) -> Contest:
    """Fits of the same rows; quality over several seeds."""
    return Contest(
        task=task,
        size=size,
        quality_name="1 - AUC",
        tolerance=tolerance,
        contestants=[
            Contestant(
                name=name,
                run=lambda name=name: models()[name].fit(rows.X, rows.y),
                quality=partial(loss, name, rows, n_seeds=N_SEEDS if size == 1 else 1),
            )
            for name in names
        ],
    )


def loss(name: str, rows: Rows, fitted: Any, *, n_seeds: int) -> float:
    """Mean 1 - AUC of what was fitted, and of fits with other seeds."""
    others = (models(seed)[name].fit(rows.X, rows.y) for seed in range(1, n_seeds))
    return fmean(one_loss(model, rows) for model in (fitted, *others))


def one_loss(model: Any, rows: Rows) -> float:
    """1 - AUC of one model."""
    return 1 - roc_auc_score(rows.y_test, model.predict_proba(rows.X_test)[:, 1])
