"""SHAP values of the same trees, by the training weights and against 100 background rows. Quality
is the largest gap between the sum of the values and the prediction.
"""

from collections.abc import Iterator

import numpy as np
import shap
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.harness import Contest, Contestant
from benchmarks.tree_prediction import N_THREADS, predictor_of, table
from skextras.trees.prediction import Predictor
from skextras.trees.shap import TreeShap

N_BACKGROUND = 100


def contests() -> Iterator[Contest]:
    """Trees of 31 leaves with both kinds, and big trees by weights."""
    for n_leaves, n, has_background in ((31, 1000, False), (255, 200, False), (31, 200, True)):
        yield contest(n_leaves, n, has_background)


def contest(n_leaves: int, n: int, has_background: bool) -> Contest:
    """Explain n rows."""
    X, y = table(20_000 + N_BACKGROUND + n, seed=0)
    X = X.astype(np.float64)
    model = HistGradientBoostingClassifier(max_leaf_nodes=n_leaves, early_stopping=False)
    model.fit(X[:20_000], y[:20_000])
    rows, background = X[-n:], X[20_000:-n] if has_background else None
    predictor = predictor_of(model, X.shape[1])
    ours = TreeShap(predictor, background)
    peer = shap.TreeExplainer(as_peer_has(predictor), background)
    kind = "100 background rows" if has_background else "training weights"

    def gap(values):
        return np.abs(values.sum(1) - predictor.raw_predict(rows)[:, 0]).max()

    return Contest(
        task=f"SHAP values by {kind}, 100 trees of {n_leaves} leaves",
        size=n,
        quality_name="gap to the prediction",
        tolerance=1e-6,
        contestants=[
            Contestant(
                name="skextras TreeShap",
                run=lambda: ours.values(rows, N_THREADS)[:, :, 0],
                quality=lambda values: gap(values + ours.expected_value / values.shape[1]),
            ),
            Contestant(
                name="shap TreeExplainer",
                run=lambda: peer.shap_values(rows, check_additivity=False),
                quality=lambda values: gap(values + peer.expected_value / values.shape[1]),
            ),
        ],
    )


def as_peer_has(predictor: Predictor) -> dict:
    """Our trees in the shap package's own form."""
    trees = []
    for number, tree in enumerate(predictor.ensemble.trees):
        is_leaf = tree.is_leaf
        start = predictor.ensemble.start[0] if number == 0 else 0.0
        trees.append(
            {
                "children_left": np.where(is_leaf, -1, tree.left),
                "children_right": np.where(is_leaf, -1, tree.left + 1),
                "children_default": np.where(is_leaf, -1, tree.left + ~tree.missing_left),
                "features": tree.feature,
                "thresholds": np.where(is_leaf, 0.0, tree.threshold),
                "values": tree.value + start,
                "node_sample_weight": tree.weight.copy(),  # the peer writes into it
            }
        )
    return {"trees": trees}
