"""Writing an answer token by token, as an environment of Gymnasium and as many at once."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from rlextras.envs.tasks import TokenTask
from rlextras.vec_env.batch import BatchVecEnv


def spaces_of(task: TokenTask) -> tuple[spaces.Dict, spaces.Discrete]:
    """Spaces of a task.

    Parameters
    ----------
    task : TokenTask
        The task.

    Returns
    -------
    observation_space : Dict
        "tokens", the prompt and what was written so far, from the left; and "mask", 1 where there
        is a token.
    action_space : Discrete
        The vocabulary.
    """
    n_places, n_words = task.max_prompt + task.max_answer, len(task.words)
    observation_space = spaces.Dict(
        {
            "tokens": spaces.Box(0, n_words - 1, (n_places,), np.int64),
            "mask": spaces.Box(0, 1, (n_places,), np.int8),
        }
    )
    return observation_space, spaces.Discrete(n_words)


def _checked(task: TokenTask, prompt: list[int]) -> list[int]:
    """Refuse a prompt that its own task has no room for, or no words."""
    name, n_words = type(task).__name__, len(task.words)
    if not 1 <= len(prompt) <= task.max_prompt:
        raise ValueError(
            f"{name}: a prompt must have 1 to max_prompt = {task.max_prompt} tokens, got "
            f"{len(prompt)}. Set max_prompt to the longest one."
        )
    if not 0 <= min(prompt) <= max(prompt) < n_words:
        raise ValueError(
            f"{name}: a prompt must consist of tokens in [0, {n_words - 1}], got {prompt}. Token k "
            "is words[k]."
        )
    return prompt


class TokenEnv(gymnasium.Env):
    """An answer is written token by token; a checker rewards it at its end.

    Parameters
    ----------
    task : TokenTask
        What is asked, and how it is checked.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # Gymnasium's word for it

    def __init__(self, task: TokenTask) -> None:
        self.task = task
        self.observation_space, self.action_space = spaces_of(task)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Ask something.

        Parameters
        ----------
        seed : int, optional
            Decides what is asked.
        options : dict, optional
            "prompt" may hold tokens to ask instead.

        Returns
        -------
        observation, info
            As Gymnasium wants them.

        Raises
        ------
        ValueError
            If the task has no room for the prompt, or no words.
        """
        super().reset(seed=seed)
        given = (options or {}).get("prompt")
        prompt = self.task.prompt(self.np_random) if given is None else list(given)
        self.prompt = _checked(self.task, prompt)
        self.answer: list[int] = []
        return self._observe(), {}

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Write a token.

        Parameters
        ----------
        action : int
            The token.

        Returns
        -------
        observation, reward, terminated, truncated, info
            The answer is truncated if it has no end where it should; "is_success" says whether a
            finished one is right.
        """
        task, token = self.task, int(action)
        self.answer.append(token)
        is_full = len(self.answer) == task.max_answer
        is_ended = is_full if task.end is None else token == task.end
        if not (is_ended or is_full):
            return self._observe(), 0.0, False, False, {}
        written = self.answer[:-1] if token == task.end else self.answer
        reward = task.reward(self.prompt, written)
        return self._observe(), reward, is_ended, not is_ended, {"is_success": reward == 1.0}

    def _observe(self) -> dict[str, np.ndarray]:
        """What is asked and written."""
        tokens, mask = np.zeros((2, self.observation_space["tokens"].shape[0]), np.int64)  # type: ignore[index]
        seen = [*self.prompt, *self.answer]
        tokens[: len(seen)], mask[: len(seen)] = seen, 1
        return {"tokens": tokens, "mask": mask.astype(np.int8)}


class TokenVecEnv(BatchVecEnv):
    """N of these environments in arrays: what one of them does, this does for all in one step.

    Parameters
    ----------
    task : TokenTask
        What is asked, and how it is checked.
    n_envs : int, default=1
        N.
    seed : int, optional
        Environment i is seeded with ``seed + i``; None takes fresh entropy.

    Raises
    ------
    ValueError
        If there are none.
    """

    def __init__(self, task: TokenTask, *, n_envs: int = 1, seed: int | None = None) -> None:
        if n_envs < 1:
            raise ValueError(f"TokenVecEnv: n_envs must be 1 or more, got {n_envs}. Typical is 64.")
        self.task = task
        super().__init__(n_envs, *spaces_of(task))
        n_places = task.max_prompt + task.max_answer
        self._tokens = np.zeros((n_envs, n_places), np.int64)  # (N, T)
        self._mask = np.zeros((n_envs, n_places), np.int8)  # (N, T)
        self._n_asked = np.zeros(n_envs, np.int64)  # (N,), of the prompts
        self._rngs: list[Any] = [None] * n_envs
        self._leaders = np.arange(n_envs)  # (N,), whose generator stands where that of each does
        self.seed(seed)

    def reset(self) -> VecEnvObs:
        """Ask something everywhere, with the seeds chosen since the last time.

        Returns
        -------
        dict of ndarray
            First observations.
        """
        self._part([i for i, seed in enumerate(self._seeds) if seed is None])
        first_with: dict[int, int] = {}
        for i, seed in enumerate(self._seeds):
            if seed is None and self._rngs[i] is not None:
                continue
            self._leaders[i] = i if seed is None else first_with.setdefault(seed, i)
            if self._leaders[i] == i:
                sequence = np.random.SeedSequence(seed)
                self._rngs[i] = np.random.Generator(np.random.PCG64(sequence))  # as Gymnasium does
        self._ask(np.arange(self.num_envs))
        self._reset_seeds()
        self._begin_episodes()
        return self._observe()

    def step_wait(self) -> VecEnvStepReturn:
        """Write a token everywhere.

        Returns
        -------
        observations, rewards, dones, infos
            As ``DummyVecEnv`` gives them.
        """
        task, written = self.task, np.asarray(self.actions, np.int64).reshape(-1)
        here = np.arange(self.num_envs)
        places = self._n_asked + self.lengths
        self._tokens[here, places], self._mask[here, places] = written, 1
        self.lengths += 1
        is_full = self.lengths == task.max_answer
        terminated = is_full if task.end is None else written == task.end
        dones = terminated | is_full
        rewards = np.zeros(self.num_envs, np.float32)
        if not dones.any():
            nothing: list[dict[str, Any]] = [
                {"TimeLimit.truncated": False} for _ in range(self.num_envs)
            ]
            return self._observe(), rewards, dones, nothing
        ended = np.flatnonzero(dones)
        n_written = self.lengths[ended]
        if task.end is not None:
            n_written = n_written - (written[ended] == task.end)
        rewards[ended] = task.rewards(self._tokens[ended], self._n_asked[ended], n_written)
        self.returns += rewards
        infos = self._step_infos(dones, dones & ~terminated)
        final: Any = self._observe()
        rows = list(final["tokens"]), list(final["mask"])
        for i, reward in zip(ended.tolist(), rewards[ended].tolist(), strict=True):
            infos[i]["is_success"] = reward == 1.0
            infos[i]["terminal_observation"] = {"tokens": rows[0][i], "mask": rows[1][i]}
        self._ask(ended)
        self._begin_episodes(dones)
        return self._observe(), rewards, dones, infos

    def _ask(self, which: np.ndarray) -> None:
        """Begin an episode in some environments.

        Those of one seed draw the same prompts for as long as they begin together: one draws.
        """
        is_asked = np.zeros(self.num_envs, bool)
        is_asked[which] = True
        self._part(np.flatnonzero(is_asked != is_asked[self._leaders]).tolist())
        leaders, place = np.unique(self._leaders[which], return_inverse=True)
        task, rngs = self.task, self._rngs
        prompts = [_checked(task, task.prompt(rngs[i])) for i in leaders.tolist()]
        lengths = np.array([len(prompt) for prompt in prompts])
        mask = np.arange(self._tokens.shape[1]) < lengths[:, None]
        tokens = np.zeros(mask.shape, np.int64)
        tokens[mask] = [token for prompt in prompts for token in prompt]
        self._tokens[which], self._mask[which] = tokens[place], mask[place]
        self._n_asked[which] = lengths[place]

    def _part(self, which: list[int]) -> None:
        """Give generators of their own to environments that go another way than their leaders."""
        own = np.arange(self.num_envs)
        torn = {int(self._leaders[i]) for i in which}
        for leader in torn:
            state = self._rngs[leader].bit_generator.state if self._rngs[leader] else None
            for i in np.flatnonzero((self._leaders == leader) & (own != leader)).tolist():
                self._rngs[i] = np.random.Generator(np.random.PCG64())
                self._rngs[i].bit_generator.state = state
                self._leaders[i] = i

    def _observe(self) -> VecEnvObs:
        """What is asked and written, as arrays of their own."""
        return {"tokens": self._tokens.copy(), "mask": self._mask.copy()}
