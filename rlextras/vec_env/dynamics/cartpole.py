"""CartPole-v1: A. Barto, R. Sutton, C. Anderson, 1983, as Gymnasium integrates it."""

import math

import numpy as np
from numba import njit
from numpy.random import Generator

from rlextras.vec_env.dynamics.task import DISCRETE, Task

GRAVITY, FORCE, TAU = 9.8, 10.0, 0.02  # m/s², N, s
HALF_LENGTH, POLE_MASS = 0.5, 0.1  # m, kg
TOTAL_MASS = POLE_MASS + 1.0
POLE_MOMENT = POLE_MASS * HALF_LENGTH
MAX_ANGLE, MAX_PLACE = 12 * 2 * math.pi / 360, 2.4


@njit(DISCRETE, cache=True, nogil=True, error_model="numpy")
def _step(states, actions, observations, rewards, terminated, two):  # type: ignore  # noqa: PLR0917
    """Push N carts for one step of Euler's method."""
    for i in range(len(actions)):
        if actions[i] != 0 and actions[i] != 1:
            return i
    for i in range(len(actions)):
        x, v, angle, spin = states[i, 0], states[i, 1], states[i, 2], states[i, 3]
        force = FORCE if actions[i] == 1 else -FORCE
        cosine, sine = math.cos(angle), math.sin(angle)
        push = (force + POLE_MOMENT * (spin * spin) * sine) / TOTAL_MASS
        spin_change = (GRAVITY * sine - cosine * push) / (
            HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cosine * cosine) / TOTAL_MASS)
        )
        speed_change = push - POLE_MOMENT * spin_change * cosine / TOTAL_MASS
        x, v = x + TAU * v, v + TAU * speed_change
        angle, spin = angle + TAU * spin, spin + TAU * spin_change
        states[i, 0], states[i, 1], states[i, 2], states[i, 3] = x, v, angle, spin
        for k in range(4):
            observations[i, k] = states[i, k]
        rewards[i] = 1.0
        terminated[i] = x < -MAX_PLACE or x > MAX_PLACE or angle < -MAX_ANGLE or angle > MAX_ANGLE
    return -1


def _draw(rng: Generator) -> np.ndarray:
    """A cart near the middle, its pole almost upright."""
    return rng.uniform(low=-0.05, high=0.05, size=(4,))


def _observe(state: np.ndarray) -> np.ndarray:
    """The state itself, in single precision."""
    return state.astype(np.float32)


TASK = Task(n_states=4, action_dtype=np.int64, step=_step, draw=_draw, observe=_observe)
