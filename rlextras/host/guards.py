"""What an environment or a policy gave, refused in one line where it cannot be used."""

import math
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from torch.distributions import Distribution

ASSEMBLING = ("_save_obs", "_stack_obs", "_flatten_obs")
"""Functions of the host that put the observations of single environments together."""


class StepGuard:
    """Looks at what steps return: shapes, and that all numbers are finite.

    Parameters
    ----------
    owner : str
        Who speaks.
    env : VecEnv
        The N environments that step.
    """

    def __init__(self, owner: str, env: VecEnv) -> None:
        space, n = env.observation_space, env.num_envs
        self._owner, self._space, self._n = owner, space, n
        parts: Any = space.spaces if isinstance(space, spaces.Dict) else {None: space}
        self._keys = [*parts] if isinstance(space, spaces.Dict) else None
        self._shapes = [(n, *(part.shape or ())) for part in parts.values()]
        self._row = (n,)

    def check(self, given: Sequence[Any]) -> None:
        """Refuse what a step returned if something does not fit, or is no number.

        Parameters
        ----------
        given : sequence
            Observations, rewards, dones and infos.

        Raises
        ------
        ValueError
            If something does not fit; one line names it.
        """
        if not self._fits(*given):  # quick, and right for all that the host's own classes return
            self._name_what_does_not(*given)

    def _fits(self, observations: Any, rewards: Any, dones: Any, infos: Any) -> bool:
        if self._keys is None:
            parts = [observations]
        elif isinstance(observations, dict):
            parts = [observations.get(key) for key in self._keys]
        else:
            return False
        return (
            all(map(_is_sound, parts, self._shapes))
            and _is_sound(rewards, self._row)
            and _is_sound(dones, self._row)
            and len(infos) == self._n  # none at all is looked at below
        )

    def _name_what_does_not(self, observations: Any, rewards: Any, dones: Any, infos: Any) -> None:
        owner, n = self._owner, self._n
        _check_observations(owner, "observation", self._space, (n, observations))
        for name, each in {"reward": rewards, "done": dones}.items():
            if np.shape(each) != (n,):
                _refuse_shape(owner, name, (n,), each)
        if len(infos) != n and (len(infos) or np.any(dones)):
            raise ValueError(
                f"{owner}: env must give one info per environment, {n}, got {len(infos)}. Give an "
                "empty dict where there is nothing to say."
            )
        check_finite(owner, "observation", observations)
        check_finite(owner, "reward", rewards)


def _is_sound(given: Any, shape: tuple[int, ...]) -> bool:
    """Whether something is an array of a shape, of finite numbers if they can be other ones."""
    return (
        type(given) is np.ndarray
        and given.shape == shape
        and (given.dtype.kind != "f" or is_finite(given))
    )


def _check_observations(owner: str, name: str, space: spaces.Space, given: Any) -> None:
    """Refuse n observations that do not fit their space in shape; ``given`` holds n and them."""
    n, observations = given
    if isinstance(space, spaces.Dict):
        for key, part in space.spaces.items():
            if not isinstance(observations, dict) or key not in observations:
                raise ValueError(
                    f"{owner}: {name} must hold {key!r}, got none. Let the environment's step "
                    "return what its spaces say."
                )
            _check_observations(owner, f"{name}[{key!r}]", part, (n, observations[key]))
    elif np.shape(observations) != (n, *(space.shape or ())):
        _refuse_shape(owner, name, (n, *(space.shape or ())), observations)


def _refuse_shape(owner: str, name: str, allowed: tuple[int, ...], given: Any) -> None:
    raise ValueError(
        f"{owner}: {name} must have shape {allowed}, got {np.shape(given)}. "
        "Let the environment's step return what its spaces say."
    )


def check_finite(owner: str, name: str, given: object) -> None:
    """Refuse NaN and infinity in what an environment gave.

    Parameters
    ----------
    owner : str
        Who speaks.
    name : str
        What the environment gave, as "reward".
    given : ndarray of shape (N, ...), or dict of them
        One row per environment. Arrays of integers, and what is no array, pass unread.

    Raises
    ------
    ValueError
        If a number is not finite; names the environment and the entry.
    """
    if isinstance(given, dict):
        for key, array in given.items():
            check_finite(owner, f"{name}[{key!r}]", array)
    elif isinstance(given, np.ndarray) and given.dtype.kind == "f" and not is_finite(given):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(given))[0])
        raise ValueError(
            f"{owner}: {name} must be finite, got {given[where]} from environment {where[0]} "
            f"(index {where}). Look for a division by zero or an overflow in its step and reset."
        )


def is_finite(array: np.ndarray) -> bool:
    """Whether all numbers are finite: zero times any other one is NaN.

    Parameters
    ----------
    array : ndarray of float
        Of any shape.

    Returns
    -------
    bool
        Whether none is NaN or infinite.
    """
    if array.size == 1:
        return math.isfinite(array.item())
    if array.size > _SMALL:
        return bool(np.isfinite(array).all())
    return float(np.vdot(array, _ZEROS[: array.size])) == 0.0


_SMALL = 1024
_ZEROS = np.zeros(_SMALL, np.float32)


def note_the_environment(owner: str, num_timesteps: int, error: Exception) -> None:
    """Add one line to what an environment raised: who stepped it, when, and what can be done.

    Parameters
    ----------
    owner : str
        Who speaks.
    num_timesteps : int
        Steps done before.
    error : Exception
        What it raised; the caller raises it again.

    Raises
    ------
    ValueError
        If an observation did not fit into those of the other environments.
    """
    frames = traceback.walk_tb(error.__traceback__)
    if any(frame.f_code.co_name in ASSEMBLING for frame, _ in frames):
        raise ValueError(
            f"{owner}: observation must fit its space, got one that does not ({error}). Let "
            "the environment's step return what its spaces say."
        ) from error
    error.add_note(
        f"{owner}: the environment raised this in a step after {num_timesteps} timesteps. The "
        "model can be used and saved; its next learn starts from a reset."
    )


def check_computed(owner: str, *given: np.ndarray) -> None:
    """Refuse actions, values, log-probabilities and losses that are no numbers.

    Parameters
    ----------
    owner : str
        Who speaks.
    *given : ndarray
        What the policy computed.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    for each in given:
        if each.dtype.kind == "f" and not is_finite(each):
            _refuse_divergence(owner, None)


class _Unvalidated:
    """While any thread is inside, torch does not check the numbers of its distributions.

    That takes a tenth of a step, and what it would find is found by `check_computed`.
    """

    def __init__(self) -> None:
        self._lock, self._n_inside, self._before = threading.Lock(), 0, True

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                self._before = Distribution._validate_args
                Distribution.set_default_validate_args(False)
            self._n_inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                Distribution.set_default_validate_args(self._before)


_UNVALIDATED = _Unvalidated()
COMPLAINTS = ("satisfy the constraint", "probability tensor contains")


@contextmanager
def naming_divergence(owner: str) -> Iterator[None]:
    """Say in one line what torch means when it refuses the parameters of a distribution.

    Parameters
    ----------
    owner : str
        Who speaks.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    ValueError
        If the policy does not compute numbers any more.
    """
    try:
        with _UNVALIDATED:
            yield
    except (ValueError, RuntimeError) as error:
        if any(words in str(error) for words in COMPLAINTS):
            _refuse_divergence(owner, error)
        raise


def _refuse_divergence(owner: str, cause: BaseException | None) -> None:
    raise ValueError(
        f"{owner}: action, value, log-probability and loss must be finite, got NaN or infinity "
        "from the policy. Lower learning_rate or max_grad_norm, or scale observations and "
        "rewards by VecNormalize."
    ) from cause
