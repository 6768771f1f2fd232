"""How far a critic is from what episodes really returned."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rlextras.host.stacking import stack


class Episodes:
    """The last episodes of a training, as the critic saw them.

    Parameters
    ----------
    n_episodes : int
        How many are kept.
    n_envs : int
        N, environments.
    """

    def __init__(self, n_episodes: int, n_envs: int) -> None:
        self._finished: deque[Any] = deque(maxlen=n_episodes)
        self._open: list[list[Any]] = [[] for _ in range(n_envs)]

    def note(
        self,
        observations: Any,
        actions: np.ndarray,
        rewards: np.ndarray,
        dones: np.ndarray,
        infos: Sequence[dict[str, Any]],
    ) -> None:
        """Take down a step.

        Parameters
        ----------
        observations : ndarray of shape (N, ...), or dict of them
            Before the step.
        actions : ndarray of shape (N, A)
            Scaled to [-1, 1].
        rewards : ndarray of shape (N,)
            Of the step.
        dones : ndarray of bool, shape (N,)
            Whether an episode ended.
        infos : sequence of dict
            They say whether a time limit stopped it, and where.
        """
        for i, steps in enumerate(self._open):
            steps.append((_row(observations, i), actions[i].reshape(-1), float(rewards[i])))
            if dones[i]:
                is_stopped = infos[i].get("TimeLimit.truncated", False)
                final = infos[i].get("terminal_observation") if is_stopped else None
                self._finished.append((steps, final))
                self._open[i] = []

    def bias(self, policy: Any, gamma: float) -> dict[str, float]:
        """Compare Q(s_t, a_t) with Σ_k γᵏ r_t+k, over all steps of the episodes.

        Where a time limit stopped an episode, Q(s, μ(s)) stands for what would have followed. The
        actions are those that were taken, exploration included.

        Parameters
        ----------
        policy : TD3Policy
            Actor and critics; the first one is meant.
        gamma : float
            γ.

        Returns
        -------
        dict of str to float
            Mean of Q, mean of Q - return, and the standard deviation of that; empty without
            episodes.
        """
        values, returns = [], []
        for steps, final in self._finished:
            seen, actions, rewards = zip(*steps, strict=True)
            last = 0.0 if final is None else self._value(policy, [final], None)[0]
            returns.append(_discounted(rewards, last, gamma))
            values.append(self._value(policy, seen, np.stack(actions)))
        if not values:
            return {}
        q = np.concatenate(values)
        errors = q - np.concatenate(returns)
        means = {"q_mean": q.mean(), "q_bias": errors.mean(), "q_bias_std": errors.std()}
        return {name: float(value) for name, value in means.items()}

    @torch.no_grad()
    def _value(self, policy: Any, seen: Sequence[Any], actions: np.ndarray | None) -> np.ndarray:
        """Q of the actions, or of the actor's own."""
        observations, _ = policy.obs_to_tensor(stack(seen))
        if actions is None:
            taken = policy.actor(observations)
        else:
            taken = torch.as_tensor(actions, dtype=torch.float32, device=policy.device)
        return policy.critic.q1_forward(observations, taken).flatten().double().cpu().numpy()


def _discounted(rewards: Sequence[float], last: float, gamma: float) -> np.ndarray:
    """Return of each step of an episode that is followed by a value: R_t = r_t + γ R_t+1."""
    returns = np.empty(len(rewards))
    for t in range(len(rewards) - 1, -1, -1):
        last = returns[t] = rewards[t] + gamma * last
    return returns


def _row(observations: Any, i: int) -> Any:
    """Observation of one environment."""
    if isinstance(observations, dict):
        return {key: each[i].copy() for key, each in observations.items()}
    return observations[i].copy()
