"""The update of algorithms that compare episodes of a group, but for its objective."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.utils import obs_as_tensor
from torch import Tensor
from torch.optim import Adam

from rlextras.core.descent import descend, fused
from rlextras.core.groups import (
    outcome_advantages,
    process_advantages,
    return_to_go_advantages,
    soft_baseline,
)
from rlextras.core.layout import channels_last
from rlextras.grouped.batches import Batch, shuffled_episodes, shuffled_steps, step_weights
from rlextras.grouped.episodes import Episodes, joined
from rlextras.grouped.kernels import CompiledEpochs, StepEpochs, TokenEpochs
from rlextras.grouped.shell import Grouped
from rlextras.host.backend import optimizer_obstacle
from rlextras.host.guards import naming_divergence
from rlextras.sequences import CausalTransformerPolicy
from rlextras.validation import OptionError

MEASURES = ("policy_gradient_loss", "entropy_loss", "clip_fraction", "approx_kl", "reference_kl")
"""What one minibatch tells of itself; behind them stands the loss."""


class GroupedUpdate(Grouped):
    """An algorithm that learns from groups by epochs of minibatches; abstract.

    A member adds ``_loss`` for torch and ``_settings`` for the kernels.
    """

    n_epochs: int
    advantage: str
    scale: str
    average: str
    objective: str
    importance: str
    baseline: str
    tau: float
    beta: float
    kl_estimator: str
    reference_update: int | float | None
    mask_truncated: bool
    reset_optimizer: bool
    n_replayed: int
    _reference: Tensor | None = None  # (P,), θ of the reference policy
    _replayed: tuple[Episodes, ...] = ()  # of earlier rollouts

    def _setup_model(self) -> None:
        self._check_together()
        super()._setup_model()
        if self.beta:  # filled in by a file, or before the first update
            self._reference = torch.full_like(self._parameters_now(), torch.nan)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        states, tensors = super()._get_torch_save_params()
        return states, [*tensors, "_reference"] if self.beta else tensors

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What is descended, and a row of MEASURES with the loss behind."""
        raise TypeError(f"{type(self).__name__}: an algorithm on this shell has its own loss.")

    def _settings(self) -> tuple[float, ...]:
        """What the kernels go by, behind Adam's settings."""
        raise TypeError(f"{type(self).__name__}: an algorithm on this shell has its own settings.")

    def _begin_epochs(self) -> None:
        """Ask the schedules."""

    @property
    def _has_whole_episodes(self) -> bool:
        """Whether the steps of an episode have to stay together."""
        is_joint = self.importance == "sequence" or self.objective == "mirror_descent"
        return is_joint or bool(getattr(self.policy, "needs_whole_episodes", False))

    def train(self) -> None:
        """Update the policy by epochs of minibatches over the episodes."""
        self._begin_update()
        self._begin_epochs()
        optimizer = self.policy.optimizer
        if self.reset_optimizer:
            optimizer.state.clear()
        batch, lengths = self._prepared()
        compiled = self._compiled(batch)
        told: list[np.ndarray] = []
        with fused(optimizer), channels_last(optimizer):
            for _ in range(self.n_epochs):
                parts = self._parts(lengths)
                if compiled is not None and compiled.is_possible:
                    told.append(compiled.epoch(parts, self._settings()))
                else:
                    told.append(self._epoch(batch, parts))
                self._n_updates += 1
        self._check_update(*told)
        self._follow()
        self._record(np.concatenate(told), batch)

    def _compiled(self, batch: Batch) -> CompiledEpochs | None:
        """Passes by the kernels; None if torch has to make them."""
        network, policy = self._network(), self.policy
        optimizer = cast(Adam, policy.optimizer)
        if network is not None:
            return StepEpochs(network, optimizer, batch)
        engine = policy.engine if isinstance(policy, CausalTransformerPolicy) else None
        if engine is None or optimizer_obstacle(optimizer, engine.parameters):
            return None
        return TokenEpochs(engine, optimizer, batch)

    def _parts(self, lengths: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows, and lengths of whole episodes, of the minibatches of an epoch."""
        if self._has_whole_episodes:
            return list(shuffled_episodes(lengths, self.batch_size))
        return list(shuffled_steps(int(lengths.sum()), self.batch_size))

    def _epoch(self, batch: Batch, parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """One pass by torch; a row of measures for each minibatch."""
        rows, parameters = [], list(self.policy.parameters())
        for part in parts:
            with naming_divergence(type(self).__name__):
                loss, measured = self._loss(batch.part(*part))
            rows.append(measured)
            descend(loss, self.policy.optimizer, parameters, max_grad_norm=self.max_grad_norm)
        return torch.stack(rows).double().cpu().numpy()

    def _prepared(self) -> tuple[Batch, np.ndarray]:
        """What to learn from, and the lengths of its episodes."""
        latest = cast(Episodes, self._episodes)
        episodes = joined([latest, *self._replayed])
        if self.n_replayed:
            self._replayed = (latest, *self._replayed)[: self.n_replayed]
        weights = self._weights(episodes)
        n_steps = len(weights)

        def column(values: Any) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=self.device)

        actions = torch.as_tensor(episodes.actions, device=self.device)
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        batch = Batch(
            observations=obs_as_tensor(episodes.observations, self.device),
            actions=actions,
            log_prob=column(episodes.log_probs),
            advantages=column(self._advantages(episodes)),
            weights=column(weights),
            reference=torch.zeros(n_steps, device=self.device),
            lengths=torch.as_tensor(episodes.lengths, device=self.device),
        )
        if self._replayed and len(episodes.lengths) > len(latest.lengths):
            batch.log_prob[:] = self._log_probs(batch)  # π_i, where an earlier policy chose
        if self._reference is not None:
            if self._reference.isnan().any():
                self._reference.copy_(self._parameters_now())
            with self._as_reference(self._reference):
                batch.reference[:] = self._log_probs(batch)
        return batch, episodes.lengths

    def _advantages(self, episodes: Episodes) -> Tensor:
        """Â of each step, (B,)."""
        rewards, lengths = torch.from_numpy(episodes.rewards), torch.from_numpy(episodes.lengths)
        how: Any = {"group_size": self.group_size, "scale": self.scale}
        if self.advantage == "return_to_go":
            return return_to_go_advantages(rewards, lengths, gamma=self.gamma, **how)
        if self.advantage == "process":
            return process_advantages(rewards, lengths, **how)
        returns = torch.from_numpy(episodes.returns)
        if self.baseline == "soft":
            advantages = returns - soft_baseline(returns, group_size=self.group_size, tau=self.tau)
        else:
            advantages = outcome_advantages(returns, **how)
        return advantages.repeat_interleave(lengths)

    def _weights(self, episodes: Episodes) -> np.ndarray:
        """How much each step counts, (B,)."""
        is_left_out = episodes.truncated & self.mask_truncated
        average = "episode" if self.objective == "mirror_descent" else self.average
        weights = step_weights(episodes.lengths, is_left_out, average=average)
        if self.objective != "mirror_descent":
            return weights
        kept = ~is_left_out  # the mean is over episodes, not over their steps
        return np.repeat(kept / max(kept.mean(), 1e-9), episodes.lengths)

    def _log_probs(self, batch: Batch) -> Tensor:
        """log π(a|s) of the policy as it stands, (B,), without a graph."""
        lengths = batch.lengths.cpu().numpy()
        found = torch.empty_like(batch.log_prob)
        first, step = 0, max(1, self.batch_size)
        stops = np.cumsum(lengths)
        while first < len(lengths):
            before = stops[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(stops, before + step, side="right")))
            rows = np.arange(before, stops[last - 1])
            with torch.no_grad():
                log_prob, _ = self._evaluated(batch.part(rows, lengths[first:last]))
            found[torch.from_numpy(rows)] = log_prob
            first = last
        return found

    def _evaluated(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """log π(a|s) and entropies of a minibatch, (B,) each."""
        policy: Any = self.policy
        if getattr(policy, "needs_whole_episodes", False):
            return policy.evaluate_episodes(batch.observations, batch.actions, batch.lengths)
        _, log_prob, entropy = policy.evaluate_actions(batch.observations, batch.actions)
        return log_prob, entropy

    def _parameters_now(self) -> Tensor:
        """θ, (P,)."""
        with torch.no_grad():
            return torch.cat([each.detach().flatten() for each in self.policy.parameters()]).clone()

    @contextmanager
    def _as_reference(self, reference: Tensor) -> Iterator[None]:
        """Let the policy have the numbers of the reference for as long as the context lasts."""
        present = self._parameters_now()
        self._set_parameters_to(reference)
        try:
            yield
        finally:
            self._set_parameters_to(present)

    def _set_parameters_to(self, numbers: Tensor) -> None:
        """Write θ in place: the kernels share the memory."""
        start = 0
        with torch.no_grad():
            for parameter in self.policy.parameters():
                stop = start + parameter.numel()
                parameter.copy_(numbers[start:stop].view_as(parameter))
                start = stop

    def _follow(self) -> None:
        """Let the reference follow the policy, if it is to."""
        reference, how = self._reference, self.reference_update
        if reference is None or how is None:
            return
        if isinstance(how, float):
            reference.lerp_(self._parameters_now(), how)
        elif self._n_updates // self.n_epochs % how == 0:
            reference.copy_(self._parameters_now())

    def _record(self, told: np.ndarray, batch: Batch) -> None:
        """Log the update in the host's words."""
        episodes = cast(Episodes, self._episodes)
        groups = episodes.returns.reshape(-1, self.group_size)
        logged = dict(zip((*MEASURES, "loss"), told.mean(axis=0).tolist(), strict=True))
        if not self.beta:
            del logged["reference_kl"]
        if hasattr(self.policy, "log_std"):
            logged["std"] = self.policy.log_std.detach().exp().mean().item()
        logged["advantage_std"] = batch.advantages.std().item() if len(batch.advantages) > 1 else 0
        logged["group_return_std"] = float(groups.std(axis=1, ddof=1).mean())
        logged["level_groups"] = float((groups.max(axis=1) == groups.min(axis=1)).mean())
        logged["truncated_episodes"] = float(episodes.truncated.mean())
        for name, value in logged.items():
            self.logger.record(f"train/{name}", value)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    def _check_together(self) -> None:
        """Refuse options that do nothing, or something else than they say, beside others."""
        owner, is_mirror = type(self).__name__, self.objective == "mirror_descent"
        checks = (
            (
                is_mirror and self.advantage != "outcome",
                f"advantage must be 'outcome' with objective='mirror_descent', got "
                f"{self.advantage!r}. Its log-ratio is that of whole episodes.",
            ),
            (
                self.baseline == "soft" and not is_mirror,
                "baseline must be 'mean' with objective='clipped', got 'soft'. Set objective="
                "'mirror_descent'.",
            ),
            (
                self.baseline == "soft" and self.scale != "none",
                f"scale must be 'none' with baseline='soft', got {self.scale!r}. The soft baseline "
                "is in reward units, as tau is.",
            ),
            (
                self.n_replayed > 0 and not is_mirror,
                f"n_replayed must be 0 with objective='clipped', got {self.n_replayed}. Only "
                "mirror descent learns from the episodes of earlier policies.",
            ),
            (
                self.reference_update is not None and not self.beta,
                f"reference_update must be None with beta=0, got {self.reference_update!r}. There "
                "is no reference without a penalty.",
            ),
            (
                self.start == "random" and self.snapshot != "seed",
                "snapshot must be 'seed', its default, with start='random', got "
                f"{self.snapshot!r}. Nothing is restored there.",
            ),
        )
        for is_wrong, message in checks:
            if is_wrong:
                raise OptionError(f"{owner}: {message}")
