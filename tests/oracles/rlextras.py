"""Slow and obvious twins of rlextras' engine: loops over steps, one environment at a time."""

import math

import torch
from torch import Tensor

from rlextras.core.returns import Rollout


def next_value(rollout: Rollout, t: int, n: int) -> float:
    """What follows step t of environment n is worth."""
    if rollout.terminated[t, n]:
        return 0.0
    if rollout.truncated[t, n]:
        return rollout.final_values[t, n].item()
    if t + 1 == len(rollout.rewards):
        return rollout.last_values[n].item()
    return rollout.values[t + 1, n].item()


def td_error(rollout: Rollout, t: int, n: int, *, gamma: float) -> float:
    """Reward plus the discounted value of what follows, minus the value of where it started."""
    following = gamma * next_value(rollout, t, n)
    return rollout.rewards[t, n].item() + following - rollout.values[t, n].item()


def episode_end(rollout: Rollout, t: int, n: int) -> int:
    """The last step of the episode that step t belongs to, or of the rollout."""
    for k in range(t, len(rollout.rewards)):
        if rollout.terminated[k, n] or rollout.truncated[k, n]:
            return k
    return len(rollout.rewards) - 1


def gae_double_sum(rollout: Rollout, *, gamma: float, lam: float) -> Tensor:
    """Â_t = Σ_k (γλ)^k δ_{t+k}, to the end of the episode: eq. 16 of the paper as it is printed."""
    advantages = torch.zeros_like(rollout.rewards)
    for t, n in torch.cartesian_prod(*map(torch.arange, rollout.rewards.shape)).tolist():
        steps = range(t, episode_end(rollout, t, n) + 1)
        terms = [(gamma * lam) ** (k - t) * td_error(rollout, k, n, gamma=gamma) for k in steps]
        advantages[t, n] = math.fsum(terms)
    return advantages


def discounted_sums(rollout: Rollout, *, gamma: float) -> Tensor:
    """R_t = Σ_k γ^k r_{t+k} + γ^K V(what follows), to the end of the episode."""
    returns = torch.zeros_like(rollout.rewards)
    for t, n in torch.cartesian_prod(*map(torch.arange, rollout.rewards.shape)).tolist():
        last = episode_end(rollout, t, n)
        terms = [gamma ** (k - t) * rollout.rewards[k, n].item() for k in range(t, last + 1)]
        terms.append(gamma ** (last + 1 - t) * next_value(rollout, last, n))
        returns[t, n] = math.fsum(terms)
    return returns


def surrogate_of_one_step(ratio: float, advantage: float, *, clip_range: float) -> float:
    """min(ρ Â, clip(ρ) Â) by cases, as in the figure of the PPO paper."""
    if advantage > 0:
        return advantage * min(ratio, 1 + clip_range)
    return advantage * max(ratio, 1 - clip_range)


def fisher_matrix(net: torch.nn.Module, states: Tensor) -> Tensor:
    """mean_s Σ_a π(a|s) ∇log π(a|s) ∇log π(a|s)ᵀ, one state and one action at a time."""
    parameters = list(net.parameters())
    size = sum(parameter.numel() for parameter in parameters)
    matrix = torch.zeros(size, size, dtype=states.dtype)
    for state in states:
        for log_prob in net(state).log_softmax(dim=-1):
            score = torch.autograd.grad(log_prob, parameters, retain_graph=True)
            flat = torch.cat([each.flatten() for each in score])
            matrix += log_prob.exp().item() * torch.outer(flat, flat) / len(states)
    return matrix
