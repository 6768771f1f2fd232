"""Solvers of kernel logistic regression: matrices in, coefficients out."""

from skextras.kernel.solvers.exact import double_centred, solve_newton
from skextras.kernel.solvers.ivm import import_vectors
from skextras.kernel.solvers.kernel_rows import KernelRows
from skextras.kernel.solvers.laplace import Laplace, left_out_scores
from skextras.kernel.solvers.large import low_rank_model, solve_large
from skextras.kernel.solvers.likelihood import likelihood
from skextras.kernel.solvers.line_search import Solution, Start
from skextras.kernel.solvers.nystroem import solve_nystroem
from skextras.kernel.solvers.operators import SquareKernel

__all__ = [
    "KernelRows",
    "Laplace",
    "Solution",
    "SquareKernel",
    "Start",
    "double_centred",
    "import_vectors",
    "left_out_scores",
    "likelihood",
    "low_rank_model",
    "solve_large",
    "solve_newton",
    "solve_nystroem",
]
