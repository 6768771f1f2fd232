"""Ours and the peers with the same settings, and contests of them that fit and predict.

Each has 100 trees, a rate of 0.1, at most 255 or 256 bins, no early stopping and, where it has the
option, 20 rows a leaf (XGBoost and CatBoost have none, and keep their defaults).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from functools import partial
from typing import Any

import lightgbm
import xgboost
from catboost import CatBoostClassifier
from daal4py.sklearn.ensemble import GBTDAALClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from threadpoolctl import ThreadpoolController

from benchmarks.boosting_data import Table
from benchmarks.harness import Contest, Contestant
from skextras import GradientBoostingClassifier

N_TREES, N_SEEDS = 100, 3
AS_GOOD = 115  # trees of ours, as LightGBM's of few bits are
OURS, LIGHT, QUANTISED = "skextras", "LightGBM", "LightGBM, quantised"
EXTREME, HIST, CAT = "XGBoost hist", "sklearn HistGradientBoosting", "CatBoost"
ONEDAL = "oneDAL, by levels"


def ours(n_leaves: int, n_threads: int, **options: Any) -> GradientBoostingClassifier:
    """Ours; the same trees for any number of threads."""
    usual = {"max_iter": N_TREES, "early_stopping": False, "random_state": 0}
    return GradientBoostingClassifier(
        max_leaf_nodes=n_leaves, n_jobs=n_threads, **(usual | options)
    )


def light(n_leaves: int, n_threads: int, **options: Any) -> lightgbm.LGBMClassifier:
    """LightGBM as it comes, or with the options."""
    return lightgbm.LGBMClassifier(
        n_estimators=N_TREES, num_leaves=n_leaves, n_jobs=n_threads, verbose=-1, **options
    )


def quantised(n_leaves: int, n_threads: int) -> lightgbm.LGBMClassifier:
    """LightGBM with gradients of few bits, its fastest mode."""
    return light(n_leaves, n_threads, use_quantized_grad=True)


def extreme(n_leaves: int, n_threads: int) -> xgboost.XGBClassifier:
    """XGBoost that splits the best leaf first, as the others do."""
    return xgboost.XGBClassifier(
        n_estimators=N_TREES,
        learning_rate=0.1,
        tree_method="hist",
        grow_policy="lossguide",
        max_leaves=n_leaves,
        max_depth=0,
        n_jobs=n_threads,
    )


def hist(n_leaves: int, **options: Any) -> HistGradientBoostingClassifier:
    """scikit-learn's; its threads are OpenMP's, which ``Task`` limits."""
    return HistGradientBoostingClassifier(
        max_iter=N_TREES,
        max_leaf_nodes=n_leaves,
        early_stopping=False,
        random_state=0,
        **options,
    )


def onedal(n_leaves: int, n_threads: int) -> GBTDAALClassifier:
    """oneDAL's, which knows no limit on leaves: a depth and trees that end at our log loss."""
    depth, n_trees = {31: (6, 90), 255: (9, N_TREES)}[n_leaves]
    return GBTDAALClassifier(
        max_iterations=n_trees,
        max_tree_depth=depth,
        shrinkage=0.1,
        min_observations_in_leaf_node=20,
        reg_lambda=0,
        n_jobs=n_threads,
    )


def cat(n_threads: int, **options: Any) -> CatBoostClassifier:
    """CatBoost with its own symmetric trees of depth 6."""
    return CatBoostClassifier(
        iterations=N_TREES,
        learning_rate=0.1,
        thread_count=n_threads,
        verbose=False,
        allow_writing_files=False,
        **options,
    )


def usual(n_leaves: int, n_threads: int) -> dict[str, Any]:
    """Ours and three peers."""
    return {
        OURS: ours(n_leaves, n_threads),
        LIGHT: light(n_leaves, n_threads),
        EXTREME: extreme(n_leaves, n_threads),
        HIST: hist(n_leaves),
    }


def with_quantised(n_leaves: int, n_threads: int) -> dict[str, Any]:
    """The usual, and LightGBM with gradients of few bits."""
    return usual(n_leaves, n_threads) | {QUANTISED: quantised(n_leaves, n_threads)}


class Task:
    """One model's part: fits it, keeps what was fitted, and tells its log loss.

    Parameters
    ----------
    model : estimator
        Not fitted yet.
    tables : sequence of callables
        Make the tables; the first is the one that fits are timed on.
    n_threads : int
        Threads of a model that cannot be told.
    """

    def __init__(self, model: Any, tables: Sequence[Callable[[], Table]], n_threads: int) -> None:
        self._model, self._tables, self._n_threads = model, tables, n_threads
        self._fitted: Any = None

    def fit(self) -> Any:
        """Fit anew on the first table."""
        return self._fit_to(self._tables[0]())

    def loss(self, fitted: Any) -> float:
        """Mean log loss of what was fitted, and of fits to the other tables."""
        self._fitted = fitted
        losses = []
        for number, make in enumerate(self._tables):
            table = make()
            model = self._fit_to(table) if number else fitted
            losses.append(log_loss(table.y_test, model.predict_proba(table.X_test)))
        return sum(losses) / len(losses)

    @property
    def fitted(self) -> Any:
        """The model; the one of an earlier contest if there was one."""
        if self._fitted is None:
            self._fitted = self.fit()
        return self._fitted

    def threads(self) -> AbstractContextManager:
        """Where the model's threads are limited; those that know their number are left alone."""
        if not isinstance(self._model, HistGradientBoostingClassifier):
            return nullcontext()
        return CONTROLLER.limit(limits=self._n_threads, user_api="openmp")

    def _fit_to(self, table: Table) -> Any:
        with self.threads():
            return deepcopy(self._model).fit(table.X, table.y)


CONTROLLER = ThreadpoolController()


def tasks(
    models: dict[str, Any], make: Callable[[int], Table], n_threads: int, *, n_seeds: int = N_SEEDS
) -> dict[str, Task]:
    """A task for each model, on tables of the first seeds."""
    tables = [partial(make, seed) for seed in range(n_seeds)]
    return {name: Task(model, tables, n_threads) for name, model in models.items()}


def fit_contest(title: str, of: dict[str, Task], *, tolerance: float, size: int = 1) -> Contest:
    """Fit, binning included; the log loss is the mean over the tables."""
    return Contest(
        task=title,
        size=size,
        quality_name="log loss",
        tolerance=tolerance,
        contestants=[
            Contestant(name=name, run=task.fit, quality=task.loss) for name, task in of.items()
        ],
    )


def predict_contest(title: str, of: dict[str, Task], table: Table, *, tolerance: float) -> Contest:
    """Probabilities of the rows that were held out, by the models of the contest before."""

    def predict(task: Task) -> Any:
        with task.threads():
            return task.fitted.predict_proba(table.X_test)

    return Contest(
        task=title,
        quality_name="log loss",
        tolerance=tolerance,
        contestants=[
            Contestant(
                name=name, run=partial(predict, task), quality=partial(log_loss, table.y_test)
            )
            for name, task in of.items()
        ],
    )
