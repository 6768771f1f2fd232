"""Which noise levels a sampler visits, from noise to data: as training labels, or as σ = b/a.

Labels are whole numbers in [0, T). Behind the last one stands ``CLEAN``: data without noise.
Table 2 of Lin et al. (2023), arXiv:2305.08891, names the three spacings of labels.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

__all__ = ["CLEAN", "GRIDS", "SIGMA_GRIDS", "previous_labels", "shifted_time"]

CLEAN = -1  # the label of x_0


def _leading(n_train: int, n_steps: int, offset: int) -> np.ndarray:
    """Multiples of T // n plus an offset; the first is below T - 1 without an offset."""
    return np.arange(n_steps - 1, -1, -1) * (n_train // n_steps) + offset


def _trailing(n_train: int, n_steps: int, offset: int) -> np.ndarray:
    """T - i T/n rounded, less one; counted in whole steps.

    ``np.arange(T, 0, -T / n)`` has n + 1 members for many n (61, 103, ... of T = 1000), and then
    ends at label -1.
    """
    del offset
    return np.rint(n_train - np.arange(n_steps) * (n_train / n_steps)).astype(np.int64) - 1


def _linspace(n_train: int, n_steps: int, offset: int) -> np.ndarray:
    """n even points from T - 1 to 0, rounded; for n = 1 the only label is 0, as in diffusers."""
    del offset
    return np.rint(np.linspace(0, n_train - 1, n_steps)).astype(np.int64)[::-1]


# (T, n, offset) -> n labels, int64, descending; an offset may lift the first to T or more
GRIDS: dict[str, Callable[[int, int, int], np.ndarray]] = {
    "leading": _leading,
    "trailing": _trailing,
    "linspace": _linspace,
}


def _karras(n: int, low: float, high: float, rho: float) -> np.ndarray:
    """σ^(1/ρ) evenly spaced (Karras et al. 2022, arXiv:2206.00364, eq. 5)."""
    root = high ** (1 / rho) + np.linspace(0, 1, n) * (low ** (1 / rho) - high ** (1 / rho))
    return np.asarray(root**rho)


def _exponential(n: int, low: float, high: float, rho: float) -> np.ndarray:
    """log σ evenly spaced, and so the log-SNR (DPM-Solver, arXiv:2206.00927, section 4)."""
    del rho
    return np.exp(np.linspace(np.log(high), np.log(low), n))


@cache
def _beta_quantiles(n: int) -> np.ndarray:
    """Quantiles of Beta(0.6, 0.6), from 1 to 0 (arXiv:2407.12173)."""
    from scipy.special import betaincinv

    return np.asarray(betaincinv(0.6, 0.6, 1 - np.linspace(0, 1, n)))


def _beta(n: int, low: float, high: float, rho: float) -> np.ndarray:
    """σ at quantiles of a Beta law: dense at both ends."""
    del rho
    return low + _beta_quantiles(n) * (high - low)


# σ of the ten steps optimised for Stable Diffusion 1.5 (Align your steps, arXiv:2404.14507)
ALIGNED = np.log([14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152])


def _aligned(n: int, low: float, high: float, rho: float) -> np.ndarray:
    """The published knots moved to [low, high] in log σ, interpolated there for other n."""
    del rho
    share = (ALIGNED - ALIGNED[-1]) / (ALIGNED[0] - ALIGNED[-1])
    steps = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(share)), share)
    return np.asarray(low * np.exp(steps * np.log(high / low)))


def _rectified(n: int, low: float, high: float, rho: float) -> np.ndarray:
    """(τ = σ/(1 + κσ))^(1/1.5) evenly spaced down to 0, which is not listed; κ is called rho.

    Between a grid even in the time of a rectified flow and Karras'; its scale 1/κ is that of data.
    The last level is not below the lowest one that a network knows.
    """
    first, least = ((sigma / (1 + rho * sigma)) ** (1 / 1.5) for sigma in (high, low))
    tau = np.linspace(first, max(first / n, min(first, least)), n) ** 1.5
    return np.asarray(tau / (1 - rho * tau))


# (n, lowest σ, highest σ, exponent) -> n levels, descending, both ends included
SIGMA_GRIDS: dict[str, Callable[[int, float, float, float], np.ndarray]] = {
    "karras": _karras,
    "exponential": _exponential,
    "beta": _beta,
    "aligned": _aligned,
    "rectified": _rectified,
}


def shifted_time(time: np.ndarray, shift: float) -> np.ndarray:
    """Move times of a rectified flow towards noise: s t / (1 + (s - 1) t), σ times s.

    Parameters
    ----------
    time : array in [0, 1]
        Share of noise b of x = (1 - b) x_0 + b ε.
    shift : float
        Factor s on σ = b / (1 - b) (Esser et al. 2024, arXiv:2403.03206, eq. 23).

    Returns
    -------
    array
        Shifted times.
    """
    return shift * time / (1 + (shift - 1) * time)


def previous_labels(labels: np.ndarray) -> np.ndarray:
    """Label that each step arrives at: the next one evaluated, and data at the end.

    Parameters
    ----------
    labels : int array of shape (n,)
        Labels in the order of the sampler.

    Returns
    -------
    int array of shape (n,)
        The last is ``CLEAN``.

    Examples
    --------
    >>> previous_labels(np.array([999, 666, 333, 0])).tolist()
    [666, 333, 0, -1]
    """
    return np.append(labels[1:], CLEAN)
