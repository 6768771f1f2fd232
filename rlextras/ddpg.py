"""Deep deterministic policy gradient, after T. Lillicrap et al., https://arxiv.org/abs/1509.02971."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Unpack

import numpy as np
import torch
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import get_parameters_by_name
from stable_baselines3.td3.policies import TD3Policy
from torch import Tensor

from rlextras.core.descent import descend, fused, held
from rlextras.core.deterministic import bellman_target, critic_loss, follow, smoothed
from rlextras.core.layout import channels_last
from rlextras.offpolicy import COMMON_RULES, OffPolicy, OffPolicyOptions
from rlextras.offpolicy.calls import Storage
from rlextras.offpolicy.network import AdamCounts, SharedActorCritic
from rlextras.offpolicy.prioritized import Prioritized
from rlextras.offpolicy.sampling import as_storage, drawn_rows
from rlextras.validation import Rule, number, whole


class DDPG(OffPolicy):
    """Deep deterministic policy gradient, with the three fixes of TD3 as options.

    Stable-Baselines3's ``DDPG`` in use, options, defaults, files and results; a program changes its
    import and nothing else. The critic learns Q by ``y = r + γ Q'(s', μ'(s'))``, the actor μ climbs
    Q(s, μ(s)), and the targets Q' and μ' follow both slowly ([1]_, algorithm 1). With
    ``n_critics=2, policy_delay=2, target_policy_noise=0.2, target_noise_clip=0.5`` it is TD3 [2]_.

    Unlike the host's, it refuses options that cannot work and a buffer that memory cannot hold,
    stops at once when an environment gives NaN or infinity, and does not join episodes that a reset
    cut off.

    Parameters
    ----------
    policy : {"MlpPolicy", "CnnPolicy", "MultiInputPolicy"} or type of TD3Policy
        The actor and the critics.
    env : VecEnv, gymnasium.Env, gymnasium.vector.VectorEnv, EnvPool or str
        Where to learn; a string is the id of a registered environment.
    learning_rate : float or callable, default=1e-3
        Of both optimisers; a callable maps the progress remaining, 1 to 0, to it.
    buffer_size : int, default=1_000_000
        Transitions that are remembered.
    learning_starts : int, default=100
        Steps taken at random before the first update.
    batch_size : int, default=256
        Transitions in an update.
    policy_delay : int, default=1
        Critic updates for one of the actor and the targets.
    target_policy_noise : float, default=0.1
        Standard deviation of the noise on the target's actions.
    target_noise_clip : float, default=0.0
        Its largest size; 0 is no noise.
    n_critics : int, default=1
        Critics; the target takes the least of them. ``policy_kwargs`` may hold it, as the host's.
    **common : OffPolicyOptions
        Options that all off-policy algorithms share, with these defaults: ``tau=0.005`` (τ),
        ``gamma=0.99`` (γ), ``train_freq=1``, ``gradient_steps=1``, ``action_noise=None``,
        ``replay_buffer_class=None``, ``replay_buffer_kwargs=None``,
        ``optimize_memory_usage=False``, ``n_steps=1``, ``stats_window_size=100``,
        ``tensorboard_log=None``, ``policy_kwargs=None``, ``verbose=0``, ``seed=None``,
        ``device="auto"``; and ``backend="auto"``, which runs ``MlpPolicy`` by compiled kernels;
        "torch" does not, "numba" refuses what the kernels do not know. ``model.backend`` says which
        it is and why. ``prioritized=False``: True draws the transitions in proportion to how wrong
        the critics were about them, with weights that correct for it; ``replay_buffer_kwargs`` may
        hold ``alpha`` and ``beta``. ``layer_norm=False``: True puts layer norm behind all linear
        layers but the last, by torch. And ``bias_episodes=0``: how many of the last episodes are
        compared with what the critic said of them; the log has the bias.

    Raises
    ------
    TypeError
        If an option is of the wrong kind, or unknown.
    ValueError
        If an option is out of range.

    References
    ----------
    .. [1] T. P. Lillicrap et al., "Continuous control with deep reinforcement learning", ICLR 2016,
       https://arxiv.org/abs/1509.02971.
    .. [2] S. Fujimoto et al., "Addressing Function Approximation Error in Actor-Critic Methods",
       ICML 2018, https://arxiv.org/abs/1802.09477.

    Examples
    --------
    >>> from rlextras import DDPG
    >>> model = DDPG("MlpPolicy", "Pendulum-v1", buffer_size=1000, seed=0, device="cpu").learn(110)
    >>> model.num_timesteps
    110
    """

    rules: ClassVar[Mapping[str, Rule]] = {
        **COMMON_RULES,
        "policy_delay": whole(1, cure="DDPG's is 1, TD3's 2."),
        "target_policy_noise": number("0 or more", lambda x: x >= 0, cure="TD3's is 0.2."),
        "target_noise_clip": number("0 or more", lambda x: x >= 0, cure="DDPG's is 0, TD3's 0.5."),
        "n_critics": whole(1, cure="DDPG's is 1, TD3's 2."),
    }
    own_keys: ClassVar[tuple[str, ...]] = ("policy_delay", "target_policy_noise")

    policy_delay: int
    target_policy_noise: float
    target_noise_clip: float
    n_critics: int

    def __init__(
        self,
        policy: str | type[TD3Policy],
        env: GymEnv | str | None,
        learning_rate: float | Schedule = 1e-3,
        buffer_size: int = 1_000_000,
        learning_starts: int = 100,
        *,
        batch_size: int = 256,
        policy_delay: int = 1,
        target_policy_noise: float = 0.1,
        target_noise_clip: float = 0.0,
        n_critics: int = 1,
        **common: Unpack[OffPolicyOptions],
    ) -> None:
        named = {
            "learning_rate": learning_rate,
            "buffer_size": buffer_size,
            "learning_starts": learning_starts,
            "batch_size": batch_size,
        }
        own = {
            "policy_delay": policy_delay,
            "target_policy_noise": target_policy_noise,
            "target_noise_clip": target_noise_clip,
            "n_critics": n_critics,
        }
        super().__init__(policy, env, named=named, own=own, **common)

    def _setup_model(self) -> None:
        self.n_critics = self.policy_kwargs.setdefault("n_critics", self.n_critics)
        super()._setup_model()

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Update critics, actor and targets: algorithm 1 of [1]_, from "sample" to its end.

        Parameters
        ----------
        gradient_steps : int
            Updates of the critics.
        batch_size : int, default=100
            Transitions in each.

        References
        ----------
        .. [1] T. P. Lillicrap et al., "Continuous control with deep reinforcement learning",
           ICLR 2016, https://arxiv.org/abs/1509.02971.
        """
        self._begin_update()
        told = self._train_by_kernels(gradient_steps, batch_size)
        critic_losses, actor_losses = told or self._train_by_torch(gradient_steps, batch_size)
        self._check_update(critic_losses, actor_losses)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        if len(actor_losses):
            self.logger.record("train/actor_loss", _mean(actor_losses))
        self.logger.record("train/critic_loss", _mean(critic_losses))

    def _train_by_kernels(
        self, n_updates: int, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Losses of the critics and of the actor by the kernels; None if torch has to update."""
        network = self._network()
        counts = None if network is None else self._adam_counts(network)
        if network is None or counts is None:
            return None
        if isinstance(self.replay_buffer, Prioritized):
            parts = [self._update_by_priority(network, batch_size) for _ in range(n_updates)]
            return _joined(parts, 0), _joined(parts, 1)
        drawn = self._drawn(network, n_updates, batch_size)
        return self._update_by_kernels(network, counts, *drawn)[:2]

    def _update_by_kernels(
        self, network: SharedActorCritic, counts: AdamCounts, storage: Storage, indices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Losses of the critics and of the actor, and |Q - y| of each transition."""
        limit, n_before, delay = self.target_noise_clip, self._n_updates, self.policy_delay
        settings = (self.gamma, self.tau, limit, delay, n_before)
        noise = self._target_noise(indices)
        told, errors = network.update(storage, indices, noise, settings, counts)
        self._n_updates += len(indices)
        return told[:, 0], told[-(n_before + 1) % delay :: delay, 1], errors

    def _update_by_priority(
        self, network: SharedActorCritic, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Losses of one update on transitions that were drawn by priority."""
        buffer = self.replay_buffer
        batch, weights, leaves = buffer.sample_weighted(batch_size, env=self._vec_normalize_env)
        counts = self._adam_counts(network)
        if counts is None:
            raise RuntimeError("DDPG: its optimisers were changed in the midst of an update")
        *losses, errors = self._update_by_kernels(network, counts, *as_storage([batch], weights))
        buffer.reprioritize(leaves, errors[0])
        return losses[0], losses[1]

    def _drawn(self, network: SharedActorCritic, n_updates: int, batch_size: int) -> Any:
        """Transitions for some updates, as the kernels read them."""
        buffer, normalizer = self.replay_buffer, self._vec_normalize_env
        storage = network.reader.storage(buffer, normalizer)
        if storage is not None:
            return storage, drawn_rows(buffer, n_updates, batch_size)
        return as_storage([buffer.sample(batch_size, env=normalizer) for _ in range(n_updates)])

    def _target_noise(self, indices: np.ndarray) -> np.ndarray:
        """Noise on the targets' actions, from the draws that the host makes."""
        n_updates, n = indices.shape
        if self.target_noise_clip == 0:
            return np.empty((n_updates, 0, 0), np.float32)
        noise = torch.empty(n_updates, n, self.replay_buffer.action_dim)
        for each in noise:
            each.normal_(0, self.target_policy_noise)
        return noise.numpy()

    def _train_by_torch(self, n_updates: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Losses of the critics and of the actor, one for each update of theirs."""
        critic_losses, actor_losses = [], []
        pairs = self._followed()
        self.policy.set_training_mode(True)  # batch norm and dropout
        with self._fast_optimizers():
            for _ in range(n_updates):
                self._n_updates += 1
                batch, loss = self._improve_critics(batch_size)
                critic_losses.append(loss)
                if self._n_updates % self.policy_delay == 0:
                    actor_losses.append(self._improve_actor(batch.observations))
                    for rate, targets, sources in pairs:
                        follow(targets, sources, rate=rate)
        return _numbers(critic_losses), _numbers(actor_losses)

    def _improve_critics(self, batch_size: int) -> tuple[Any, Tensor]:
        """One step of the critics towards their targets; the batch, and their loss."""
        buffer, normalizer = self.replay_buffer, self._vec_normalize_env
        weights, leaves = None, None
        if isinstance(buffer, Prioritized):
            batch, drawn, leaves = buffer.sample_weighted(batch_size, env=normalizer)
            weights = torch.as_tensor(drawn, device=self.device)[:, None]
        else:
            batch = buffer.sample(batch_size, env=normalizer)
        values, target = self.critic(batch.observations, batch.actions), self._target(batch)
        loss = critic_loss(values, target, weights)
        descend(loss, self.critic.optimizer)
        if leaves is not None:
            errors = torch.stack([(value.detach() - target).abs() for value in values])
            buffer.reprioritize(leaves, errors.mean(dim=0).flatten().cpu().numpy())
        return batch, loss.detach()

    @torch.no_grad()
    def _target(self, batch: Any) -> Tensor:
        """Bellman target y (B, 1) of a batch."""
        discount = self.gamma if batch.discounts is None else batch.discounts
        actions = self.actor_target(batch.next_observations)
        if self.target_noise_clip > 0:
            noise = torch.empty_like(batch.actions).normal_(0, self.target_policy_noise)
            actions = smoothed(actions, noise, limit=self.target_noise_clip)
        values = self.critic_target(batch.next_observations, actions)
        return bellman_target(batch.rewards, batch.dones, values, discount=discount)

    def _improve_actor(self, observations: Any) -> Tensor:
        """One step up Q(s, μ(s)); its loss."""
        with held(list(self.critic.q_networks[0].parameters())):
            loss = -self.critic.q1_forward(observations, self.actor(observations)).mean()
            if loss.requires_grad:  # it does not where the actor is frozen
                descend(loss, self.actor.optimizer)
        return loss.detach()

    @contextmanager
    def _fast_optimizers(self) -> Iterator[None]:
        """Let both optimisers step in one call each."""
        with ExitStack() as stack:
            for optimizer in (self.actor.optimizer, self.critic.optimizer):
                stack.enter_context(fused(optimizer))
                stack.enter_context(channels_last(optimizer))
            yield

    def _followed(self) -> list[tuple[float, list[Tensor], list[Tensor]]]:
        """Rate, targets and sources: of parameters τ, of the statistics of batch norm 1."""
        pairs = []
        for target, source in ((self.critic_target, self.critic), (self.actor_target, self.actor)):
            pairs.append((self.tau, list(target.parameters()), list(source.parameters())))
            running = [get_parameters_by_name(each, ["running_"]) for each in (target, source)]
            pairs.append((1.0, running[0], running[1]))
        return pairs


def _joined(parts: list[tuple[np.ndarray, np.ndarray]], k: int) -> np.ndarray:
    return np.concatenate([part[k] for part in parts])


def _mean(losses: np.ndarray) -> float:
    return sum(losses.tolist()) / len(losses)


def _numbers(losses: list[Tensor]) -> np.ndarray:
    """Losses, read from the device once."""
    return torch.stack(losses).double().cpu().numpy() if losses else np.empty(0)
