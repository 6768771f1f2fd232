"""How the state of one environment gets into another one of the same kind."""

import copy
from collections.abc import Callable
from typing import Any, Protocol

import gymnasium
import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

Restore = Callable[[gymnasium.Env], None]
N_REHEARSED = 5
"""Steps by which a snapshot is tried."""
TOLERANCE = 1e-6
"""By how much an observation after a restored state may differ, relative and absolute."""


class Snapshot(Protocol):
    """A state that can be taken from an environment, and put into another one, many times."""

    name: str
    """As users choose it."""

    def take(self, env: gymnasium.Env) -> Any:
        """Take the state.

        Parameters
        ----------
        env : Env
            Just reset.

        Returns
        -------
        object
            What ``put`` wants; it does not change with the environment.
        """

    def put(self, env: gymnasium.Env, state: Any) -> None:
        """Put a state into an environment.

        Parameters
        ----------
        env : Env
            Just reset, of the same kind.
        state : object
            From ``take``.
        """


class DeepCopy:
    """All attributes of the environment and its wrappers, copied."""

    name = "deepcopy"

    def take(self, env: gymnasium.Env) -> Any:
        """Copy all attributes.

        Parameters
        ----------
        env : Env
            Just reset.

        Returns
        -------
        list of dict
            Those of the wrappers, then those of the environment.
        """
        return copy.deepcopy([_attributes(layer) for layer in _layers(env)])

    def put(self, env: gymnasium.Env, state: Any) -> None:
        """Set all attributes to copies.

        Parameters
        ----------
        env : Env
            Just reset, of the same kind.
        state : list of dict
            From ``take``.
        """
        for layer, attributes in zip(_layers(env), copy.deepcopy(state), strict=True):
            vars(layer).update(attributes)


class MujocoState:
    """What MuJoCo integrates: positions, velocities, activations, and its warm start."""

    name = "mujoco"

    def take(self, env: gymnasium.Env) -> Any:
        """Read the state.

        Parameters
        ----------
        env : Env
            With ``model`` and ``data`` of MuJoCo.

        Returns
        -------
        ndarray of float64
            The state.
        """
        mujoco, inner = _mujoco(), _simulation(env)
        spec = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(mujoco.mj_stateSize(inner.model, spec))
        mujoco.mj_getState(inner.model, inner.data, state, spec)
        return state

    def put(self, env: gymnasium.Env, state: Any) -> None:
        """Write the state.

        Parameters
        ----------
        env : Env
            With the same ``model``.
        state : ndarray of float64
            From ``take``.
        """
        mujoco, inner = _mujoco(), _simulation(env)
        spec = mujoco.mjtState.mjSTATE_INTEGRATION
        mujoco.mj_setState(inner.model, inner.data, state, spec)
        mujoco.mj_forward(inner.model, inner.data)
        mujoco.mj_setState(inner.model, inner.data, state, spec)  # forward moves the warm start


class Custom:
    """A function of the user's.

    Parameters
    ----------
    snapshot : callable
        Maps an environment to a function that puts its state into the environment it is given.
    """

    name = "callable"

    def __init__(self, snapshot: Callable[[gymnasium.Env], Restore]) -> None:
        self._snapshot = snapshot

    def take(self, env: gymnasium.Env) -> Any:
        """Ask the function.

        Parameters
        ----------
        env : Env
            Just reset.

        Returns
        -------
        callable
            What restores the state.
        """
        restore = self._snapshot(env)
        if not callable(restore):
            raise TypeError(
                "GRPO: snapshot must return a function that restores the state, got a "
                f"{type(restore).__name__}. Return lambda env: ... from it."
            )
        return restore

    def put(self, env: gymnasium.Env, state: Any) -> None:
        """Call what it returned.

        Parameters
        ----------
        env : Env
            Just reset, of the same kind.
        state : callable
            From ``take``.
        """
        state(env)


def snapshot_of(given: str | Callable[[gymnasium.Env], Restore]) -> Snapshot | None:
    """The way to restore states that a user chose.

    Parameters
    ----------
    given : {"seed", "deepcopy", "mujoco"} or callable
        The option.

    Returns
    -------
    Snapshot or None
        None for "seed", which needs none.
    """
    if not isinstance(given, str):
        return Custom(given)
    return {"seed": None, "deepcopy": DeepCopy(), "mujoco": MujocoState()}[given]


def singles_of(owner: str, env: VecEnv) -> list[gymnasium.Env]:
    """The single environments, in this process.

    Parameters
    ----------
    owner : str
        Who speaks.
    env : VecEnv
        N environments.

    Returns
    -------
    list of Env
        With their wrappers.

    Raises
    ------
    ValueError
        If they are out of reach.
    """
    singles = getattr(env.unwrapped, "envs", None)
    if not singles:
        raise ValueError(
            f"{owner}: env must be a DummyVecEnv where snapshot is not 'seed', got a "
            f"{type(env.unwrapped).__name__}, whose environments are out of reach. Use a "
            "DummyVecEnv, or snapshot='seed'."
        )
    return list(singles)


def rehearse(owner: str, env: VecEnv, snapshot: Snapshot) -> None:
    """Try a snapshot: from a restored state, the same actions have to lead to the same places.

    Parameters
    ----------
    owner : str
        Who speaks.
    env : VecEnv
        N environments; they are reset, and the first and the last one take a few steps.
    snapshot : Snapshot
        What is tried.

    Raises
    ------
    ValueError
        If it cannot be taken, or does not restore the state.
    """
    singles = singles_of(owner, env)
    first, last = singles[0], singles[-1]
    kind = type(first.unwrapped).__name__
    first.reset(seed=0)
    try:
        state = snapshot.take(first)
    except (TypeError, AttributeError, ImportError) as error:
        _refuse(owner, snapshot, f"of a {kind} could not be taken ({error})", error)
    actions = [first.action_space.sample() for _ in range(N_REHEARSED)]
    expected = _played(first, actions)
    last.reset(seed=1)
    snapshot.put(last, state)
    if not all(_close(*pair) for pair in zip(expected, _played(last, actions), strict=False)):
        why = f"did not restore a {kind}: the same actions led to other observations"
        _refuse(owner, snapshot, why, None)


def _refuse(owner: str, snapshot: Snapshot, why: str, error: Exception | None) -> None:
    raise ValueError(
        f"{owner}: snapshot must restore the state of an environment, but {snapshot.name!r} {why}. "
        "Set 'seed' if reset(seed=...) decides where it begins, 'mujoco' for MuJoCo, a function "
        "of your own, or start='random'."
    ) from error


def _played(env: gymnasium.Env, actions: list[Any]) -> list[Any]:
    """What some actions lead to, with noise that is the same each time."""
    env.unwrapped.np_random = np.random.default_rng(0)
    seen = []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append((copy.deepcopy(observation), reward))
        if terminated or truncated:
            break
    return seen


def _close(one: Any, other: Any) -> bool:
    """Whether two nests of observations and rewards agree."""
    if isinstance(one, dict):
        return all(_close(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return all(_close(*pair) for pair in zip(one, other, strict=True))
    return bool(np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE))


def _layers(env: gymnasium.Env) -> list[Any]:
    """Wrappers from the outside in, then the environment; without the host's bookkeeping."""
    layers: list[Any] = []
    inner: Any = env
    while isinstance(inner, gymnasium.Wrapper):
        if not isinstance(inner, Monitor):  # it was reset, and may hold an open file
            layers.append(inner)
        inner = inner.env
    return [*layers, inner]


def _attributes(layer: Any) -> dict[str, Any]:
    """Attributes of a wrapper or an environment, but for what it wraps."""
    return {name: each for name, each in vars(layer).items() if name != "env"}


def _simulation(env: gymnasium.Env) -> Any:
    """What holds ``model`` and ``data``."""
    inner: Any = env.unwrapped
    if not (hasattr(inner, "model") and hasattr(inner, "data")):
        raise TypeError("it has no model and data of MuJoCo")
    return inner


def _mujoco() -> Any:
    """The package."""
    import mujoco

    return mujoco
