"""Compiled loops of Student components."""

import math
from typing import Any

from skextras.trees.compiling import compiled


@compiled
def to_student(table: Any, n: int, constants: Any, freedom: Any, d: int, pull: Any) -> None:
    """Log densities of Student's distribution from -|z|² / 2, in place.

    Parameters
    ----------
    table : ndarray of shape (K, B)
        -|z|² / 2 comes in, log densities go out.
    n : int
        Rows.
    constants, freedom : ndarray of shape (k,), float64
        Normalisation, and degrees of freedom ν.
    d : int
        Features.
    pull : ndarray of shape (K, B), float64
        (ν + d) / (ν + |z|²) goes out.
    """
    for j in range(len(constants)):
        nu, column, u = freedom[j], table[j], pull[j]
        for r in range(n):
            distance = -2.0 * column[r]
            u[r] = (nu + d) / (nu + distance)
            column[r] = constants[j] - 0.5 * (nu + d) * math.log1p(distance / nu)


@compiled
def weigh(
    table: Any,
    n: int,
    pull: Any,
    known: Any,
    beyond: Any,
    totals: Any,
    logs: Any,
    out: Any,
) -> None:
    """Responsibilities times Student's weights, and the sums that the freedom follows from.

    Parameters
    ----------
    table : ndarray of shape (K, B)
        Responsibilities r.
    n : int
        Rows.
    pull : ndarray of shape (K, B)
        Weights u.
    known : ndarray of shape (n,), int64
        Known features of each row.
    beyond : ndarray of shape (k, d + 1)
        E[log u] - log E[u] for each number of known features.
    totals, logs : ndarray of shape (k,), float64
        Σ r and Σ r E[log u - u] are added to them.
    out : ndarray of shape (K, B)
        r u goes out.
    """
    for j in range(len(totals)):
        share, u, to = table[j], pull[j], out[j]
        for r in range(n):
            totals[j] += share[r]
            if share[r] > 0.0:
                logs[j] += share[r] * (math.log(u[r]) - u[r] + beyond[j, known[r]])
            to[r] = share[r] * u[r]
