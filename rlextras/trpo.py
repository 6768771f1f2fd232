"""Trust region policy optimisation, after J. Schulman et al., 2015, arXiv:1502.05477."""

import copy
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import GymEnv, PyTorchObs, Schedule
from torch import Tensor

from rlextras.core.descent import descend, fused, held
from rlextras.core.objectives import explained_variance, normalized, value_loss
from rlextras.core.trust_region import (
    Evaluate,
    Outcome,
    TrustRegion,
    ascend,
    line_search,
    natural_step,
)
from rlextras.host.guards import naming_divergence
from rlextras.onpolicy import COMMON_RULES, OnPolicy, OnPolicyOptions
from rlextras.onpolicy.divergence import mean_divergence
from rlextras.onpolicy.masking import masked
from rlextras.onpolicy.update import CRITIC, CompiledRegion, CompiledUpdate
from rlextras.validation import OptionError, Rule, number, whole


class TRPO(OnPolicy):
    """Trust region policy optimisation.

    sb3-contrib's ``TRPO`` in use, options, defaults, files and log; a program changes its import
    and nothing else. Each update maximises the surrogate mean_t ρ_t Â_t within a mean KL divergence
    δ of the new policy from the old one, eq. 14 of [1]_, by one step along the natural gradient and
    a line search, with advantages from GAE [2]_. The critic then descends its squared error;
    parameters that the actor depends on, shared ones included, are the actor's, since any other
    change to them would leave the trust region.

    Unlike the peer's, the divergence is the paper's, from old to new, and that of a whole action:
    the peer averages over the A dimensions of a Box or MultiBinary action, so that its bound is A
    times wider; ``target_kl`` and ``cg_damping`` times A give its step. Actor and critic are told
    apart by what depends on them and not by their names, and a rollout that gives no direction to
    go leaves the actor as it is.

    Parameters
    ----------
    policy : {"MlpPolicy", "CnnPolicy", "MultiInputPolicy"} or type of ActorCriticPolicy
        The actor and the critic.
    env : VecEnv, gymnasium.Env, gymnasium.vector.VectorEnv, EnvPool or str
        Where to learn; a string is the id of a registered environment.
    learning_rate : float or callable, default=1e-3
        Of the critic's optimiser; a callable maps the progress remaining, 1 to 0, to it.
    n_steps : int, default=2048
        T, the steps per environment between two updates.
    batch_size : int, default=128
        Steps in a minibatch of the critic.
    cg_max_steps : int, default=15
        Steps of the conjugate gradient method at most.
    cg_damping : float, default=0.1
        Added to the diagonal of the Fisher matrix.
    line_search_shrinking_factor : float in (0, 1), default=0.8
        α, by what a step that is refused is shortened.
    line_search_max_iter : int, default=10
        Lengths of the step that are tried at most.
    n_critic_updates : int, default=10
        Passes of the critic over a rollout in one update.
    target_kl : float, default=0.01
        δ, the bound on the mean KL divergence, in nats.
    sub_sampling_factor : int, default=1
        k, where the actor is updated with every k-th step of a rollout.
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
    .. [1] J. Schulman et al., "Trust Region Policy Optimization", ICML 2015,
       https://arxiv.org/abs/1502.05477.
    .. [2] J. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage
       Estimation", ICLR 2016, https://arxiv.org/abs/1506.02438.

    Examples
    --------
    >>> from rlextras import TRPO
    >>> model = TRPO("MlpPolicy", "CartPole-v1", n_steps=128, seed=0, device="cpu").learn(128)
    >>> model.num_timesteps
    128
    """

    rules: ClassVar[Mapping[str, Rule]] = {
        **COMMON_RULES,
        "cg_max_steps": whole(1, cure="Typical is 10 to 15."),
        "cg_damping": number("0 or more", lambda x: x >= 0, cure="Typical is 0.1."),
        "line_search_shrinking_factor": number(
            "in (0, 1)", lambda x: 0 < x < 1, cure="Typical is 0.8."
        ),
        "line_search_max_iter": whole(1, cure="Typical is 10."),
        "n_critic_updates": whole(1, cure="Typical is 10."),
        "target_kl": number("> 0", lambda x: x > 0, cure="Typical is 0.01."),
        "sub_sampling_factor": whole(1, cure="1 uses every step."),
    }
    normalizes_by_minibatch: ClassVar[bool] = False
    own_keys: ClassVar[tuple[str, ...]] = ("cg_max_steps", "cg_damping")

    cg_max_steps: int
    cg_damping: float
    line_search_shrinking_factor: float
    line_search_max_iter: int
    n_critic_updates: int
    target_kl: float
    sub_sampling_factor: int

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str | None,
        learning_rate: float | Schedule = 1e-3,
        n_steps: int = 2048,
        batch_size: int = 128,
        *,
        cg_max_steps: int = 15,
        cg_damping: float = 0.1,
        line_search_shrinking_factor: float = 0.8,
        line_search_max_iter: int = 10,
        n_critic_updates: int = 10,
        target_kl: float = 0.01,
        sub_sampling_factor: int = 1,
        **common: Unpack[OnPolicyOptions],
    ) -> None:
        own = {
            "n_steps": n_steps,
            "cg_max_steps": cg_max_steps,
            "cg_damping": cg_damping,
            "line_search_shrinking_factor": line_search_shrinking_factor,
            "line_search_max_iter": line_search_max_iter,
            "n_critic_updates": n_critic_updates,
            "target_kl": target_kl,
            "sub_sampling_factor": sub_sampling_factor,
        }
        super().__init__(
            policy,
            env,
            learning_rate=learning_rate,
            batch_size=batch_size,
            own=own,
            **common,
        )
        if env is not None and self.normalize_advantage:
            self._check_share(self.n_steps * self.n_envs)

    def _check_share(self, n_rows: int) -> None:
        """Refuse a share of the rollout whose advantages cannot be normalised."""
        if n_rows <= self.sub_sampling_factor:
            raise OptionError(
                f"TRPO: sub_sampling_factor must be below n_steps * n_envs = {n_rows}, got "
                f"{self.sub_sampling_factor}. A single advantage cannot be normalised; or set "
                "normalize_advantage=False."
            )

    def train(self) -> None:
        """Update actor and critic from the rollout buffer."""
        self._begin_update()
        region = TrustRegion(
            max_divergence=self.target_kl,
            damping=self.cg_damping,
            cg_max_steps=self.cg_max_steps,
            shrinking_factor=self.line_search_shrinking_factor,
            max_trials=self.line_search_max_iter,
        )
        network = self._network()
        critic = [] if network is None else network.critic_parameters
        update = self._update_by_kernels(critic)
        if update is None:
            with naming_divergence(type(self).__name__):
                outcome, actor = ascend(self._surrogate(), list(self.policy.parameters()), region)
            with held(actor), fused(self.policy.optimizer):
                losses = self._fit_critic()
        else:
            outcome = self._ascend_by_kernels(CompiledRegion(update), region)
            losses = self._fit_critic_by_kernels(update)
        if outcome.reason:
            self.logger.info(f"The policy was not updated: {outcome.reason}.")
        self._n_updates += 1
        self._record(outcome, losses)

    def _ascend_by_kernels(self, compiled: CompiledRegion, region: TrustRegion) -> Outcome:
        """What ``ascend`` does, with the actor's numbers in one vector and closed forms."""
        compiled.take_rows(self.sub_sampling_factor, is_normalized=self.normalize_advantage)
        before = compiled.begin()
        product = compiled.product(region.damping)
        step, reason = natural_step(product, compiled.gradient(), region)
        if reason:
            return Outcome(accepted=False, objective=before, divergence=0.0, reason=reason)
        return line_search(compiled.evaluate, [compiled.theta], step, before=before, region=region)

    def _fit_critic_by_kernels(self, update: CompiledUpdate) -> np.ndarray:
        """Descend the critic's squared error; its value in each minibatch."""
        free = math.inf
        settings = (free, self.batch_size, free, free, 0.0, 1.0, free, False, False)
        epochs = [update.epoch(settings) for _ in range(self.n_critic_updates)]
        return np.concatenate(epochs)[:, CRITIC]

    def _surrogate(self) -> Evaluate:
        """Objective and divergence of eq. 14 over the rollout, as functions of the policy."""
        ((batch, masks),) = self._minibatches(None)
        every = slice(None, None, self.sub_sampling_factor)
        masks = None if masks is None else masks[every]
        observations: Any = _rows(batch.observations, every)
        actions, old_log_prob = batch.actions[every], batch.old_log_prob[every]
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        advantages = batch.advantages[every]  # Â_t
        if self.normalize_advantage:
            advantages = normalized(advantages)
        with torch.no_grad(), masked(self.policy, masks):  # one object again and again: keep a copy
            old = copy.copy(self.policy.get_distribution(observations))  # π_old(·|s_t)

        def evaluate() -> tuple[Tensor, Tensor]:
            with masked(self.policy, masks):
                new = self.policy.get_distribution(observations)
            ratio = (new.log_prob(actions) - old_log_prob).exp()  # ρ_t
            return (ratio * advantages).mean(), mean_divergence(old, new)

        return evaluate

    def _fit_critic(self) -> np.ndarray:
        """Descend the critic's squared error; its value in each minibatch."""
        losses = []
        for _ in range(self.n_critic_updates):
            for batch in self.rollout_buffer.get(self.batch_size):
                values = self.policy.predict_values(batch.observations).flatten()
                loss = value_loss(values, batch.returns)
                descend(loss, self.policy.optimizer)
                losses.append(loss.detach())
        return torch.stack(losses).double().cpu().numpy()

    def _record(self, outcome: Outcome, losses: np.ndarray) -> None:
        """Log the update in the host's words."""
        self._check_update(losses)
        buffer = self.rollout_buffer
        logged = {
            "policy_objective": outcome.objective,
            "value_loss": float(losses.mean()),
            "kl_divergence_loss": outcome.divergence,
            "explained_variance": explained_variance(
                torch.as_tensor(buffer.values).flatten(), torch.as_tensor(buffer.returns).flatten()
            ).item(),
            "is_line_search_success": float(outcome.accepted),
        }
        if hasattr(self.policy, "log_std"):
            logged["std"] = self.policy.log_std.detach().exp().mean().item()
        for name, value in logged.items():
            self.logger.record(f"train/{name}", value)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")


def _rows(observations: PyTorchObs, rows: slice) -> PyTorchObs:
    """Some rows of observations (B, ...), or of a dict of them."""
    if isinstance(observations, dict):
        return {key: each[rows] for key, each in observations.items()}
    return observations[rows]
