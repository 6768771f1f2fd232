"""Estimators that drop into scikit-learn: change one import inside a ``Pipeline``."""

from importlib.metadata import version

try:
    from skextras.adaboost import AdaBoostClassifier, AdaBoostRegressor
    from skextras.features.selection import (
        BorutaSelector,
        L1L2Selector,
        MRMRSelector,
        StabilitySelector,
    )
    from skextras.gradient_boosting import GradientBoostingClassifier, GradientBoostingRegressor
    from skextras.kernel import (
        KernelLogisticRegression,
        KernelLogisticRegressionCV,
        ProbabilisticSVC,
    )
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
    from skextras.som import SelfOrganizingMap, SOMClassifier, SOMRegressor
except ModuleNotFoundError as error:
    if (error.name or "").startswith("skextras"):
        raise
    raise ModuleNotFoundError(
        f'skextras: {error.name} is not installed. Run: pip install "mlextras[sk]".',
        name=error.name,
    ) from error

__all__ = [
    "AdaBoostClassifier",
    "AdaBoostRegressor",
    "BernoulliMixture",
    "BorutaSelector",
    "CategoricalHMM",
    "CategoricalMixture",
    "GaussianHMM",
    "GaussianMixture",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "KernelLogisticRegression",
    "KernelLogisticRegressionCV",
    "L1L2Selector",
    "MRMRSelector",
    "MixedMixture",
    "PoissonMixture",
    "ProbabilisticSVC",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "SOMClassifier",
    "SOMRegressor",
    "SelfOrganizingMap",
    "StabilitySelector",
    "StudentMixture",
]
__version__ = version("mlextras")
