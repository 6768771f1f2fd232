"""What changes while a map learns: the neighbourhood of a unit, its radius, the learning rate."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

SIGNED = ("mexican_hat",)  # neighbourhoods with negative values


def _gaussian(squared: np.ndarray, radius: float) -> np.ndarray:
    return np.exp(squared * (-0.5 / radius**2))


def _bubble(squared: np.ndarray, radius: float) -> np.ndarray:
    return (squared <= radius**2 * (1 + 1e-12)).astype(np.float64)  # √3/2 times 2 is not √3


def _mexican_hat(squared: np.ndarray, radius: float) -> np.ndarray:
    scaled = squared / radius**2
    return (1 - scaled) * np.exp(-0.5 * scaled)


def _epanechnikov(squared: np.ndarray, radius: float) -> np.ndarray:
    return np.maximum(1 - squared / radius**2, 0)


NEIGHBORHOODS: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "gaussian": _gaussian,
    "bubble": _bubble,
    "mexican_hat": _mexican_hat,
    "epanechnikov": _epanechnikov,
}
NARROW = 1e-3  # radius below which a unit is alone, whatever the neighbourhood


def neighborhood(name: str, squared: np.ndarray, radius: float) -> np.ndarray:
    """How much a unit learns from a row that another unit won.

    Parameters
    ----------
    name : str
        One of ``NEIGHBORHOODS``.
    squared : ndarray
        Squared distances of the two units on the map.
    radius : float
        σ, at least 0; at 0 a unit learns from its own rows alone.

    Returns
    -------
    ndarray
        h, of the same shape; 1 at distance 0.
    """
    if radius < NARROW:
        return (squared == 0).astype(np.float64)
    return NEIGHBORHOODS[name](squared, radius)


def _linear(start: float, end: float, share: Any) -> Any:
    return start + (end - start) * share


def _exponential(start: float, end: float, share: Any) -> Any:
    return start * (end / start) ** share


def _inverse(start: float, end: float, share: Any) -> Any:
    return start / (1 + (start / end - 1) * share)


DECAYS: Mapping[str, Callable[[float, float, Any], Any]] = {
    "linear": _linear,
    "exponential": _exponential,
    "inverse": _inverse,
}


def decayed(
    decay: str | Callable[[float, float, float], float],
    ends: tuple[float, float],
    shares: np.ndarray,
) -> np.ndarray:
    """Values of a quantity that goes from a start to an end.

    Parameters
    ----------
    decay : str or callable
        One of ``DECAYS``, or a function of (start, end, share).
    ends : tuple of float
        Start and end.
    shares : ndarray of shape (n,)
        Which share of the steps is done: 0 in the first step, 1 in the last one.

    Returns
    -------
    ndarray of float64 of shape (n,)
        The values, at least 0.
    """
    if isinstance(decay, str):
        values = DECAYS[decay](*ends, shares)
    else:
        values = [decay(*ends, share) for share in shares.tolist()]
    return np.maximum(np.asarray(values, dtype=np.float64), 0.0)


def shares_done(first: int, n: int, n_steps: int) -> np.ndarray:
    """Shares of the steps that are done, for some steps in turn.

    Parameters
    ----------
    first : int
        Number of the first of them, from 0.
    n : int
        How many.
    n_steps : int
        Steps in total; later steps count as the last one.

    Returns
    -------
    ndarray of shape (n,)
        From 0 to 1.
    """
    if n_steps <= 1:
        return np.zeros(n)
    return np.minimum(np.arange(first, first + n) / (n_steps - 1), 1.0)
