"""The part of the shell that saves and loads: whole files, shared with the host, and resumed."""

from collections.abc import Iterable, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from stable_baselines3.common.type_aliases import GymEnv

from rlextras.host.files import check_file, naming_networks
from rlextras.host.resume import STAND, check_stand, put_back, taken_down
from rlextras.onpolicy.rollout import Rollouts
from rlextras.validation import Rule, check_options

PARTS = ("data", "policy.pth", "policy.optimizer.pth")
"""What the file of every on-policy algorithm holds."""
KEYS = ("policy_class", "observation_space", "action_space")
"""Attributes that stand in it."""


class Filed(Rollouts):
    """An on-policy algorithm that is saved and loaded; abstract."""

    rules: ClassVar[Mapping[str, Rule]]
    beyond_host: ClassVar[Mapping[str, Any]] = {"use_masks": False}
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
            of torch, NumPy and Python, which the algorithm draws from, are put back, and so are the
            statistics of a ``VecNormalize``. With environments in the state of then,
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
        state = vars(model).pop(STAND, None)
        if resume:
            check_stand(model, state)
            put_back(model, state)
        return model

    def save(
        self,
        path: str | Path | BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Write the whole model into a file that this class and the host's load.

        ``load(..., resume=True)`` goes on from there exactly if the file was written between two
        calls of ``learn``, or by a callback at the start of a rollout. Environments are not in the
        file, the statistics of a ``VecNormalize`` are. Hand the same environments over again; or,
        for another process, pickle them (those inside of a ``VecNormalize``, which pickles itself
        without them), or have them saved too by ``include=["env"]``.

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
        setattr(self, STAND, before or taken_down(self))
        try:
            super().save(path, exclude, include)
        finally:
            setattr(self, STAND, before)

    def _excluded_save_params(self) -> list[str]:
        own = ["_clock", "_guard", "_is_heard", "_is_alone"]
        own += ["_mask_reader", "_rollout_masks", "_old_policy"]
        if self._masks is None:
            own.append("_masks")
        if vars(self).get(STAND) is None:
            own.append(STAND)
        own += [name for name, usual in self.beyond_host.items() if getattr(self, name) == usual]
        return [*super()._excluded_save_params(), *own]
