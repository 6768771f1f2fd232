"""Objectives of policy optimisation by groups, over the steps of whole episodes.

Tensors over the B steps of a minibatch stand one episode after the other; ``episode`` says which
each step belongs to. The log-ratio of a step is log π_new(a|s) - log π_old(a|s).
"""

import torch
from torch import Tensor

from rlextras.core.objectives import KL_TERMS


def surrogate_terms(
    log_ratio: Tensor, advantages: Tensor, *, clip_range: float, clip_range_high: float
) -> Tensor:
    """Clipped surrogate of each step, with bounds of its own below and above.

    min(ρ Â, clip(ρ, 1-ε_low, 1+ε_high) Â): eq. 3 of [1]_ with the two bounds of [2]_.

    Parameters
    ----------
    log_ratio : Tensor of shape (B,)
        log ρ.
    advantages : Tensor of shape (B,)
        Â.
    clip_range : float in (0, 1)
        ε_low.
    clip_range_high : float > 0
        ε_high; the same as ε_low is PPO's clipping.

    Returns
    -------
    Tensor of shape (B,), units of the advantages
        One term a step, to be maximised.

    References
    ----------
    .. [1] Z. Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open
       Language Models", 2024, https://arxiv.org/abs/2402.03300.
    .. [2] Q. Yu et al., "DAPO: An Open-Source LLM Reinforcement Learning System at Scale", 2025,
       https://arxiv.org/abs/2503.14476.
    """
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range_high)
    return torch.min(ratio * advantages, clipped * advantages)


def episode_sums(terms: Tensor, episode: Tensor, n_episodes: int) -> Tensor:
    """Sum over the steps of each episode.

    Parameters
    ----------
    terms : Tensor of shape (B,)
        One a step.
    episode : LongTensor of shape (B,)
        Index of the episode that a step belongs to.
    n_episodes : int
        M.

    Returns
    -------
    Tensor of shape (M,), the units of the terms
        The sums.
    """
    return torch.zeros(n_episodes, dtype=terms.dtype, device=terms.device).index_add(
        0, episode, terms
    )


def sequence_log_ratio(log_ratio: Tensor, episode: Tensor, n_episodes: int) -> Tensor:
    """Mean log-ratio of the episode that each step belongs to.

    log s_i = (1/|o_i|) Σ_t log ρ_{i,t}: eq. 7 of [1]_, with its gradient.

    Parameters
    ----------
    log_ratio : Tensor of shape (B,)
        log ρ.
    episode : LongTensor of shape (B,)
        Index of the episode that a step belongs to.
    n_episodes : int
        M.

    Returns
    -------
    Tensor of shape (B,)
        log s; equal for all steps of an episode.

    References
    ----------
    .. [1] C. Zheng et al., "Group Sequence Policy Optimization", 2025,
       https://arxiv.org/abs/2507.18071.
    """
    lengths = episode_sums(torch.ones_like(log_ratio), episode, n_episodes)
    means = episode_sums(log_ratio, episode, n_episodes) / lengths.clamp(min=1.0)
    return means[episode]


def mirror_descent_loss(
    log_ratio: Tensor, advantages: Tensor, weights: Tensor, *, tau: float
) -> Tensor:
    """Loss of a step of online policy mirror descent, to be minimised.

    mean_i -w_i (Â_i L_i - τ/2 L_i²), with L_i = log π(y_i)/π_i(y_i) of a whole episode: its
    gradient is eq. 3 of [1]_ with its sign turned, and up to a constant it is the squared error
    (Â_i - τ L_i)² / 2τ. With Â = R - τ log Z its minimum is the closed form π ∝ π_i exp(R/τ).

    Parameters
    ----------
    log_ratio : Tensor of shape (M,)
        L, summed over the steps of each episode.
    advantages : Tensor of shape (M,), reward units
        Â, the return minus its baseline.
    weights : Tensor of shape (M,)
        w; 0 leaves an episode out.
    tau : float > 0, reward units
        τ, how much a nat of divergence costs.

    Returns
    -------
    Tensor of shape (), reward units
        The loss.

    References
    ----------
    .. [1] Kimi Team, "Kimi k1.5: Scaling Reinforcement Learning with LLMs", 2025,
       https://arxiv.org/abs/2501.12599.
    """
    return -(weights * (advantages * log_ratio - 0.5 * tau * log_ratio.square())).mean()


def reference_divergence(log_prob: Tensor, reference: Tensor, *, estimator: str) -> Tensor:
    """Estimate, step by step, of KL(π || π_ref) from actions that π chose.

    k1 = log π/π_ref, k2 = (log π/π_ref)² / 2, k3 = π_ref/π - log π_ref/π - 1: [1]_; k3 is eq. 4 of
    [2]_.

    Parameters
    ----------
    log_prob : Tensor of shape (B,), nats
        log π(a|s).
    reference : Tensor of shape (B,), nats
        log π_ref(a|s).
    estimator : {"k1", "k2", "k3"}
        Which one.

    Returns
    -------
    Tensor of shape (B,), nats
        One term a step. The mean of k1 and of k3 over actions of π is the divergence; the gradient
        of k2 has the mean that its gradient has, those of the others have not.

    References
    ----------
    .. [1] J. Schulman, "Approximating KL Divergence", 2020, http://joschu.net/blog/kl-approx.html.
    .. [2] Z. Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open
       Language Models", 2024, https://arxiv.org/abs/2402.03300.
    """
    return KL_TERMS[estimator](reference - log_prob)
