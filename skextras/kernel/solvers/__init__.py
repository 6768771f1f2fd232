"""Solvers of kernel logistic regression: matrices in, coefficients out."""

from skextras.kernel.solvers.curve import Curve
from skextras.kernel.solvers.exact import double_centred, solve_newton
from skextras.kernel.solvers.ivm import import_vectors
from skextras.kernel.solvers.kernel_rows import KernelRows
from skextras.kernel.solvers.laplace import Laplace
from skextras.kernel.solvers.large import low_rank_model, solve_large
from skextras.kernel.solvers.left_out import left_out_scores
from skextras.kernel.solvers.likelihood import Likelihood, likelihood
from skextras.kernel.solvers.line_search import Iterate, Solution, Start
from skextras.kernel.solvers.newton_path import Newton
from skextras.kernel.solvers.nystroem import solve_nystroem
from skextras.kernel.solvers.operators import SquareKernel

__all__ = [
    "Curve",
    "Iterate",
    "KernelRows",
    "Laplace",
    "Likelihood",
    "Newton",
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
