"""Equations of deterministic policy gradients: targets, losses, and networks that follow others."""

from collections.abc import Sequence

import torch
from torch import Tensor


def smoothed(actions: Tensor, noise: Tensor, *, limit: float) -> Tensor:
    """Actions with clipped noise, so that a target cannot rest on one narrow peak of Q.

    ã = clip(a + clip(ε, -c, c), -1, 1), eq. 14 of [1]_.

    Parameters
    ----------
    actions : Tensor of shape (B, A), in [-1, 1]
        Of the target actor.
    noise : Tensor of shape (B, A)
        ε.
    limit : float
        c.

    Returns
    -------
    Tensor of shape (B, A), in [-1, 1]
        ã.

    References
    ----------
    .. [1] S. Fujimoto et al., "Addressing Function Approximation Error in Actor-Critic Methods",
       ICML 2018, https://arxiv.org/abs/1802.09477.
    """
    return (actions + noise.clamp(-limit, limit)).clamp(-1, 1)


def bellman_target(
    rewards: Tensor, dones: Tensor, next_values: Sequence[Tensor], *, discount: Tensor | float
) -> Tensor:
    """What the critics should say: y = r + γ (1 - d) min_i Q_i(s', ã).

    Parameters
    ----------
    rewards : Tensor of shape (B, 1), reward units
        r; of several steps, their discounted sum.
    dones : Tensor of shape (B, 1)
        d, 1 where the task ended.
    next_values : sequence of Tensor of shape (B, 1)
        Q_i of what follows, by the target critics.
    discount : Tensor of shape (B, 1) or float
        γ, or its power where rewards are of several steps.

    Returns
    -------
    Tensor of shape (B, 1), reward units
        y.
    """
    least = next_values[0]
    for other in next_values[1:]:
        least = torch.minimum(least, other)
    return rewards + (1 - dones) * discount * least


def critic_loss(values: Sequence[Tensor], target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Sum over critics of the mean squared error, Σ_i mean_b w_b (Q_i - y)².

    Parameters
    ----------
    values : sequence of Tensor of shape (B, 1)
        Q_i.
    target : Tensor of shape (B, 1)
        y.
    weights : Tensor of shape (B, 1), optional
        w, of transitions that were not drawn alike; 1 if None.

    Returns
    -------
    Tensor of shape ()
        The loss.
    """
    errors = [(value - target).square() for value in values]
    if weights is not None:
        errors = [weights * error for error in errors]
    return torch.stack([error.mean() for error in errors]).sum()


@torch.no_grad()
def follow(targets: Sequence[Tensor], sources: Sequence[Tensor], *, rate: float) -> None:
    """Move tensors a little towards others, in place: θ' ← θ' + τ (θ - θ').

    Parameters
    ----------
    targets, sources : sequence of Tensor
        θ' and θ, pair by pair.
    rate : float in [0, 1]
        τ.
    """
    if targets:
        torch._foreach_lerp_(list(targets), list(sources), rate)
