"""Random forests beside the forest modes of LightGBM and XGBoost at equal AUC, 100k x 28, to
purity, two threads. They grow leaf by leaf or level by level, with as many leaves as rows allow, on
rows drawn without replacement, since they have no bootstrap.

With equally many trees they rank better than ours and scikit-learn's by 0.01 or so. XGBRF divides
its leaves by the weight and 1e-5 more (its reg_lambda), so that among rows for which equally many
pure leaves vote those of larger leaves rank higher; with reg_lambda=0, or the shares rounded, the
lead is gone. LightGBM's falls, too, when its scores are rounded; that it divides likewise is a
guess. The more trees the fewer ties there are. So ours grow 32 trees here,
and the peers 20: enough for the AUC that they reach. A fit of theirs takes minutes, so that they
run in fewer rounds.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import lightgbm
import xgboost

from benchmarks.boosting_data import higgs_like, small
from benchmarks.forest import FEW, MANY, N_THREADS, OURS, one_loss
from benchmarks.harness import Contest, Contestant
from skextras import RandomForestClassifier

LIGHT, EXTREME = "LightGBM rf", "XGBRF"
N_TREES = {OURS: 32, EXTREME: 20, LIGHT: 20}
ROUNDS = {EXTREME: 2, LIGHT: 1}


def contests() -> Iterator[Contest]:
    """One peer after the other."""
    rows, few = higgs_like(MANY, 0), small(FEW, 0)
    for name in N_TREES:
        model(name).set_params(n_estimators=2).fit(few.X, few.y)  # code is no part of a fit
    for peer in (EXTREME, LIGHT):
        yield Contest(
            task=f"fit {MANY} x 28 to the AUC of {N_TREES[peer]} trees of {peer}",
            quality_name="1 - AUC",
            tolerance=0.003,  # a seed or another is off by that much
            contestants=[
                Contestant(
                    name=f"{name}, {N_TREES[name]} trees",
                    run=partial(model(name).fit, rows.X, rows.y),
                    quality=partial(one_loss, rows=rows),
                    rounds=ROUNDS.get(name),
                )
                for name in (OURS, peer)
            ],
        )


def model(name: str) -> Any:
    """Ours or a peer, not fitted."""
    usual: dict[str, Any] = {
        "n_estimators": N_TREES[name],
        "n_jobs": N_THREADS,
        "random_state": 0,
    }
    if name == OURS:
        return RandomForestClassifier(**usual)
    if name == EXTREME:
        return xgboost.XGBRFClassifier(
            colsample_bynode=0.19,  # five features of 28, the root of their number
            min_child_weight=0.2,
            tree_method="hist",
            subsample=0.632,
            max_depth=0,
            **usual,
        )
    return lightgbm.LGBMClassifier(
        boosting_type="rf",
        num_leaves=20_000,
        min_child_samples=1,
        min_child_weight=0.0,
        feature_fraction_bynode=0.19,
        subsample=0.632,
        subsample_freq=1,
        verbose=-1,
        **usual,
    )
