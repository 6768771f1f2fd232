"""Fits over rising C, each begun from its neighbours, and what each would say of rows left out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skextras.kernel.kernels import NotAKernelError, Pairs, is_kernel_matrix
from skextras.kernel.solvers import (
    Curve,
    Iterate,
    Laplace,
    Likelihood,
    Newton,
    Start,
    double_centred,
    left_out_scores,
    likelihood,
)
from skextras.kernel.solving import Options
from skextras.kernel.threads import blas_threads

__all__ = ["Path", "path_of"]

PATH_TOL = 1e-5  # of the fits: their scores are wanted to three digits
SMOOTH = (
    1e-4  # nats a row to which the curve of the scores is followed between the C that are fitted
)


@dataclass(frozen=True)
class Path:
    """What was found.

    Attributes
    ----------
    scores : ndarray of shape (n_Cs,)
        Mean log probability of a label whose row is left out, or the evidence; where the curve over
        log C is smooth, at fitted values to either side, interpolated to about 1e-4 nats a row.
    start : callable
        From the place of a C to a start of its fit.
    """

    scores: np.ndarray
    start: Callable[[int], Start]


def path_of(
    pairs: Pairs,
    targets: np.ndarray,
    weights: np.ndarray,
    Cs: np.ndarray,
    *,
    criterion: str,
    options: Options,
    is_trusted: bool,
    score_weights: np.ndarray,
) -> Path:
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
    Path
        The scores.
    """
    everything = slice(0, len(targets))
    K = pairs.block(everything, everything, np.float64)
    if not is_kernel_matrix(K, is_trusted=is_trusted):
        raise NotAKernelError("symmetric and finite")
    means = K.mean(axis=0)
    if options.fit_intercept:
        K = double_centred(K)
    newton = Newton(K, fit_intercept=options.fit_intercept, tol=max(options.tol, PATH_TOL))
    mean = likelihood(targets, score_weights / score_weights.sum())
    total = float(weights.sum())

    def value(log_C: float, start: np.ndarray) -> tuple[float, np.ndarray]:  # numpydoc ignore=GL08
        C = float(np.exp(log_C))
        loss = likelihood(targets, C * weights)
        if criterion == "evidence":
            mode, posterior = newton.mode(loss, start)
            return _evidence(posterior, loss, mode, C) / total, mode.F
        mode, posterior = newton.near_mode(loss, start)
        return -mean.value(left_out_scores(posterior, loss, mode.F, mode.A)), mode.F

    curve = Curve(value, np.zeros_like(targets))

    def start(place: int) -> Start:  # numpydoc ignore=GL08
        F = curve.near(np.log(Cs), place)
        A = likelihood(targets, Cs[place] * weights).descent(F)  # at the mode
        if not options.fit_intercept:
            return Start(A, np.zeros(F.shape[1]))
        A -= A.mean(axis=0)
        return Start(A, F.mean(axis=0) - means @ A)

    with blas_threads().limit(limits=1, user_api="blas"):
        scores = curve.over(np.log(Cs), SMOOTH)
    return Path(scores * (total if criterion == "evidence" else 1.0), start)


def _evidence(posterior: Laplace, loss: Likelihood, mode: Iterate, C: float) -> float:
    """That of the labels, whose likelihood has no factor C."""
    return -(loss.value(mode.F) + mode.penalty) / C - 0.5 * posterior.log_det
