"""Compile everything once: ``python -m skextras.warmup``.

Compiled code is kept in Numba's cache, beside the package or under ``NUMBA_CACHE_DIR``; after this,
no process compiles again. Each part is compiled by using it on a few rows.
"""

import os
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.inspection import partial_dependence

from skextras.adaboost import AdaBoostClassifier, AdaBoostRegressor
from skextras.features.selection import L1L2Selector, MRMRSelector
from skextras.gradient_boosting import GradientBoostingClassifier, GradientBoostingRegressor
from skextras.kernel.kernels import Kernel
from skextras.kernel.logistic_cv import KernelLogisticRegressionCV
from skextras.kernel.solvers import SquareKernel
from skextras.mixture import (
    BernoulliMixture,
    CategoricalHMM,
    CategoricalMixture,
    GaussianHMM,
    GaussianMixture,
    MixedMixture,
    PoissonMixture,
    StudentMixture,
)
from skextras.random_forest import RandomForestClassifier, RandomForestRegressor
from skextras.som import SelfOrganizingMap

N_ROWS, N_FEATURES = 600, 5
POSITIVE = ("poisson", "gamma", "tweedie")  # losses of targets above 0
LOSSES = ("squared_error", "absolute_error", "huber", "quantile", *POSITIVE)


class _Rows:
    """A table of random numbers, one of its columns categories, and models that see it."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.X = random.standard_normal((N_ROWS, N_FEATURES))
        self.X[:, 0] = np.arange(N_ROWS) % 7
        self.X[::9, 1] = np.nan
        self.target = np.exp(self.X[:, 2]) + self.X[:, 0]
        self.labels = (self.target > np.median(self.target)).astype(int)

    def options(self, **options: Any) -> Any:
        few = {"max_iter": 2, "n_jobs": 2, "random_state": 0, "early_stopping": False}
        return {**few, "categorical_features": [0], **options}

    def classifier(self, **options: Any) -> GradientBoostingClassifier:
        return GradientBoostingClassifier(**self.options(**options))

    def regressor(self, **options: Any) -> GradientBoostingRegressor:
        return GradientBoostingRegressor(**self.options(**options))

    # ------------------------------------------------------------ parts
    def training(self) -> None:
        self.classifier().fit(self.X, self.labels)
        self.classifier(subsample=0.5).fit(self.X.astype(np.float32), self.labels)

    def losses(self) -> None:
        self.classifier().fit(self.X, np.arange(N_ROWS) % 3)
        self.classifier(loss="exponential").fit(self.X, self.labels)
        for loss in LOSSES:
            more = {"quantile": 0.5} if loss == "quantile" else {}
            self.regressor(loss=loss, **more).fit(self.X, self.target)

    def prediction(self) -> None:
        for leaves in (8, 50, 100):  # masks of 32 bits, of 64 bits, and the walk
            model = self.regressor(max_leaf_nodes=leaves, min_samples_leaf=1)
            model.fit(self.X, self.target).predict(self.X)
            model.predict(self.X.astype(np.float32))
            list(model.staged_predict(self.X))
            model.apply(self.X)

    def shap(self) -> None:
        model = self.regressor().fit(self.X, self.target)
        model.shap_values(self.X)
        model.shap_values(self.X[:20], background=self.X[:20])
        model.shap_interaction_values(self.X[:20])

    def dependence(self) -> None:
        model = self.regressor(categorical_features=None).fit(self.X, self.target)
        partial_dependence(model, self.X, [2], method="recursion", kind="average")

    def reweighting(self) -> None:
        for classes in (self.labels, np.arange(N_ROWS) % 3):
            AdaBoostClassifier(n_estimators=5).fit(self.X, classes).predict(self.X)
        numbers = AdaBoostRegressor(n_estimators=5, resample=False).fit(self.X, self.target)
        numbers.predict(self.X)

    def forests(self) -> None:
        options: dict[str, Any] = {"n_estimators": 2, "categorical_features": [0], "n_jobs": 2}
        for model, y in (
            (RandomForestClassifier(**options, max_depth=3), self.labels),
            (RandomForestRegressor(**options, keep_samples=True, ccp_alpha=1e-3), self.target),
        ):
            fitted = model.fit(self.X, y, np.arange(N_ROWS) % 3)
            fitted.debiased_importances(self.X, y)
            fitted.shap_values(self.X[:20])
            fitted.predict(self.X)
        fitted.predict(self.X[:20], quantiles=[0.5])

    def maps(self) -> None:
        full = np.nan_to_num(self.X)
        for dtype in (np.float64, np.float32):
            for algorithm in ("batch", "online"):
                som = SelfOrganizingMap((4, 4), n_epochs=1, algorithm=algorithm, n_jobs=1)
                som.fit(full.astype(dtype)).transform(full.astype(dtype))
                som.fit(self.X.astype(dtype))

    def mixtures(self) -> None:
        options: dict[str, Any] = {"max_iter": 2, "tol": 1e6, "random_state": 0}
        weight, holes = np.ones(N_ROWS), np.abs(self.X // 1)
        for dtype in (np.float64, np.float32):
            missing = holes.astype(dtype)
            full = np.nan_to_num(missing)
            shapes = ("full", "tied", "diag", "spherical", "factor")
            plain = GaussianMixture(2, **options)
            gaussian = [clone(plain).set_params(covariance_type=own) for own in shapes]
            bits = BernoulliMixture(2, **options)
            others = [bits, PoissonMixture(2, **options), StudentMixture(2, **options)]
            for model in (*gaussian, *others, CategoricalMixture(2, **options)):
                model.fit(full, sample_weight=weight).predict(missing)
                model.fit(missing).score_samples(missing)
            gaussian[0].impute(missing)
            gaussian[0].regress(full[:, :1], [0])
            families = ["poisson", "gaussian", "gaussian", "categorical", "bernoulli"]
            MixedMixture(2, families=families, **options).fit(missing).predict(missing)

    def chains(self) -> None:
        for dtype in (np.float64, np.float32):
            rows = np.nan_to_num(self.X).astype(dtype)
            steps: dict[str, Any] = {"max_iter": 2, "tol": 1e6, "random_state": 0}
            for model, X in (
                (GaussianHMM(2, **steps), rows),
                (CategoricalHMM(2, **steps), rows[:, :1]),
            ):
                model.fit(X).predict(X)
                model.predict_proba(X)
        many = np.resize(rows[:, :1], (1 << 16, 1))  # threads share long sequences alone
        GaussianHMM(2, n_jobs=2, **steps).fit(many)

    def kernels(self) -> None:
        full = np.nan_to_num(self.X)
        pairs = Kernel("rbf", {"gamma": 0.1}).pairs(full, full)
        for dtype in (np.float64, np.float32):
            SquareKernel.of(N_ROWS, pairs, dtype=dtype, is_centred=False).times(full[:, :1])
        KernelLogisticRegressionCV([1.0], gamma=0.1).fit(full, self.labels)

    def selectors(self) -> None:
        L1L2Selector().fit(np.nan_to_num(self.X), self.labels)
        MRMRSelector(2).fit(self.X, self.labels)

    def features(self) -> None:
        from skextras.features import (
            Bucketized,
            Crossed,
            FeatureColumns,
            HashBucket,
            Indicator,
            Numeric,
            Vocabulary,
        )

        words = [None if i % 9 == 0 else f"word {i % 50}" for i in range(N_ROWS)]
        lists = [[i % 3, i % 5][: i % 3] for i in range(N_ROWS)]
        table = {"word": words, "lists": lists, "x": self.X[:, 2].copy(), "n": self.labels}
        columns = [
            Numeric("x", missing="median"),
            Indicator(Vocabulary("word", n_oov_buckets=1)),
            Indicator(Vocabulary("lists")),
            HashBucket("word", n_buckets=9),
            Crossed(["word", "n", Bucketized("x", n_buckets=4)], n_buckets=99),
            Bucketized("x", n_buckets=99),
            Bucketized("n", boundaries=[1]),
        ]
        for dtype in (np.float64, np.float32):
            for is_sparse in (True, False):
                own = FeatureColumns(columns, sparse_output=is_sparse, dtype=dtype).fit(table)
                own.transform(table)
        FeatureColumns(columns[3:4]).fit_transform(table)

    def learned_columns(self) -> None:
        from skextras.features import Embedding, FeatureColumns, TargetMean

        table = {"town": np.where(self.X[:, 0] > 3, "a", "b"), "gate": self.X[:, 0]}
        learned = [TargetMean("town"), Embedding("town", dimension=2, context="gate")]
        FeatureColumns(learned).fit_transform(table, self.labels)

    def records(self) -> None:
        from skextras.features.tfrecord import TFRecordReader, write_tfrecord

        rows = {"n": [1, 2], "x": [[0.5], [1.5, 2.5]], "s": ["a", "b"], "steps": [[1], [2, 3]]}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows.tfrecord")
            write_tfrecord(path, rows, sequences=["steps"], index=True)
            TFRecordReader(path).take([1])
            TFRecordReader(path).read()


PARTS = {
    "training": _Rows.training,
    "losses": _Rows.losses,
    "prediction": _Rows.prediction,
    "forests": _Rows.forests,
    "SHAP": _Rows.shap,
    "partial dependence": _Rows.dependence,
    "AdaBoost": _Rows.reweighting,
    "maps": _Rows.maps,
    "mixtures": _Rows.mixtures,
    "Markov chains": _Rows.chains,
    "kernels": _Rows.kernels,
    "selectors": _Rows.selectors,
}
if find_spec("pyarrow"):  # which reads tables
    PARTS["feature columns"] = _Rows.features
    PARTS["learned columns"] = _Rows.learned_columns
    PARTS["TFRecord"] = _Rows.records


def warm_up(report: Callable[[str, float], None] | None = None) -> float:
    """Compile what all parts run, or find it compiled.

    Parameters
    ----------
    report : callable, default=None
        Called with the name of each part and the seconds that it took.

    Returns
    -------
    float
        Seconds in total.
    """
    rows, total = _Rows(), 0.0
    for name, part in PARTS.items():
        start = time.perf_counter()
        part(rows)
        seconds = time.perf_counter() - start
        total += seconds
        if report is not None:
            report(name, seconds)
    return total


def _line(name: str, seconds: float) -> None:
    print(f"{name:<20}{seconds:7.2f} s", flush=True)  # noqa: T201  # a command's output


def main() -> None:
    """Compile everything, and say how long each part took."""
    _line("total", warm_up(_line))


if __name__ == "__main__":
    main()
