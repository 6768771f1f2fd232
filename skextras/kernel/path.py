"""Fits over rising C, each from the last, and what each would say of rows left out."""

import numpy as np

from skextras.kernel.kernels import Pairs, is_kernel_matrix
from skextras.kernel.solvers import (
    Laplace,
    SquareKernel,
    Start,
    double_centred,
    left_out_scores,
    likelihood,
    low_rank_model,
    solve_large,
    solve_newton,
)
from skextras.kernel.solving import NotAKernelError, Options
from skextras.kernel.threads import blas_threads

__all__ = ["path_scores"]

PATH_TOL = 1e-5  # the scores are wanted to three digits


def path_scores(
    pairs: Pairs,
    targets: np.ndarray,
    weights: np.ndarray,
    Cs: np.ndarray,
    *,
    criterion: str,
    options: Options,
    is_trusted: bool,
    score_weights: np.ndarray,
) -> np.ndarray:
    """Score each C.

    Parameters
    ----------
    pairs : Pairs
        Kernel of the rows with one another.
    targets : ndarray of shape (n, k)
        Membership.
    weights : ndarray of shape (n,)
        Weights of the rows in the loss.
    Cs : ndarray of shape (n_Cs,), rising
        Inverse regularisation strengths.
    criterion : {"loo", "evidence"}
        What to compute.
    options : Options
        Of the solver.
    is_trusted : bool
        Whether the kernel is known to be symmetric.
    score_weights : ndarray of shape (n,)
        Weights of the rows in the mean.

    Returns
    -------
    ndarray of shape (n_Cs,)
        Mean log probability of a label whose row is left out, or the evidence.
    """
    n, everything = len(targets), slice(0, len(targets))
    K = pairs.block(everything, everything, np.float64).copy()
    if not is_kernel_matrix(K, is_trusted=is_trusted):
        raise NotAKernelError("symmetric and finite")
    if options.fit_intercept:
        K = double_centred(K)
    square = SquareKernel(K, np.zeros(n), pairs)
    scores, start = [], None
    keywords = {**options.keywords(), "tol": max(options.tol, PATH_TOL), "report": None}
    with blas_threads().limit(limits=1, user_api="blas"):
        model = low_rank_model(square)
        for C in Cs:
            found = solve_large(square, targets, C * weights, start=start, model=model, **keywords)
            if found.residual > keywords["tol"]:
                found = solve_newton(K, targets, C * weights, **keywords)
            start = Start(found.dual_coef, found.intercept)
            loss = likelihood(targets, C * weights)
            F = K @ found.dual_coef + found.intercept
            posterior = Laplace(K, loss, F, fit_intercept=options.fit_intercept)
            if criterion == "evidence":  # that of the labels, whose likelihood has no factor C
                penalised = loss.value(F) + 0.5 * float(np.vdot(found.dual_coef, F))
                scores.append(-penalised / C - 0.5 * posterior.log_det)
            else:
                F = left_out_scores(posterior, K, loss, F)
                mean = likelihood(targets, score_weights / score_weights.sum())
                scores.append(-mean.value(F))
    return np.array(scores)
