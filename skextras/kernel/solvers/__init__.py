"""Solvers of kernel logistic regression: matrices in, coefficients out."""

from skextras.kernel.solvers.exact import solve_newton
from skextras.kernel.solvers.large import Start, solve_large
from skextras.kernel.solvers.line_search import Solution
from skextras.kernel.solvers.nystroem import KernelRows, solve_nystroem
from skextras.kernel.solvers.operators import SquareKernel

__all__ = [
    "KernelRows",
    "Solution",
    "SquareKernel",
    "Start",
    "solve_large",
    "solve_newton",
    "solve_nystroem",
]
