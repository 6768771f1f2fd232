"""Solvers of kernel logistic regression: matrices in, coefficients out."""

from skextras.kernel.solvers.exact import solve_newton
from skextras.kernel.solvers.line_search import Solution
from skextras.kernel.solvers.nystroem import KernelRows, solve_nystroem

__all__ = ["KernelRows", "Solution", "solve_newton", "solve_nystroem"]
