"""What a compiled task is made of."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task, as functions of arrays.

    Attributes
    ----------
    n_states : int
        S, the numbers that say where the task stands.
    action_dtype : type
        What the kernel takes: int64 for a choice, float32 for a torque.
    step : callable
        ``step(states, actions, observations, rewards, terminated, two)`` on arrays (N, S), (N,),
        (N, O), (N,), (N,) advances N tasks in place and returns -1; or changes nothing and returns
        the index of the first action that is not allowed. ``two`` is `TWO`.
    draw : callable
        A state (S,) to start from, drawn as Gymnasium's ``reset`` draws it.
    observe : callable
        What Gymnasium's ``reset`` shows of that state, (O,).
    """

    n_states: int
    action_dtype: type
    step: Callable[..., int]
    draw: Callable[[Generator], np.ndarray]
    observe: Callable[[np.ndarray], np.ndarray]


DISCRETE = (
    "int64(float64[:, ::1], int64[::1], float32[:, ::1], float64[::1], boolean[::1], float64)"
)
CONTINUOUS = (
    "int64(float64[:, ::1], float32[::1], float32[:, ::1], float64[::1], boolean[::1], float64)"
)
"""The two signatures of a step."""
TWO = 2.0
"""The exponent of a square, handed over so that the compiler does not know it: x² is then libm's
pow, as for NumPy's scalars, and not x·x, which differs in the last bit once in a thousand times."""
