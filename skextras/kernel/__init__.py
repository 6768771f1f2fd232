"""Kernel methods: the solvers (engine) and the estimators built on them."""

from skextras.kernel.logistic import KernelLogisticRegression

__all__ = ["KernelLogisticRegression"]
