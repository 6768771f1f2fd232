"""Prediction by 100 boosted trees. Quality is the log loss, which must agree: ours predicts with
the very trees of scikit-learn's model; LightGBM and XGBoost with their own, of as many leaves.
"""

from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace

import lightgbm
import numpy as np
import xgboost
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from benchmarks.harness import Contest, Contestant
from skextras.trees.arrays import Ensemble, Tree
from skextras.trees.prediction import Predictor

N_FEATURES, N_TREES, N_TRAINING = 28, 100, 100_000
N_THREADS = 2


def contests() -> Iterator[Contest]:
    """Small trees and big ones, many rows and one."""
    for n_leaves in (31, 255):
        models = trained(n_leaves)
        for n in (100_000, 1):
            yield contest(f"{N_TREES} trees of {n_leaves} leaves: predict", n, models)


def table(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers with interactions and noise, as physicists' event tables have."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, N_FEATURES)).astype(np.float32)
    score = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3] ** 2 - X[:, 4] * X[:, 5] * X[:, 6]
    score += X[:, 7:].sum(1) / 6 + np.abs(X[:, 9]) * X[:, 8] - 1
    return X, (score + rng.normal(size=n) > 0).astype(int)


def trained(n_leaves: int) -> dict:
    """The peers' models, and ours with the trees of scikit-learn's."""
    X, y = table(N_TRAINING, seed=0)
    sizes = {"max_iter": N_TREES, "max_leaf_nodes": n_leaves}
    hist = HistGradientBoostingClassifier(**sizes, early_stopping=False).fit(X, y)
    light = lightgbm.LGBMClassifier(
        n_estimators=N_TREES, num_leaves=n_leaves, n_jobs=N_THREADS, verbose=-1
    ).fit(X, y)
    options = {"max_leaves": n_leaves, "max_depth": 0, "grow_policy": "lossguide"}
    options |= {"objective": "binary:logistic", "nthread": N_THREADS, "tree_method": "hist"}
    extreme = xgboost.train(options | {"eta": 0.1}, xgboost.DMatrix(X, y), N_TREES)
    ours = predictor_of(hist, X.shape[1])
    return {
        "skextras Predictor": lambda X: ours.raw_predict(X, N_THREADS)[:, 0],
        "LightGBM": partial(light.booster_.predict, raw_score=True, num_threads=N_THREADS),
        "XGBoost": partial(extreme.inplace_predict, predict_type="margin"),
        "sklearn HistGradientBoosting": hist.decision_function,
    }


def contest(task: str, n: int, models: dict) -> Contest:
    """The same rows for all models; a single row is predicted a hundred times."""
    X, y = table(100_000, seed=1)
    repeats = 100 if n == 1 else 1

    def predict(model):
        for _ in range(repeats):
            scores = model(X[:n])
        return scores if n > 1 else model(X[:1000])

    return Contest(
        task=task,
        size=n,
        units=repeats,
        quality_name="log loss",
        tolerance=0.02,  # other trees of the same size; ours are scikit-learn's
        contestants=[
            Contestant(
                name=name,
                run=partial(predict, model),
                quality=lambda scores: log_loss(y[: len(scores)], expit(scores)),
            )
            for name, model in models.items()
        ],
    )


def predictor_of(model, n_features: int) -> Predictor:
    """Ours with the trees of scikit-learn's model (numbers only)."""
    trees = [tree_of(one.nodes) for iteration in model._predictors for one in iteration]
    n_outputs = len(model._predictors[0])
    ensemble = Ensemble(
        trees=tuple(trees),
        output=np.arange(len(trees)) % n_outputs,
        n_outputs=n_outputs,
        start=model._baseline_prediction.ravel(),
    )
    bins = SimpleNamespace(edges=[()] * n_features, is_categorical=np.zeros(n_features, bool))
    return Predictor(ensemble, bins)


def tree_of(nodes: np.ndarray) -> Tree:
    """One tree, its nodes renumbered so that children stand side by side."""
    order, left = [0], np.zeros(len(nodes), np.int32)
    for place in range(len(nodes)):
        node = nodes[order[place]]
        if not node["is_leaf"]:
            left[place] = len(order)
            order += [node["left"], node["right"]]
    nodes = nodes[order]
    is_leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        feature=np.where(is_leaf, -1, nodes["feature_idx"]),
        bin=nodes["bin_threshold"],
        threshold=np.where(is_leaf, np.nan, nodes["num_threshold"]),
        missing_left=nodes["missing_go_to_left"].astype(bool) & ~is_leaf,
        category_set=np.full(len(nodes), -1),
        left_categories=np.empty((0, 4)),
        left=left,
        value=nodes["value"][:, None],
        gain=np.where(is_leaf, 0, nodes["gain"]),
        weight=nodes["count"],
        count=nodes["count"],
    )
