"""MountainCar-v0: A. Moore, 1990, as Gymnasium integrates it."""

import math

import numpy as np
from numba import njit
from numpy.random import Generator

from rlextras.vec_env.dynamics.task import DISCRETE, Task

FORCE, GRAVITY = 0.001, 0.0025
LEFT_END, RIGHT_END, GOAL, MAX_SPEED = -1.2, 0.6, 0.5, 0.07


@njit(DISCRETE, cache=True, nogil=True, error_model="numpy")
def _step(states, actions, observations, rewards, terminated, two):  # type: ignore  # noqa: PLR0917
    """Drive N cars for one step."""
    for i in range(len(actions)):
        if actions[i] < 0 or actions[i] > 2:
            return i
    for i in range(len(actions)):
        x, v = states[i, 0], states[i, 1]
        v += (actions[i] - 1) * FORCE + math.cos(3 * x) * (-GRAVITY)
        v = min(max(v, -MAX_SPEED), MAX_SPEED)
        x = min(max(x + v, LEFT_END), RIGHT_END)
        if x == LEFT_END and v < 0:
            v = 0.0
        states[i, 0], states[i, 1] = x, v
        observations[i, 0], observations[i, 1] = x, v
        rewards[i] = -1.0
        terminated[i] = x >= GOAL and v >= 0
    return -1


def _draw(rng: Generator) -> np.ndarray:
    """A car at rest near the bottom of the valley."""
    return np.array([rng.uniform(low=-0.6, high=-0.4), 0.0])


def _observe(state: np.ndarray) -> np.ndarray:
    """Place and speed, in single precision."""
    return np.asarray(state, dtype=np.float32)


TASK = Task(n_states=2, action_dtype=np.int64, step=_step, draw=_draw, observe=_observe)
