"""A native ``gymnasium.vector.VectorEnv`` as the host's ``VecEnv``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.vec_env.base_vec_env import (
    VecEnvIndices,
    VecEnvObs,
    VecEnvStepReturn,
)

from rlextras.vec_env.batch import BatchVecEnv
from rlextras.vec_env.rows import copied, info_of, row, write_row

FINAL = ("final_obs", "final_info")


class GymnasiumVecEnv(BatchVecEnv):
    """A ``gymnasium.vector.VectorEnv`` with the interface of Stable-Baselines3.

    The host wants the first observation of the next episode in the step that ends the last one.
    SAME_STEP environments do that. In the other two modes of [1]_ the environments that ended are
    reset at once with ``reset(options={"reset_mask": ...})``: with NEXT_STEP the transition in
    which an environment ignores its action and resets itself then never happens, so that no
    learner can see it, and rollouts equal those of a ``DummyVecEnv`` step for step.

    Parameters
    ----------
    env : VectorEnv
        The environments, wrapped or not.
    resets_by_mask : bool, optional
        Whether ``env.reset`` knows the option "reset_mask". None knows it of Gymnasium's own
        environments; NEXT_STEP and DISABLED environments of others need True.

    Raises
    ------
    TypeError
        If it is not such an environment.
    ValueError
        If it resets itself in the next step and cannot be reset by mask.

    References
    ----------
    .. [1] "Vector environments: autoreset modes", the Farama Foundation, 2025,
       https://farama.org/Vector-Autoreset-Mode.

    Examples
    --------
    >>> import gymnasium
    >>> from rlextras.vec_env import GymnasiumVecEnv
    >>> env = GymnasiumVecEnv(gymnasium.make_vec("CartPole-v1", num_envs=3))
    >>> env.reset().shape
    (3, 4)
    """

    draws_noise = True

    def __init__(self, env: VectorEnv, *, resets_by_mask: bool | None = None) -> None:
        if not isinstance(env, VectorEnv):
            raise TypeError(
                "GymnasiumVecEnv: env must be a gymnasium.vector.VectorEnv, got a "
                f"{type(env).__name__}. as_vec_env takes other environments."
            )
        self.env = env
        self.autoreset_mode = AutoresetMode(
            env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        )
        self._reset_some = _reset_of(env, self.autoreset_mode, resets_by_mask)
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> VecEnvObs:
        """Reset all environments, with the seeds and options chosen since the last time.

        Returns
        -------
        ndarray of shape (N, ...), or dict of them
            First observations.
        """
        options = self._options[0]
        if any(each != options for each in self._options):
            raise ValueError(
                "GymnasiumVecEnv: options must be the same for all environments, got several. "
                "Give set_options one dict."
            )
        observations, infos = self.env.reset(seed=self._chosen_seeds(), options=options or None)
        self.reset_infos = [info_of(infos, i) for i in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        self._begin_episodes()
        return copied(observations)

    def _chosen_seeds(self) -> Any:
        """Seeds as Gymnasium wants them: the first, which others follow, or one for each."""
        first = self._seeds[0]
        follow = [None if first is None else first + i for i in range(self.num_envs)]
        has_own = isinstance(self.env.unwrapped, SyncVectorEnv | AsyncVectorEnv)
        return self._seeds if has_own and self._seeds != follow else first

    def step_wait(self) -> VecEnvStepReturn:
        """Take the step.

        Returns
        -------
        observations, rewards, dones, infos
            As the host wants them: ``terminal_observation`` and ``TimeLimit.truncated`` in the info
            of an environment whose episode ended.
        """
        batch, rewards, terminated, truncated, said = self.env.step(self.actions)
        rewards, terminated = np.asarray(rewards), np.asarray(terminated)
        dones = terminated | np.asarray(truncated)
        self.lengths += 1
        self.returns += rewards
        observations = copied(batch)
        infos = self._step_infos(dones, dones & ~terminated)
        if said:
            self._add_said(infos, said, dones)
        if dones.any():
            self._end_episodes(observations, said, dones, infos)
        return observations, rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Free what the environments hold."""
        self.env.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Pictures of the environments.

        Returns
        -------
        sequence of ndarray
            One per environment.
        """
        pictures: Any = self.env.render()
        return [None] * self.num_envs if pictures is None else list(pictures)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Attribute of each environment.

        Parameters
        ----------
        attr_name : str
            Its name.
        indices : int or iterable of int, optional
            Which environments; all if None.

        Returns
        -------
        list
            Their values. Those of ``render_mode`` and ``spec`` are the vector environment's where
            it keeps no single environments in this process.
        """
        if attr_name in {"render_mode", "spec"} and not isinstance(
            self.env.unwrapped, SyncVectorEnv
        ):
            return [getattr(self.env, attr_name) for _ in self._get_indices(indices)]
        what = f"get_attr({attr_name!r})"
        return [each.get_wrapper_attr(attr_name) for each in self._singles(what, indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of each environment.

        Parameters
        ----------
        attr_name : str
            Its name.
        value : object
            What they all get.
        indices : int or iterable of int, optional
            Which environments; all if None.
        """
        for each in self._singles(f"set_attr({attr_name!r})", indices):
            setattr(each, attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method of each environment.

        Parameters
        ----------
        method_name : str
            Its name.
        *method_args : object
            What it gets by position.
        indices : int or iterable of int, optional
            Which environments; all if None.
        **method_kwargs : object
            What it gets by name.

        Returns
        -------
        list
            What they returned.
        """
        singles = self._singles(f"env_method({method_name!r})", indices)
        methods = [each.get_wrapper_attr(method_name) for each in singles]
        return [method(*method_args, **method_kwargs) for method in methods]

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """Whether each environment is wrapped.

        Parameters
        ----------
        wrapper_class : type
            The wrapper; ``Monitor`` counts as present, since its statistics are kept here.
        indices : int or iterable of int, optional
            Which environments; all if None.

        Returns
        -------
        list of bool
            One per environment; False where single environments are out of reach.
        """
        known = super().env_is_wrapped(wrapper_class, indices)
        if not isinstance(self.env.unwrapped, SyncVectorEnv):
            return known
        singles = self._singles("env_is_wrapped", indices)
        pairs = zip(known, singles, strict=True)
        return [is_known or is_wrapped(each, wrapper_class) for is_known, each in pairs]

    def _singles(self, what: str, indices: VecEnvIndices) -> list[gymnasium.Env]:
        """The single environments, if they live here."""
        vector = self.env.unwrapped
        if not isinstance(vector, SyncVectorEnv):
            self._refuse(what)
        return [vector.envs[i] for i in self._get_indices(indices)]

    def _add_said(
        self, infos: list[dict[str, Any]], said: Mapping[str, Any], dones: np.ndarray
    ) -> None:
        """Add what the environments said; an episode that they counted themselves wins over ours.

        In SAME_STEP mode the infos of an environment that ended are those of its reset.
        """
        own = {key: each for key, each in said.items() if key.lstrip("_") not in FINAL}
        if not own:
            return
        is_reset = self.autoreset_mode is AutoresetMode.SAME_STEP
        for i, is_done in enumerate(dones.tolist()):
            info = info_of(own, i)
            if is_done and is_reset:
                self.reset_infos[i] = info
            else:
                infos[i] |= info

    def _end_episodes(
        self,
        observations: Any,
        said: Mapping[str, Any],
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Say how the episodes ended, and put first observations in the place of final ones."""
        ended = np.flatnonzero(dones).tolist()
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            for i in ended:
                infos[i] |= info_of(said.get("final_info", {}), i)
                infos[i]["terminal_observation"] = said["final_obs"][i]
        else:
            for i in ended:
                infos[i]["terminal_observation"] = row(observations, i)
            first, reset_infos = self._reset_some(dones)
            for i in ended:
                write_row(observations, i, row(first, i))
                self.reset_infos[i] = info_of(reset_infos, i)
        self._begin_episodes(dones)


ResetSome = Callable[[np.ndarray], tuple[Any, Mapping[str, Any]]]
"""Reset the environments of a mask (N,); returns observations and infos, right where it is True."""


def _reset_of(env: VectorEnv, mode: AutoresetMode, resets_by_mask: bool | None) -> ResetSome:
    """How to reset some environments of a vector environment."""

    def reset_by_mask(which: np.ndarray) -> tuple[Any, Mapping[str, Any]]:
        return env.reset(options={"reset_mask": which.copy()})

    def reset_poles(which: np.ndarray) -> tuple[Any, Mapping[str, Any]]:
        return _reset_poles(env, which), {}

    knows_mask = isinstance(env.unwrapped, SyncVectorEnv | AsyncVectorEnv)
    if env.num_envs == 1 and resets_by_mask is None and not knows_mask:
        return lambda _: env.reset()
    if isinstance(env, CartPoleVectorEnv) and resets_by_mask is None:
        return reset_poles
    if knows_mask or resets_by_mask or mode is AutoresetMode.SAME_STEP:
        return reset_by_mask
    raise ValueError(
        "GymnasiumVecEnv: env must reset in the same step or by mask, got "
        f"{env} with autoreset_mode={mode.name}. Make it with AutoresetMode.SAME_STEP, or set "
        'resets_by_mask=True if its reset knows options={"reset_mask": ...}.'
    )


def _reset_poles(env: Any, which: np.ndarray) -> np.ndarray:
    """Reset some poles of Gymnasium's own vectorised CartPole, which knows no mask.

    It draws what the environment itself would draw in its next step.
    """
    env.state[:, which] = env.np_random.uniform(env.low, env.high, size=(4, which.sum()))
    env.steps[which] = 0
    env.prev_done[which] = False
    return env.state.T.astype(np.float32)
