"""Score-based SDEs (Song et al. 2021, arXiv:2011.13456) as rows: predictors, Langevin correctors.

dx = f x dt + g dw has x_t = a x_0 + b z with f = a'/a and g² = (b²)' - 2 f b². Every row is
x' = c x + k s + noise z in the score s = (a D - x) / b².
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from genextras.core.predictions import solve
from genextras.core.steps import Levels, Rows, euler_rows, make_rows


class Diffusion(NamedTuple):
    """Scales and rates of an SDE at times t in (0, 1]; each maps an array or Tensor to its like."""

    a: Callable[[Any], Any]
    b: Callable[[Any], Any]
    drift: Callable[[Any], Any]  # f
    rate: Callable[[Any], Any]  # g²


def _exp(x: Any) -> Any:
    return x.exp() if isinstance(x, Tensor) else np.exp(x)


def preserving(low: float, high: float, *, is_sub: bool) -> Diffusion:
    """VP with β(t) from low to high (eq. 32 there), or sub-VP (eq. 29), whose b is 1 - a².

    Parameters
    ----------
    low, high : float
        Ends of β(t).
    is_sub : bool
        Whether b is that of sub-VP.

    Returns
    -------
    Diffusion
        Scales and rates.
    """

    def _total(t: Any) -> Any:
        return low * t + 0.5 * t**2 * (high - low)  # ∫ β

    def _beta(t: Any) -> Any:
        return low + t * (high - low)

    power = 1.0 if is_sub else 0.5
    return Diffusion(
        a=lambda t: _exp(-0.5 * _total(t)),
        b=lambda t: (1 - _exp(-_total(t))) ** power,
        drift=lambda t: -0.5 * _beta(t),
        rate=lambda t: _beta(t) * (1 - _exp(-2 * _total(t)) if is_sub else 1),
    )


def exploding(low: float, high: float) -> Diffusion:
    """VE with σ(t) geometric from low to high (eq. 30 there).

    Parameters
    ----------
    low, high : float
        Ends of σ(t).

    Returns
    -------
    Diffusion
        Scales and rates.
    """
    growth = float(np.log(high / low))
    return Diffusion(
        a=lambda t: 0 * t + 1,
        b=lambda t: low * _exp(growth * t),
        drift=lambda t: 0 * t,
        rate=lambda t: 2 * growth * (low * _exp(growth * t)) ** 2,
    )


def _score_rows(
    levels: Levels, prediction: str, kept: np.ndarray, gain: np.ndarray, noise: np.ndarray
) -> Rows:
    """x' = kept x + gain s + noise z."""
    a, b, _, _ = levels
    data, sample = gain * a / b**2, kept - gain / b**2
    return make_rows(solve(prediction, a, b), data, sample, noise=noise)


def _euler_maruyama(
    levels: Levels, prediction: str, diffusion: Diffusion, times: np.ndarray
) -> Rows:
    stride = times[:-1] - times[1:]
    drift, rate = diffusion.drift(times[:-1]), diffusion.rate(times[:-1])
    return _score_rows(
        levels, prediction, 1 - drift * stride, rate * stride, np.sqrt(rate * stride)
    )


def _transition(levels: Levels) -> tuple[np.ndarray, np.ndarray]:
    """Factor α and standard deviation G of x_t given x_s, over the whole stride."""
    alpha = levels.a / levels.a_next
    return alpha, np.sqrt(np.maximum(levels.b**2 - (alpha * levels.b_next) ** 2, 0))


def _reverse_diffusion(
    levels: Levels, prediction: str, diffusion: Diffusion, times: np.ndarray
) -> Rows:
    """The forward step read backwards (eq. 46 there)."""
    alpha, spread = _transition(levels)
    return _score_rows(levels, prediction, 2 - alpha, spread**2, spread)


def _ancestral(levels: Levels, prediction: str, diffusion: Diffusion, times: np.ndarray) -> Rows:
    """Mean of the posterior; its noise (eq. 47 there for VE), or G where a falls (appendix E)."""
    alpha, spread = _transition(levels)
    noise = np.where(alpha < 1, spread, spread * levels.b_next / levels.b)
    return _score_rows(levels, prediction, 1 / alpha, spread**2 / alpha, noise)


def _ode_euler(levels: Levels, prediction: str, diffusion: Diffusion, times: np.ndarray) -> Rows:
    return euler_rows(levels, prediction)


# (levels, prediction, SDE, n + 1 times) -> rows
PREDICTORS: dict[str, Callable[[Levels, str, Diffusion, np.ndarray], Rows]] = {
    "euler_maruyama": _euler_maruyama,
    "reverse_diffusion": _reverse_diffusion,
    "ancestral": _ancestral,
    "ode_euler": _ode_euler,
}


def langevin_rows(levels: Levels, prediction: str, size: np.ndarray) -> Rows:
    """Langevin steps x' = x + size s + √(2 size) z at each level.

    Parameters
    ----------
    levels : Levels
        Of n steps.
    prediction : str
        What the network predicts.
    size : array of shape (n,)
        Step sizes, squared units of x.

    Returns
    -------
    Rows
        One step at each level.
    """
    return _score_rows(levels, prediction, np.ones_like(levels.a), size, np.sqrt(2 * size))


def interleave(parts: list[Rows]) -> Rows:
    """Rows of several tables in turn: all parts of the first step, then of the second, ...

    Parameters
    ----------
    parts : list of Rows
        Tables of as many steps, without a past.

    Returns
    -------
    Rows
        As many as all parts hold.
    """
    pairs = zip(*[part[:-1] for part in parts], strict=True)
    columns: Any = (np.stack(pair, axis=1).reshape(-1) for pair in pairs)
    return Rows(*columns)


def denoise_last(rows: Rows) -> Rows:
    """Let the last row give the predicted data, without noise.

    Parameters
    ----------
    rows : Rows
        Any table.

    Returns
    -------
    Rows
        The same but for the last row.
    """
    changes = {"data": 1.0, "sample": 0.0, "model": 0.0, "noise": 0.0, "draws": False}
    last: Any = {
        name: np.append(getattr(rows, name)[:-1], value) for name, value in changes.items()
    }
    return rows._replace(**last)
