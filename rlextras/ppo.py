"""Proximal policy optimisation, after J. Schulman et al., 2017, https://arxiv.org/abs/1707.06347."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Unpack

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import (
    DictRolloutBufferSamples,
    GymEnv,
    RolloutBufferSamples,
    Schedule,
)
from stable_baselines3.common.utils import FloatSchedule
from torch import Tensor

from rlextras.core.descent import descend, fused
from rlextras.core.layout import channels_last
from rlextras.core.objectives import (
    adapted,
    clip_fraction,
    clipped_surrogate,
    clipped_value_loss,
    entropy_bonus,
    explained_variance,
    kl_k3,
    normalized,
    value_loss,
)
from rlextras.host.guards import naming_divergence
from rlextras.onpolicy import COMMON_RULES, OnPolicy, OnPolicyOptions
from rlextras.onpolicy.divergence import OldPolicy
from rlextras.onpolicy.masking import masked
from rlextras.validation import OptionError, Rule, number, optional, schedule, whole

Minibatch = RolloutBufferSamples | DictRolloutBufferSamples

# What one minibatch tells of itself, in the host's words.
MEASURES = (
    "policy_gradient_loss",
    "value_loss",
    "entropy_loss",
    "clip_fraction",
    "approx_kl",
    "loss",
)
APPROX_KL, LOSS = 4, 5


class PPO(OnPolicy):
    """Proximal policy optimisation with a clipped surrogate objective.

    Stable-Baselines3's ``PPO`` in use, options, defaults, files and results; a program changes its
    import and nothing else. Each update maximises L^CLIP - c₁ L^VF + c₂ S, eq. 9 of [1]_, by
    ``n_epochs`` passes over the rollout, with advantages from GAE [2]_.

    Unlike the host's, it refuses options that cannot work, leaves the rewards in the rollout buffer
    as the environment gave them, and stops at once when an environment gives NaN or infinity.

    Parameters
    ----------
    policy : {"MlpPolicy", "CnnPolicy", "MultiInputPolicy"} or type of ActorCriticPolicy
        The actor and the critic.
    env : VecEnv, gymnasium.Env, gymnasium.vector.VectorEnv, EnvPool or str
        Where to learn; a string is the id of a registered environment.
    learning_rate : float or callable, default=3e-4
        Of the optimiser; a callable maps the progress remaining, 1 to 0, to it.
    n_steps : int, default=2048
        T, the steps per environment between two updates.
    batch_size : int, default=64
        Steps in a minibatch.
    n_epochs : int, default=10
        K, the passes over a rollout in one update.
    clip_range : float in (0, 1) or callable, default=0.2
        ε, how far the ratio of new to old policy counts.
    clip_range_vf : float or callable, optional
        How far the critic may move in one update, in reward units; None does not limit it.
    ent_coef : float, default=0.0
        c₂, the weight of the entropy bonus.
    vf_coef : float, default=0.5
        c₁, the weight of the critic's loss.
    max_grad_norm : float, default=0.5
        Largest norm of a gradient; a longer one is shortened to it.
    target_kl : float, optional
        Stop an update once the mean KL divergence of a minibatch exceeds 1.5 times this.
    kl_coef : float, default=0.0
        β, the weight of a penalty on the mean KL divergence of the new policy from the old one,
        eq. 8 of [1]_, beside the clipping. Not 0, it has torch compute and not the kernels.
    kl_coef_target : float, optional
        d_targ: after each update, ``kl_coef`` is halved if the divergence fell below d_targ / 1.5
        and doubled if it rose above 1.5 d_targ (section 4 of [1]_). None keeps it as it is.
    **common : OnPolicyOptions
        Options that all on-policy algorithms share, with these defaults: ``gamma=0.99`` (γ),
        ``gae_lambda=0.95`` (λ), ``normalize_advantage=True``, ``use_sde=False``,
        ``sde_sample_freq=-1``, ``rollout_buffer_class=None``, ``rollout_buffer_kwargs=None``,
        ``stats_window_size=100``, ``tensorboard_log=None``, ``policy_kwargs=None``, ``verbose=0``,
        ``seed=None``, ``device="auto"``; and ``backend="auto"``, which
        runs small networks of ``MlpPolicy`` by compiled kernels; "torch" does not, "numba" refuses
        what the kernels do not know. ``model.backend`` says which it is and why. And
        ``use_masks=False``: True has actions chosen within the masks that the environment gives by
        a method ``action_masks()`` or as ``info["action_mask"]``, "auto" if it gives some.

    Raises
    ------
    TypeError
        If an option is of the wrong kind, or unknown.
    ValueError
        If an option is out of range.

    References
    ----------
    .. [1] J. Schulman et al., "Proximal Policy Optimization Algorithms", 2017,
       https://arxiv.org/abs/1707.06347.
    .. [2] J. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage
       Estimation", ICLR 2016, https://arxiv.org/abs/1506.02438.

    Examples
    --------
    >>> from rlextras import PPO
    >>> model = PPO("MlpPolicy", "CartPole-v1", n_steps=64, seed=0, device="cpu").learn(64)
    >>> model.num_timesteps
    64
    """

    rules: ClassVar[Mapping[str, Rule]] = {
        **COMMON_RULES,
        "n_epochs": whole(1, cure="Typical is 10."),
        "clip_range": schedule(number("in (0, 1)", lambda x: 0 < x < 1, cure="Typical is 0.2.")),
        "clip_range_vf": optional(
            schedule(number("above 0", lambda x: x > 0, cure="None does not clip the critic."))
        ),
        "target_kl": optional(number("above 0", lambda x: x > 0, cure="None never stops early.")),
        "kl_coef": number("0 or more", lambda x: x >= 0, cure="0 is no penalty, 1 a usual start."),
        "kl_coef_target": optional(
            number("above 0", lambda x: x > 0, cure="Typical is 0.01; None does not adapt.")
        ),
    }
    beyond_host: ClassVar[Mapping[str, Any]] = {
        **OnPolicy.beyond_host,
        "kl_coef": 0.0,
        "kl_coef_target": None,
    }
    own_keys: ClassVar[tuple[str, ...]] = ("clip_range", "clip_range_vf")

    n_epochs: int
    clip_range: float | Schedule
    clip_range_vf: float | Schedule | None
    target_kl: float | None
    kl_coef: float
    kl_coef_target: float | None
    _old_policy: OldPolicy | None = None  # π_old, during an update with a penalty

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str | None,
        learning_rate: float | Schedule = 3e-4,
        n_steps: int = 2048,
        batch_size: int = 64,
        *,
        n_epochs: int = 10,
        clip_range: float | Schedule = 0.2,
        clip_range_vf: float | Schedule | None = None,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        target_kl: float | None = None,
        kl_coef: float = 0.0,
        kl_coef_target: float | None = None,
        **common: Unpack[OnPolicyOptions],
    ) -> None:
        own = {
            "n_steps": n_steps,
            "n_epochs": n_epochs,
            "clip_range": clip_range,
            "clip_range_vf": clip_range_vf,
            "ent_coef": ent_coef,
            "vf_coef": vf_coef,
            "max_grad_norm": max_grad_norm,
            "target_kl": target_kl,
            "kl_coef": kl_coef,
            "kl_coef_target": kl_coef_target,
        }
        super().__init__(
            policy,
            env,
            learning_rate=learning_rate,
            batch_size=batch_size,
            own=own,
            **common,
        )

    def _setup_model(self) -> None:
        if self.kl_coef_target is not None and self.kl_coef == 0:
            raise OptionError(
                "PPO: kl_coef must be above 0 where kl_coef_target is given, got 0: twice nothing "
                "is nothing. A usual start is 1."
            )
        super()._setup_model()
        self.clip_range = FloatSchedule(self.clip_range)
        if self.clip_range_vf is not None:
            self.clip_range_vf = FloatSchedule(self.clip_range_vf)

    def train(self) -> None:
        """Update actor and critic by K epochs of minibatches over the rollout: algorithm 1 of [1]_.

        References
        ----------
        .. [1] J. Schulman et al., "Proximal Policy Optimization Algorithms", 2017,
           https://arxiv.org/abs/1707.06347.
        """
        self._begin_update()
        clip_range = self._scheduled("clip_range")  # ε
        clip_range_vf = None if self.clip_range_vf is None else self._scheduled("clip_range_vf")
        update = self._update_by_kernels(list(self.policy.parameters()))
        limits = (clip_range, math.inf if clip_range_vf is None else clip_range_vf)
        epochs: list[np.ndarray] = []  # of each minibatch, one row of MEASURES
        optimizer = self.policy.optimizer
        with fused(optimizer), channels_last(optimizer), self._old_policy_kept():
            while len(epochs) < self.n_epochs and not self._has_strayed(epochs):
                if update is None:
                    epochs.append(self._epoch(clip_range, clip_range_vf))
                else:
                    epochs.append(update.epoch(self._settings(limits)))
                self._n_updates += 1
            self._adapt_penalty()
        self._record(epochs, clip_range, clip_range_vf)
        if self._has_strayed(epochs):
            kl = epochs[-1][-1][APPROX_KL]
            self.logger.info(f"Early stopping at step {len(epochs) - 1}: the KL reached {kl:.3g}.")

    def _settings(self, limits: tuple[float, float]) -> tuple[float, ...]:
        """What an epoch by the kernels goes by, in their order."""
        weights = (self.ent_coef, self.vf_coef, self._max_kl, self.normalize_advantage, True)
        return (self.max_grad_norm, self.batch_size, *limits, *weights)

    def _epoch(self, clip_range: float, clip_range_vf: float | None) -> np.ndarray:
        """One pass over the rollout by torch; a row of MEASURES for each minibatch."""
        rows = []
        parameters = list(self.policy.parameters())
        for batch, masks in self._minibatches(self.batch_size):
            with naming_divergence(type(self).__name__), masked(self.policy, masks):
                loss, measured = self._loss(batch, clip_range, clip_range_vf)
            if self._old_policy is not None:
                divergence = self._old_policy.divergence(batch.observations, masks)
                loss = loss + self.kl_coef * divergence  # β KL of eq. 8
                measured[LOSS] = loss.detach()
            rows.append(measured)
            if self.target_kl is not None and measured[APPROX_KL].item() > self._max_kl:
                break
            descend(loss, self.policy.optimizer, parameters, max_grad_norm=self.max_grad_norm)
        return torch.stack(rows).double().cpu().numpy()

    def _obstacle(self) -> str:
        return "kl_coef is not 0" if self.kl_coef else super()._obstacle()

    @contextmanager
    def _old_policy_kept(self) -> Iterator[None]:
        """Keep π_old for as long as the context lasts, if there is a penalty."""
        self._old_policy = OldPolicy(self.policy) if self.kl_coef else None
        try:
            yield
        finally:
            self._old_policy = None

    def _adapt_penalty(self) -> None:
        """Measure how far the update went, log it, and adapt β to it: section 4 of the paper."""
        old_policy = self._old_policy
        if old_policy is None:
            return
        with torch.no_grad():
            parts = [
                (old_policy.divergence(batch.observations, masks).item(), len(batch.actions))
                for batch, masks in self._minibatches(self.batch_size)
            ]
        divergence = sum(kl * n for kl, n in parts) / sum(n for _, n in parts)  # d
        self.logger.record("train/kl_divergence", divergence)
        self.logger.record("train/kl_coef", self.kl_coef)
        if self.kl_coef_target is not None:
            self.kl_coef = adapted(self.kl_coef, divergence, target=self.kl_coef_target)

    @property
    def _max_kl(self) -> float:
        """The KL divergence of a minibatch that ends an update."""
        return math.inf if self.target_kl is None else 1.5 * self.target_kl

    def _loss(
        self, batch: Minibatch, clip_range: float, clip_range_vf: float | None
    ) -> tuple[Tensor, Tensor]:
        """-(L^CLIP - c₁ L^VF + c₂ S), eq. 9 with its sign turned, and a row of MEASURES."""
        is_index = isinstance(self.action_space, spaces.Discrete)
        actions = batch.actions.long().flatten() if is_index else batch.actions
        values, log_prob, entropy = self.policy.evaluate_actions(batch.observations, actions)
        values, log_ratio = values.flatten(), log_prob - batch.old_log_prob  # log ρ_t
        has_scale = self.normalize_advantage and len(batch.advantages) > 1
        advantages = normalized(batch.advantages) if has_scale else batch.advantages  # Â_t

        surrogate = clipped_surrogate(log_ratio, advantages, clip_range=clip_range)  # L^CLIP
        if clip_range_vf is None:
            critic_loss = value_loss(values, batch.returns)  # L^VF
        else:
            critic_loss = clipped_value_loss(
                values, batch.returns, batch.old_values, clip_range=clip_range_vf
            )
        with torch.set_grad_enabled(self.ent_coef != 0):  # a gradient times zero is not worth it
            bonus = entropy_bonus(entropy, log_prob)  # S
        loss = -surrogate + self.vf_coef * critic_loss - self.ent_coef * bonus

        with torch.no_grad():
            kl, clipped = kl_k3(log_ratio), clip_fraction(log_ratio, clip_range=clip_range)
            measured = torch.stack([-surrogate, critic_loss, -bonus, clipped, kl, loss])
        return loss, measured

    def _has_strayed(self, epochs: Sequence[np.ndarray]) -> bool:
        """Whether the policy moved so far from the rollout's that its data say little about it."""
        return bool(epochs) and bool(epochs[-1][-1][APPROX_KL] > self._max_kl)

    def _record(
        self, epochs: Sequence[np.ndarray], clip_range: float, clip_range_vf: float | None
    ) -> None:
        """Log the update in the host's words."""
        self._check_update(*epochs)
        means = np.concatenate(epochs).mean(axis=0).tolist()
        logged = dict(zip(MEASURES, means, strict=True))
        logged["approx_kl"] = float(epochs[-1][:, APPROX_KL].mean())
        logged["loss"] = float(epochs[-1][-1][LOSS])
        buffer = self.rollout_buffer
        logged["explained_variance"] = explained_variance(
            torch.as_tensor(buffer.values).flatten(), torch.as_tensor(buffer.returns).flatten()
        ).item()
        if hasattr(self.policy, "log_std"):
            logged["std"] = self.policy.log_std.detach().exp().mean().item()
        logged["clip_range"] = clip_range
        if clip_range_vf is not None:
            logged["clip_range_vf"] = clip_range_vf
        for name, value in logged.items():
            self.logger.record(f"train/{name}", value)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
