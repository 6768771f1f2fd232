"""Kernel methods: the solvers (engine) and the estimators built on them."""

from skextras.kernel.logistic import KernelLogisticRegression
from skextras.kernel.logistic_cv import KernelLogisticRegressionCV

__all__ = ["KernelLogisticRegression", "KernelLogisticRegressionCV"]
