"""Solvers of kernel logistic regression: matrices in, coefficients out."""

from skextras.kernel.solvers.exact import solve_newton
from skextras.kernel.solvers.line_search import Solution

__all__ = ["Solution", "solve_newton"]
