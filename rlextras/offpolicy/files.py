"""The part of the shell that saves and loads: whole files, shared with the host, and resumed."""

from collections.abc import Iterable, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from rlextras.host.files import check_file, naming_networks, read_buffer
from rlextras.host.resume import STAND, check_stand, put_back, taken_down
from rlextras.offpolicy.collection import Collection
from rlextras.validation import OptionError, Rule, check_options

PARTS = ("data", "policy.pth", "actor.optimizer.pth", "critic.optimizer.pth")
"""What the file of every off-policy algorithm with one actor holds."""
KEYS = ("policy_class", "observation_space", "action_space")
"""Attributes that stand in it."""


class Filed(Collection):
    """An off-policy algorithm that is saved and loaded; abstract."""

    rules: ClassVar[Mapping[str, Rule]]
    beyond_host: ClassVar[Mapping[str, Any]] = {
        "prioritized": False,
        "bias_episodes": 0,
        "layer_norm": False,
    }
    """Options that the host does not have: in files only where they are not these."""
    own_keys: ClassVar[tuple[str, ...]] = KEYS
    """Attributes, any of which tells the member's files from those of other algorithms."""

    @classmethod
    def load(  # noqa: PLR0917  # the host's signature: callers pass these by position
        cls,
        path: str | Path | BufferedIOBase,
        env: GymEnv | None = None,
        device: torch.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        *,
        resume: bool = False,
        **kwargs: Any,
    ) -> Self:
        """Make a model from a file that this class or the host's class of that name saved.

        Parameters
        ----------
        path : str, Path or binary file
            What ``save`` wrote.
        env : VecEnv, gymnasium.Env, gymnasium.vector.VectorEnv or EnvPool, optional
            Where to learn on; not needed to predict.
        device : torch.device or str, default="auto"
            Where the networks live.
        custom_objects : dict, optional
            Attributes to take from here and not from the file, by name.
        print_system_info : bool, default=False
            Whether to print the versions that saved and that load.
        force_reset : bool, default=True
            Whether ``env`` is reset before training goes on.
        resume : bool, default=False
            Whether to go on exactly where ``save`` stood: ``env`` is not reset, and the generators
            of torch, NumPy and Python, the action noise and the statistics of a ``VecNormalize``
            are put back. With environments and replay buffer of then,
            ``learn(..., reset_num_timesteps=False)`` does what it would have done without the file,
            to the bit on a CPU. ``save`` says how to keep them.
        **kwargs : object
            Options to change, by name.

        Returns
        -------
        Self
            The model, ready to predict, and to learn if it has an environment.

        Raises
        ------
        TypeError
            If an option given is of the wrong kind.
        ValueError
            If an option given is out of range, ``env`` has other spaces than the file, or the file
            is cut short, not of such an algorithm, or to be resumed and does not say from where.
        """
        check_options(cls.__name__, kwargs, cls.rules)
        if "backend" in kwargs:
            kwargs["_requested_backend"] = kwargs.pop("backend")
        check_file(cls.__name__, path, parts=PARTS, keys=KEYS, own=cls.own_keys)
        is_reset = force_reset and not resume
        with naming_networks(cls.__name__):
            model = super().load(
                path, env, device, custom_objects, print_system_info, is_reset, **kwargs
            )
        buffer: Any = model.replay_buffer
        if isinstance(buffer, HerReplayBuffer) and buffer.env is None and model.env is not None:
            buffer.set_env(model.env)
        state = vars(model).pop(STAND, None)
        if resume:
            check_stand(model, state)
            put_back(model, state)
            model._is_resumed = bool(state and state["is_under_way"])
        return model

    def save(
        self,
        path: str | Path | BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Write the model into a file that this class and the host's load.

        The replay buffer is in it only by ``include=["replay_buffer"]``; or it gets a file of its
        own by ``save_replay_buffer``. ``load(..., resume=True)`` goes on exactly if the model was
        saved between two calls of ``learn``, or by a callback at the start of a rollout. Hand the
        same environments over again, or pickle them, or have them saved too by
        ``include=["env", "replay_buffer"]``.

        Parameters
        ----------
        path : str, Path or binary file
            Where to; the suffix ".zip" is added to a path without one.
        exclude : iterable of str, optional
            Attributes to leave out.
        include : iterable of str, optional
            Attributes to keep although they are left out otherwise.

        Raises
        ------
        ValueError
            If a ``VecNormalize`` is to be included: it would lose the environments inside.
        """
        include = list(include or ())
        if "env" in include and self.get_vec_normalize_env() is not None:
            raise ValueError(
                f"{type(self).__name__}: include must not name 'env' where it has a VecNormalize, "
                "which pickles itself without what is inside. Pickle env.venv and wrap it anew; "
                "its statistics are in the file."
            )
        before = vars(self).get(STAND)
        here = taken_down(self) | {"is_under_way": self._is_under_way}
        setattr(self, STAND, before or here)
        try:
            super().save(path, exclude, include)
        finally:
            setattr(self, STAND, before)

    def load_replay_buffer(
        self, path: str | Path | BufferedIOBase, truncate_last_traj: bool = True
    ) -> None:
        """Take a replay buffer from a file that this class or the host's wrote.

        Parameters
        ----------
        path : str, Path or binary file
            What ``save_replay_buffer`` wrote.
        truncate_last_traj : bool, default=True
            Whether the last trajectory ends there; False goes on with it, for an exact resume.

        Raises
        ------
        TypeError
            If the file holds something else.
        ValueError
            If the buffer has other shapes than the spaces of this model, or the file is cut short.
        """
        owner = type(self).__name__
        buffer = read_buffer(owner, path, self.verbose)
        if not isinstance(buffer, ReplayBuffer):
            raise OptionTypeError(
                f"{owner}: path must be a file of a replay buffer, got one of a "
                f"{type(buffer).__name__}: it must inherit from ReplayBuffer class. Give what "
                "save_replay_buffer wrote."
            )
        check_buffer(self, buffer)
        if isinstance(buffer, HerReplayBuffer):
            if self.env is None:
                raise OptionError(
                    f"{owner}: env must be given to load a HerReplayBuffer, which asks it for "
                    "rewards, got None. You must pass an environment at load time."
                )
            buffer.set_env(self.env)
            if truncate_last_traj:
                buffer.truncate_last_trajectory()
        buffer.device = self.device
        self.replay_buffer = buffer

    def _excluded_save_params(self) -> list[str]:
        own = ["_clock", "_guard", "_is_resumed", "_is_under_way", "_episodes"]
        own += ["_is_alone", "_trusted"]
        own += ["actor", "critic", "actor_target", "critic_target"]
        if vars(self).get(STAND) is None:
            own.append(STAND)
        own += [name for name, usual in self.beyond_host.items() if getattr(self, name) == usual]
        return [*super()._excluded_save_params(), *own]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "actor.optimizer", "critic.optimizer"], []


class OptionTypeError(TypeError, AssertionError):
    """A value of the wrong kind; an AssertionError too, since the host asserts it."""


def check_buffer(model: Any, buffer: ReplayBuffer) -> None:
    """Refuse a replay buffer whose transitions do not fit the spaces of a model.

    Parameters
    ----------
    model : OffPolicyAlgorithm
        Where it should serve.
    buffer : ReplayBuffer
        Of any class.

    Raises
    ------
    ValueError
        If a shape differs; names the expected and the given one.
    """
    owner, is_dict = type(model).__name__, isinstance(buffer, DictReplayBuffer)
    spaces_of = getattr(model.observation_space, "spaces", {"": model.observation_space})
    arrays: Any = buffer.observations if is_dict else {"": buffer.observations}
    wanted = {key: (model.n_envs, *(space.shape or (1,))) for key, space in spaces_of.items()}
    given = {key: np.shape(array)[1:] for key, array in arrays.items()}
    if wanted != given and (is_dict or model.observation_space.shape != ()):
        raise OptionError(
            f"{owner}: replay buffer must hold observations of shape {_told(wanted)}, got "
            f"{_told(given)}. Load one that was filled in these environments, as many as now."
        )
    action = (model.n_envs, int(np.prod(model.action_space.shape)))
    if buffer.actions.shape[1:] != action:
        raise OptionError(
            f"{owner}: replay buffer must hold actions of shape {action}, got "
            f"{buffer.actions.shape[1:]}. Load one that was filled in these environments."
        )


def _told(shapes: dict[str, tuple[int, ...]]) -> Any:
    """A shape, or those of a Dict by name."""
    return shapes[""] if set(shapes) == {""} else shapes
