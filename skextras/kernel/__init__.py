"""Kernel methods: the solvers (engine) and the estimators built on them."""

from skextras.kernel.logistic import KernelLogisticRegression
from skextras.kernel.logistic_cv import KernelLogisticRegressionCV
from skextras.kernel.two_stage import ProbabilisticSVC

__all__ = ["KernelLogisticRegression", "KernelLogisticRegressionCV", "ProbabilisticSVC"]
