"""Group-relative policy optimisation, after Z. Shao et al., 2024, arXiv:2402.03300."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Unpack

import gymnasium
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import FloatSchedule
from torch import Tensor

from rlextras.core.critic_free import (
    episode_sums,
    mirror_descent_loss,
    reference_divergence,
    sequence_log_ratio,
    surrogate_terms,
)
from rlextras.core.objectives import kl_k3
from rlextras.grouped import GROUP_RULES, Batch, GroupedUpdate
from rlextras.onpolicy import OnPolicyOptions
from rlextras.validation import Rule

MODES = {"token": 0.0, "sequence": 1.0, "mirror_descent": 2.0}
"""Objectives, as the kernels number them."""


class GRPO(GroupedUpdate):
    """Group-relative policy optimisation, and online policy mirror descent: no critic.

    A group of episodes begins in the same state, and what each was worth is told by the others of
    its group. Each update maximises the clipped surrogate of [1]_, eq. 3, or follows the mirror
    descent of [2]_, by ``n_epochs`` passes over ``n_groups * group_size`` whole episodes.

    Life cycle, callbacks, logger and files are those of Stable-Baselines3, which has no such class.
    The policies are its own without their critics.

    Parameters
    ----------
    policy : {"MlpPolicy", "CnnPolicy", "MultiInputPolicy"} or type of CriticFree
        The actor.
    env : VecEnv, gymnasium.Env, gymnasium.vector.VectorEnv or str
        Where to learn; a string is the id of a registered environment.
    learning_rate : float or callable, default=1e-3
        Of the optimiser; a callable maps the progress remaining, 1 to 0, to it.
    batch_size : int, default=256
        Steps in a minibatch. Where episodes stay whole (importance="sequence", mirror descent,
        sequence policies), a minibatch takes episodes until it has that many.
    group_size : int, default=8
        G, episodes that are compared with each other.
    n_groups : int, default=4
        Groups between two updates.
    n_epochs : int, default=4
        Passes over the episodes in one update.
    start : {"same", "random"}, default="same"
        Whether the episodes of a group begin in one state, or each where the environment likes.
    snapshot : {"seed", "deepcopy", "mujoco"} or callable, default="seed"
        How they get into one state: by the seed of a reset; by a copy of all attributes; by the
        state of a MuJoCo simulation; or by a function that maps an environment to one that puts its
        state into the environment it is given. All but the first need a ``DummyVecEnv``.
    common_noise : bool, default=False
        Whether the generators of a group's environments stand in the same place as well.
    max_episode_steps : int, default=10_000
        Where an episode is cut that does not end before. It counts as truncated.
    advantage : {"outcome", "return_to_go", "process"}, default="outcome"
        What steps are weighted with: the return of their episode; the return from the step on,
        discounted by ``gamma``; or the sum of the rewards from the step on, each beside all rewards
        of the group.
    scale : {"group", "batch", "none"}, default="group"
        Whose standard deviation they are divided by; "none" is that of Dr. GRPO [3]_.
    average : {"step", "episode"}, default="step"
        Whether all steps count alike in the mean, or all episodes, and in them their steps, as in
        [1]_.
    objective : {"clipped", "mirror_descent"}, default="clipped"
        Of [1]_ or of [2]_.
    clip_range : float in (0, 1) or callable, default=0.2
        ε, how far the ratio of new to old policy counts.
    clip_range_high : float or callable, optional
        The same upwards [4]_; None takes ``clip_range``.
    importance : {"token", "sequence"}, default="token"
        Whether the ratio is that of a step, or that of the whole episode [5]_; of the clipped
        objective.
    tau : float, default=1.0
        τ, the price of a nat in units of the advantage; of mirror descent.
    baseline : {"mean", "soft"}, default="mean"
        What returns are compared with in mirror descent: their mean, or τ log mean exp(R/τ).
    beta : float, default=0.0
        β, the weight of the divergence from a reference policy; 0 keeps none.
    kl_estimator : {"k1", "k2", "k3"}, default="k3"
        How that divergence is estimated.
    reference_update : int or float, optional
        How the reference follows: None keeps the first policy; an int n takes over the policy after
        every n-th update; a share in (0, 1) moves it that far after each.
    mask_truncated : bool, default=False
        Whether episodes that a time limit cut are left out of the loss; they still count in the
        mean of their group.
    reset_optimizer : bool, default=False
        Whether the optimiser forgets its moments before each update, as in [2]_.
    n_replayed : int, default=0
        Earlier rollouts that mirror descent learns from as well.
    ent_coef : float, default=0.0
        Weight of the entropy bonus.
    max_grad_norm : float, default=0.5
        Largest norm of a gradient; a longer one is shortened to it.
    **common : OnPolicyOptions
        Options that on-policy algorithms share, with these defaults: ``gamma=0.99``,
        ``stats_window_size=100``, ``tensorboard_log=None``, ``policy_kwargs=None``, ``verbose=0``,
        ``seed=None``, ``device="auto"``, and ``backend="auto"``, which runs small networks of
        ``MlpPolicy`` and ``CausalTransformerPolicy`` by compiled kernels; "torch" does not, "numba"
        refuses what the kernels do not know. ``model.backend`` says which it is and why.

    Raises
    ------
    TypeError
        If an option is of the wrong kind, or unknown.
    ValueError
        If an option is out of range, or does nothing beside the others.

    References
    ----------
    .. [1] Z. Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open
       Language Models", 2024, https://arxiv.org/abs/2402.03300.
    .. [2] Kimi Team, "Kimi k1.5: Scaling Reinforcement Learning with LLMs", 2025,
       https://arxiv.org/abs/2501.12599.
    .. [3] Z. Liu et al., "Understanding R1-Zero-Like Training: A Critical Perspective", 2025,
       https://arxiv.org/abs/2503.20783.
    .. [4] Q. Yu et al., "DAPO: An Open-Source LLM Reinforcement Learning System at Scale", 2025,
       https://arxiv.org/abs/2503.14476.
    .. [5] C. Zheng et al., "Group Sequence Policy Optimization", 2025,
       https://arxiv.org/abs/2507.18071.

    Examples
    --------
    >>> from rlextras import GRPO
    >>> model = GRPO("MlpPolicy", "CartPole-v1", n_groups=1, seed=0, device="cpu").learn(64)
    >>> model.num_timesteps >= 64
    True
    """

    rules: ClassVar[Mapping[str, Rule]] = GROUP_RULES
    beyond_host: ClassVar[Mapping[str, Any]] = {}
    own_keys: ClassVar[tuple[str, ...]] = ("group_size", "n_groups")

    clip_range: float | Schedule
    clip_range_high: float | Schedule | None

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str | None,
        learning_rate: float | Schedule = 1e-3,
        batch_size: int = 256,
        *,
        group_size: int = 8,
        n_groups: int = 4,
        n_epochs: int = 4,
        start: str = "same",
        snapshot: str | Callable[[gymnasium.Env], Callable[[gymnasium.Env], None]] = "seed",
        common_noise: bool = False,
        max_episode_steps: int = 10_000,
        advantage: str = "outcome",
        scale: str = "group",
        average: str = "step",
        objective: str = "clipped",
        clip_range: float | Schedule = 0.2,
        clip_range_high: float | Schedule | None = None,
        importance: str = "token",
        tau: float = 1.0,
        baseline: str = "mean",
        beta: float = 0.0,
        kl_estimator: str = "k3",
        reference_update: int | float | None = None,
        mask_truncated: bool = False,
        reset_optimizer: bool = False,
        n_replayed: int = 0,
        ent_coef: float = 0.0,
        max_grad_norm: float = 0.5,
        **common: Unpack[OnPolicyOptions],
    ) -> None:
        own = {
            "group_size": group_size,
            "n_groups": n_groups,
            "n_epochs": n_epochs,
            "start": start,
            "snapshot": snapshot,
            "common_noise": common_noise,
            "max_episode_steps": max_episode_steps,
            "advantage": advantage,
            "scale": scale,
            "average": average,
            "objective": objective,
            "clip_range": clip_range,
            "clip_range_high": clip_range_high,
            "importance": importance,
            "tau": tau,
            "baseline": baseline,
            "beta": beta,
            "kl_estimator": kl_estimator,
            "reference_update": reference_update,
            "mask_truncated": mask_truncated,
            "reset_optimizer": reset_optimizer,
            "n_replayed": n_replayed,
            "ent_coef": ent_coef,
            "max_grad_norm": max_grad_norm,
        }
        super().__init__(
            policy, env, learning_rate=learning_rate, batch_size=batch_size, own=own, **common
        )

    def _setup_model(self) -> None:
        super()._setup_model()
        self.clip_range = FloatSchedule(self.clip_range)
        if self.clip_range_high is not None:
            self.clip_range_high = FloatSchedule(self.clip_range_high)

    def _begin_epochs(self) -> None:
        low = self._scheduled("clip_range")
        self._bounds = (
            low,
            low if self.clip_range_high is None else self._scheduled("clip_range_high"),
        )

    def _settings(self) -> tuple[float, ...]:
        is_mirror = self.objective == "mirror_descent"
        mode = MODES[self.objective if is_mirror else self.importance]
        estimator = float(self.kl_estimator[1])
        weights = (self.ent_coef, self.beta, estimator)
        return (self.max_grad_norm, *self._bounds, *weights, mode, self.tau)

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        log_prob, entropy = self._evaluated(batch)
        log_ratio, weights = log_prob - batch.log_prob, batch.weights  # log ρ, w
        is_mirror = self.objective == "mirror_descent"
        n_episodes = len(batch.lengths)
        if is_mirror:
            first = batch.first_rows
            whole = episode_sums(log_ratio, batch.episode, n_episodes)  # L
            surrogate = -mirror_descent_loss(
                whole, batch.advantages[first], weights[first], tau=self.tau
            )
        else:
            if self.importance == "sequence":
                log_ratio = sequence_log_ratio(log_ratio, batch.episode, n_episodes)
            low, high = self._bounds
            terms = surrogate_terms(
                log_ratio, batch.advantages, clip_range=low, clip_range_high=high
            )
            surrogate = (weights * terms).mean()
        bonus = (weights * (-log_prob if entropy is None else entropy)).mean()  # S
        loss = -surrogate
        if self.ent_coef:  # otherwise no gradient has to pass through it
            loss = loss - self.ent_coef * bonus
        away = torch.zeros(())
        if self.beta:
            steps = weights * reference_divergence(
                log_prob, batch.reference, estimator=self.kl_estimator
            )
            away = steps.sum() / n_episodes if is_mirror else steps.mean()
            loss = loss + self.beta * away
        with torch.no_grad():
            told = (
                -surrogate,
                -bonus,
                self._share_clipped(log_ratio),
                kl_k3(log_prob - batch.log_prob),
            )
            measured = torch.stack([*told, away.to(loss), loss])
        return loss, measured

    def _share_clipped(self, log_ratio: Tensor) -> Tensor:
        """Share of steps whose ratio has left the clip region."""
        low, high = self._bounds
        ratio = log_ratio.exp()
        return ((ratio < 1 - low) | (ratio > 1 + high)).to(ratio.dtype).mean()
