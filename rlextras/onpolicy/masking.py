"""Acting and learning within action masks: masked distributions, and masks of minibatches."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.distributions import (
    BernoulliDistribution,
    CategoricalDistribution,
    Distribution,
    MultiCategoricalDistribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

FORBIDDEN = -1e8
"""A logit whose probability is 0 in float32 and whose products with 0 are finite."""


class _MaskedCategorical(CategoricalDistribution):
    """One choice among those allowed."""

    def __init__(self, plain: Any, masks: Tensor) -> None:
        super().__init__(plain.action_dim)
        self.masks = masks

    def proba_distribution(self, action_logits: Tensor) -> Any:
        return super().proba_distribution(_allowed(action_logits, self.masks))


class _MaskedMultiCategorical(MultiCategoricalDistribution):
    """Several choices among those allowed."""

    def __init__(self, plain: Any, masks: Tensor) -> None:
        super().__init__(plain.action_dims)
        self.masks = masks

    def proba_distribution(self, action_logits: Tensor) -> Any:
        return super().proba_distribution(_allowed(action_logits, self.masks))


class _MaskedBernoulli(BernoulliDistribution):
    """Bits; one of whose values may be forbidden."""

    def __init__(self, plain: Any, masks: Tensor) -> None:
        super().__init__(plain.action_dims)
        self.masks = masks.reshape(len(masks), -1, 2)

    def proba_distribution(self, action_logits: Tensor) -> Any:
        zero, one = self.masks.unbind(dim=2)
        logits = _allowed(action_logits, one)
        return super().proba_distribution(-_allowed(-logits, zero))


_MASKED: Mapping[type[Distribution], Any] = {
    CategoricalDistribution: _MaskedCategorical,
    MultiCategoricalDistribution: _MaskedMultiCategorical,
    BernoulliDistribution: _MaskedBernoulli,
}


def _allowed(logits: Tensor, masks: Tensor) -> Tensor:
    """Logits (B, M) with those that a mask (B, M) forbids far below the others."""
    if masks.shape != logits.shape:
        raise ValueError(
            f"predict: action_masks must have shape {tuple(logits.shape)}, got "
            f"{tuple(masks.shape)}. One row for each observation."
        )
    return logits.where(masks, FORBIDDEN)


@contextmanager
def masked(policy: ActorCriticPolicy, masks: np.ndarray | None) -> Iterator[None]:
    """Let a policy choose and judge within masks for as long as the context lasts.

    Distributions that it hands out meanwhile stay masked afterwards.

    Parameters
    ----------
    policy : ActorCriticPolicy
        One that makes its distributions by its ``action_dist``, as the host's do.
    masks : ndarray of bool, shape (B, M), or None
        One row for each observation that it will see; None masks nothing.

    Yields
    ------
    None
        Nothing; the policy itself is masked.
    """
    if masks is None:
        yield
        return
    plain = policy.action_dist
    if type(plain) not in _MASKED:
        raise TypeError(
            f"{type(policy).__name__}: action_dist must be the host's, of choices, to be masked, "
            f"got a {type(plain).__name__}. Set use_masks=False."
        )
    flags = torch.as_tensor(masks, dtype=torch.bool, device=policy.device)
    policy.action_dist = _MASKED[type(plain)](plain, flags)
    try:
        yield
    finally:
        policy.action_dist = plain


@contextmanager
def _copying_once(buffer: RolloutBuffer) -> Iterator[None]:
    """Have the host's own buffers make tensors of the rows that they picked, which are copies."""
    is_hosts = type(buffer) in {RolloutBuffer, DictRolloutBuffer}
    if not is_hosts or {"to_torch", "_get_samples", "get"} & vars(buffer).keys():
        yield
        return
    buffer.to_torch = partial(torch.as_tensor, device=buffer.device)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del buffer.to_torch


def minibatches(
    buffer: RolloutBuffer, batch_size: int | None, masks: np.ndarray | None
) -> Iterator[tuple[Any, np.ndarray | None]]:
    """Pass over a rollout once, in the buffer's own order.

    Parameters
    ----------
    buffer : RolloutBuffer
        Full.
    batch_size : int or None
        Steps in a minibatch; None hands out all at once.
    masks : ndarray of bool, shape (T, N, M), or None
        Those of the rollout.

    Yields
    ------
    samples, masks
        A minibatch, and the masks of its steps.
    """
    if masks is None:
        with _copying_once(buffer):
            for batch in buffer.get(batch_size):
                yield batch, None
        return
    drawn: list[np.ndarray] = []
    hand_out = buffer._get_samples

    def _noting(rows: np.ndarray, *rest: Any) -> Any:
        drawn[:] = [rows]
        return hand_out(rows, *rest)

    flat = buffer.swap_and_flatten(masks)
    buffer._get_samples = _noting  # type: ignore[method-assign, assignment]  # the host tells nobody the rows
    try:
        for batch in buffer.get(batch_size):
            if not drawn:
                raise TypeError(
                    f"{type(buffer).__name__}: get must call _get_samples where actions are "
                    "masked, which tells whose masks count; it does not. Set use_masks=False."
                )
            yield batch, flat[drawn.pop()]
    finally:
        del buffer._get_samples
