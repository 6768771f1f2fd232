"""Estimators that drop into scikit-learn: change one import inside a ``Pipeline``."""

from importlib.metadata import version

try:
    from skextras.gradient_boosting import GradientBoostingClassifier, GradientBoostingRegressor
    from skextras.kernel import KernelLogisticRegression
    from skextras.mixture import (
        BernoulliMixture,
        CategoricalHMM,
        CategoricalMixture,
        GaussianHMM,
        GaussianMixture,
        PoissonMixture,
        StudentMixture,
    )
except ModuleNotFoundError as error:
    if (error.name or "").startswith("skextras"):
        raise
    raise ModuleNotFoundError(
        f'skextras: {error.name} is not installed. Run: pip install "mlextras[sk]".',
        name=error.name,
    ) from error

__all__ = [
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "KernelLogisticRegression",
    "GaussianMixture",
    "StudentMixture",
    "BernoulliMixture",
    "CategoricalMixture",
    "PoissonMixture",
    "GaussianHMM",
    "CategoricalHMM",
]
__version__ = version("mlextras")
