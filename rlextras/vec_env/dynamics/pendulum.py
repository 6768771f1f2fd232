"""Pendulum-v1, as Gymnasium integrates it."""

import math

import numpy as np
from numba import njit
from numpy.random import Generator

from rlextras.vec_env.dynamics.task import CONTINUOUS, Task

MAX_SPEED, MAX_TORQUE = 8.0, np.float32(2.0)
DT, GRAVITY = 0.05, 10.0  # s, m/s²; mass and length are 1
# NumPy keeps a Python number times a float32 torque in single precision, and so do we.
TORQUE_GAIN, TORQUE_COST = np.float32(3.0), np.float32(0.001)


@njit(CONTINUOUS, cache=True, nogil=True, error_model="numpy")
def _step(states, actions, observations, rewards, terminated, two):  # type: ignore  # noqa: PLR0917
    """Turn N pendulums for one step."""
    for i in range(len(actions)):
        angle, spin = states[i, 0], states[i, 1]
        torque = min(max(actions[i], -MAX_TORQUE), MAX_TORQUE)
        folded = (angle + math.pi) % (2 * math.pi) - math.pi
        effort = TORQUE_COST * math.pow(torque, np.float32(two))
        rewards[i] = -(math.pow(folded, two) + 0.1 * math.pow(spin, two) + effort)
        spin += (3 * GRAVITY / 2.0 * math.sin(angle) + np.float64(TORQUE_GAIN * torque)) * DT
        spin = min(max(spin, -MAX_SPEED), MAX_SPEED)
        angle += spin * DT
        states[i, 0], states[i, 1] = angle, spin
        observations[i, 0], observations[i, 1] = math.cos(angle), math.sin(angle)
        observations[i, 2] = spin
        terminated[i] = False
    return -1


def _draw(rng: Generator) -> np.ndarray:
    """A pendulum at any angle, turning slowly."""
    high = np.array([np.pi, 1.0])
    return rng.uniform(low=-high, high=high)


def _observe(state: np.ndarray) -> np.ndarray:
    """Where the tip is, and how fast it turns."""
    angle, spin = state
    return np.array([np.cos(angle), np.sin(angle), spin], dtype=np.float32)


TASK = Task(n_states=2, action_dtype=np.float32, step=_step, draw=_draw, observe=_observe)
