"""Dormand and Prince's Runge-Kutta pair of orders 5 and 4, with steps chosen by its own error."""

from collections.abc import Callable

import torch
from torch import Tensor

# Dormand, Prince (1980), A family of embedded Runge-Kutta formulae, table 2
TIMES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
FIFTH = (*STAGES[-1], 0.0)
FOURTH = (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)
SAFETY, SHRINK, GROW, MAX_STEPS = 0.9, 0.2, 5.0, 10_000


def rk45(
    slope: Callable[[float, Tensor], Tensor],
    start: float,
    stop: float,
    y: Tensor,
    *,
    tolerance: float = 1e-5,
) -> Tensor:
    """Solve dy/dt = slope(t, y) from start to stop.

    Parameters
    ----------
    slope : callable
        Maps (t, y) to dy/dt.
    start, stop : float
        Times, in either order.
    y : Tensor
        Value at ``start``.
    tolerance : float, default=1e-5
        Of the root mean square error of a step, absolute and relative to y.

    Returns
    -------
    Tensor
        Value at ``stop``.

    Raises
    ------
    RuntimeError
        If the steps shrink to nothing, as for slopes that are not finite.
    """
    t, stride = start, (stop - start) / 50
    first = slope(t, y)
    for _ in range(MAX_STEPS):
        stride = min(stride, stop - t, key=abs)
        slopes = [first]
        for share, weights in zip(TIMES[1:], STAGES, strict=True):
            slopes.append(slope(t + share * stride, y + stride * _sum(weights, slopes)))
        ahead = y + stride * _sum(FIFTH, slopes)
        gap = stride * _sum([f - s for f, s in zip(FIFTH, FOURTH, strict=True)], slopes)
        allowed = tolerance * (1 + torch.maximum(y.abs(), ahead.abs()))
        error = float((gap / allowed).square().mean().sqrt())
        if error <= 1:
            t, y, first = t + stride, ahead, slopes[-1]
            if abs(stop - t) <= 1e-12 * abs(stop - start):
                return y
        factor = SAFETY * error**-0.2 if error > 0 else GROW
        stride *= min(max(factor, SHRINK), GROW) if error == error else SHRINK
    raise RuntimeError(
        f"rk45: slope must be finite and smooth, got t = {t} after {MAX_STEPS} steps. "
        "Raise the tolerance."
    )


def _sum(weights: "tuple[float, ...] | list[float]", slopes: list[Tensor]) -> Tensor:
    total = torch.zeros_like(slopes[0])
    for weight, each in zip(weights, slopes, strict=True):
        if weight:
            total.add_(each, alpha=weight)
    return total
