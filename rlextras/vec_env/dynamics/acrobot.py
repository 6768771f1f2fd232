"""Acrobot-v1: R. Sutton, 1996, with the book's equations, as Gymnasium integrates it."""

import math

import numpy as np
from numba import float64, njit, types
from numpy.random import Generator

from rlextras.vec_env.dynamics.task import DISCRETE, Task

GRAVITY, DT = 9.8, 0.2  # m/s², s; masses, lengths and moments are 1, centres of mass at 0.5
MAX_SPIN_1, MAX_SPIN_2 = 4 * math.pi, 9 * math.pi
RATES = types.Tuple((float64,) * 4)(*(float64,) * 6)


@njit(RATES, cache=True, nogil=True, error_model="numpy")
def _rates(a1, a2, w1, w2, torque, two):  # type: ignore  # noqa: PLR0917
    """Time derivatives of both angles and both spins."""
    d1 = 0.25 + (1.25 + math.cos(a2)) + 1.0 + 1.0
    d2 = (0.25 + 0.5 * math.cos(a2)) + 1.0
    phi2 = 0.5 * GRAVITY * math.cos(a1 + a2 - math.pi / 2.0)
    phi1 = (
        -0.5 * math.pow(w2, two) * math.sin(a2)
        - w2 * w1 * math.sin(a2)
        + 1.5 * GRAVITY * math.cos(a1 - math.pi / 2)
        + phi2
    )
    drive = torque + d2 / d1 * phi1 - 0.5 * math.pow(w1, two) * math.sin(a2) - phi2
    change2 = drive / (0.25 + 1.0 - math.pow(d2, two) / d1)
    return w1, w2, -(d2 * change2 + phi1) / d1, change2


@njit(cache=True, nogil=True, error_model="numpy")
def _folded(angle):  # type: ignore[no-untyped-def]
    """The same angle between -π and π."""
    while angle > math.pi:
        angle -= 2 * math.pi
    while angle < -math.pi:
        angle += 2 * math.pi
    return angle


@njit(DISCRETE, cache=True, nogil=True, error_model="numpy")
def _step(states, actions, observations, rewards, terminated, two):  # type: ignore  # noqa: PLR0917
    """Swing N robots for one step of the classical Runge-Kutta method."""
    for i in range(len(actions)):
        if actions[i] < 0 or actions[i] > 2:
            return i
    for i in range(len(actions)):
        s, torque = states[i], float(actions[i] - 1)
        half = DT / 2.0
        k1 = _rates(s[0], s[1], s[2], s[3], torque, two)
        k2 = _rates(
            s[0] + half * k1[0],
            s[1] + half * k1[1],
            s[2] + half * k1[2],
            s[3] + half * k1[3],
            torque,
            two,
        )
        k3 = _rates(
            s[0] + half * k2[0],
            s[1] + half * k2[1],
            s[2] + half * k2[2],
            s[3] + half * k2[3],
            torque,
            two,
        )
        k4 = _rates(
            s[0] + DT * k3[0],
            s[1] + DT * k3[1],
            s[2] + DT * k3[2],
            s[3] + DT * k3[3],
            torque,
            two,
        )
        for k in range(4):
            s[k] += DT / 6.0 * (k1[k] + 2 * k2[k] + 2 * k3[k] + k4[k])
        s[0], s[1] = _folded(s[0]), _folded(s[1])
        s[2] = min(max(s[2], -MAX_SPIN_1), MAX_SPIN_1)
        s[3] = min(max(s[3], -MAX_SPIN_2), MAX_SPIN_2)
        observations[i, 0], observations[i, 1] = math.cos(s[0]), math.sin(s[0])
        observations[i, 2], observations[i, 3] = math.cos(s[1]), math.sin(s[1])
        observations[i, 4], observations[i, 5] = s[2], s[3]
        terminated[i] = -math.cos(s[0]) - math.cos(s[1] + s[0]) > 1.0
        rewards[i] = 0.0 if terminated[i] else -1.0
    return -1


def _draw(rng: Generator) -> np.ndarray:
    """A robot that hangs almost still; Gymnasium keeps it in single precision until it moves."""
    return rng.uniform(low=-0.1, high=0.1, size=(4,)).astype(np.float32)


def _observe(state: np.ndarray) -> np.ndarray:
    """Where both links point, and their spins."""
    a1, a2, w1, w2 = state
    shown = [np.cos(a1), np.sin(a1), np.cos(a2), np.sin(a2), w1, w2]
    return np.array(shown, dtype=np.float32)


TASK = Task(n_states=4, action_dtype=np.int64, step=_step, draw=_draw, observe=_observe)
