"""Objectives and diagnostics of policy optimisation, one function per equation.

Every function takes flat tensors over the B steps of a minibatch; the log-ratio of a step is
log π_new(a|s) - log π_old(a|s), with the action a drawn from π_old.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

KL_TERMS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "k1": lambda log_ratio: -log_ratio,
    "k2": lambda log_ratio: 0.5 * log_ratio.square(),
    "k3": lambda log_ratio: log_ratio.expm1() - log_ratio,  # exp(x) - 1 loses the digits of small x
}
"""Estimates of a divergence from one action: of KL(p || q), from log q/p of an action of p."""


def normalized(advantages: Tensor, *, epsilon: float = 1e-8) -> Tensor:
    """Scale advantages to mean 0 and standard deviation 1 over the minibatch.

    (Â - mean Â) / (std Â + ε), with the unbiased standard deviation.

    Parameters
    ----------
    advantages : Tensor of shape (B,), reward units
        Â, one per step; B of at least 2.
    epsilon : float, default=1e-8
        ε, which keeps equal advantages finite.

    Returns
    -------
    Tensor of shape (B,), dimensionless
        The normalised advantages.

    Raises
    ------
    ValueError
        If B is below 2: one number has no standard deviation.
    """
    if advantages.numel() < 2:
        raise ValueError(
            f"normalized: advantages must hold two steps or more, got {advantages.numel()}."
        )
    std, mean = torch.std_mean(advantages)
    return (advantages - mean) / (std + epsilon)


def clipped_surrogate(log_ratio: Tensor, advantages: Tensor, *, clip_range: float) -> Tensor:
    """Clipped surrogate objective of PPO, to be maximised.

    L^CLIP = mean_t min(ρ_t Â_t, clip(ρ_t, 1-ε, 1+ε) Â_t), ρ_t = π_new/π_old: eq. 7 of [1]_.

    Parameters
    ----------
    log_ratio : Tensor of shape (B,)
        log ρ_t.
    advantages : Tensor of shape (B,)
        Â_t.
    clip_range : float > 0
        ε.

    Returns
    -------
    Tensor of shape (), units of the advantages
        L^CLIP. Its gradient is zero for a step whose ratio already left [1-ε, 1+ε] in the
        direction that its advantage asks for.

    Raises
    ------
    ValueError
        If the shapes differ: broadcasting would mix steps silently.

    References
    ----------
    .. [1] J. Schulman et al., "Proximal Policy Optimization Algorithms", 2017,
       https://arxiv.org/abs/1707.06347.
    """
    _guard_equal_shapes("clipped_surrogate", log_ratio=log_ratio, advantages=advantages)
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    return torch.min(ratio * advantages, clipped * advantages).mean()


def value_loss(values: Tensor, returns: Tensor) -> Tensor:
    """Squared error of the critic.

    L^VF = mean_t (V(s_t) - R_t)², eq. 9 of [1]_.

    Parameters
    ----------
    values : Tensor of shape (B,), reward units
        V(s_t).
    returns : Tensor of shape (B,), reward units
        R_t, the target.

    Returns
    -------
    Tensor of shape (), reward units squared
        L^VF.

    Raises
    ------
    ValueError
        If the shapes differ: broadcasting would mix steps silently.

    References
    ----------
    .. [1] J. Schulman et al., "Proximal Policy Optimization Algorithms", 2017,
       https://arxiv.org/abs/1707.06347.
    """
    _guard_equal_shapes("value_loss", values=values, returns=returns)
    return torch.nn.functional.mse_loss(values, returns)


def clipped_value_loss(
    values: Tensor, returns: Tensor, old_values: Tensor, *, clip_range: float
) -> Tensor:
    """Squared error of a critic that may move by at most the clip range.

    mean_t (V_old + clip(V - V_old, -ε, ε) - R_t)². [1]_ calls it value function loss clipping; like
    Stable-Baselines3, and unlike the baselines that [1]_ describes, it takes no maximum with the
    plain loss.

    Parameters
    ----------
    values : Tensor of shape (B,), reward units
        V(s_t) of the critic that learns.
    returns : Tensor of shape (B,), reward units
        R_t, the target.
    old_values : Tensor of shape (B,), reward units
        V_old(s_t), of the critic that collected the rollout.
    clip_range : float > 0, reward units
        ε.

    Returns
    -------
    Tensor of shape (), reward units squared
        The loss.

    Raises
    ------
    ValueError
        If the shapes differ: broadcasting would mix steps silently.

    References
    ----------
    .. [1] S. Huang et al., "The 37 Implementation Details of Proximal Policy Optimization",
       ICLR blog track, 2022.
    """
    _guard_equal_shapes("clipped_value_loss", values=values, old_values=old_values)
    moved = (values - old_values).clamp(-clip_range, clip_range)
    return value_loss(old_values + moved, returns)


def entropy_bonus(entropy: Tensor | None, log_prob: Tensor) -> Tensor:
    """Mean entropy of the policy, estimated from the actions taken where it has no closed form.

    S = mean_t H(π(·|s_t)), eq. 9 of [1]_, or mean_t -log π(a_t|s_t).

    Parameters
    ----------
    entropy : Tensor of shape (B,), nats, or None
        H(π(·|s_t)); None if the distribution has no closed form, as a squashed Gaussian.
    log_prob : Tensor of shape (B,), nats
        log π(a_t|s_t).

    Returns
    -------
    Tensor of shape (), nats
        S.

    References
    ----------
    .. [1] J. Schulman et al., "Proximal Policy Optimization Algorithms", 2017,
       https://arxiv.org/abs/1707.06347.
    """
    return -log_prob.mean() if entropy is None else entropy.mean()


def kl_k1(log_ratio: Tensor) -> Tensor:
    """Estimate KL(π_old || π_new) without bias, with high variance; single terms may be negative.

    k1 = mean_t -log ρ_t [1]_.

    Parameters
    ----------
    log_ratio : Tensor of shape (B,)
        log ρ_t.

    Returns
    -------
    Tensor of shape (), nats
        The estimate.

    References
    ----------
    .. [1] J. Schulman, "Approximating KL Divergence", 2020, http://joschu.net/blog/kl-approx.html.
    """
    return KL_TERMS["k1"](log_ratio).mean()


def kl_k2(log_ratio: Tensor) -> Tensor:
    """Estimate KL(π_old || π_new) with low variance and a bias of third order; never negative.

    k2 = mean_t (log ρ_t)² / 2 [1]_.

    Parameters
    ----------
    log_ratio : Tensor of shape (B,)
        log ρ_t.

    Returns
    -------
    Tensor of shape (), nats
        The estimate.

    References
    ----------
    .. [1] J. Schulman, "Approximating KL Divergence", 2020, http://joschu.net/blog/kl-approx.html.
    """
    return KL_TERMS["k2"](log_ratio).mean()


def kl_k3(log_ratio: Tensor) -> Tensor:
    """Estimate KL(π_old || π_new) without bias and with low variance; never negative.

    k3 = mean_t (ρ_t - 1) - log ρ_t [1]_.

    Parameters
    ----------
    log_ratio : Tensor of shape (B,)
        log ρ_t.

    Returns
    -------
    Tensor of shape (), nats
        The estimate.

    References
    ----------
    .. [1] J. Schulman, "Approximating KL Divergence", 2020, http://joschu.net/blog/kl-approx.html.
    """
    return KL_TERMS["k3"](log_ratio).mean()


def clip_fraction(log_ratio: Tensor, *, clip_range: float) -> Tensor:
    """Share of steps whose ratio has left the clip region.

    mean_t 1[|ρ_t - 1| > ε].

    Parameters
    ----------
    log_ratio : Tensor of shape (B,)
        log ρ_t.
    clip_range : float > 0
        ε.

    Returns
    -------
    Tensor of shape (), in [0, 1]
        The share.
    """
    return ((log_ratio.exp() - 1.0).abs() > clip_range).to(log_ratio.dtype).mean()


def adapted(coefficient: float, divergence: float, *, target: float) -> float:
    """Coefficient of a KL penalty that is to hold the divergence of an update near a target.

    β / 2 if d < d_targ / 1.5, 2 β if d > 1.5 d_targ, and β otherwise: section 4 of [1]_. It never
    leaves [1e-9, 1e9], from where thirty updates bring it back to 1.

    Parameters
    ----------
    coefficient : float > 0
        β, of the update that was done.
    divergence : float, nats
        d, the mean KL divergence that it moved the policy by.
    target : float > 0, nats
        d_targ.

    Returns
    -------
    float
        β of the next update.

    References
    ----------
    .. [1] J. Schulman et al., "Proximal Policy Optimization Algorithms", 2017,
       https://arxiv.org/abs/1707.06347.
    """
    if divergence < target / 1.5:
        return max(coefficient / 2, min(coefficient, 1e-9))
    return min(coefficient * 2, max(coefficient, 1e9)) if divergence > 1.5 * target else coefficient


def explained_variance(predictions: Tensor, targets: Tensor) -> Tensor:
    """Share of the targets' variance that the predictions explain.

    1 - Var[y - ŷ] / Var[y]: 1 is perfect, 0 no better than a constant, below 0 worse than one.

    Parameters
    ----------
    predictions : Tensor of any shape
        ŷ.
    targets : Tensor of the same shape and units
        The y that ŷ predicts.

    Returns
    -------
    Tensor of shape (), dimensionless, at most 1
        The share; NaN if the targets are all equal.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    _guard_equal_shapes("explained_variance", predictions=predictions, targets=targets)
    variance = targets.var(correction=0)
    share = 1.0 - (targets - predictions).var(correction=0) / variance
    return share.masked_fill(variance == 0, torch.nan)


def _guard_equal_shapes(owner: str, **tensors: Tensor) -> None:
    """Refuse two tensors whose shapes differ."""
    (name, tensor), (other_name, other) = tensors.items()
    if tensor.shape != other.shape:
        raise ValueError(
            f"{owner}: {other_name} must have the shape of {name}, {tuple(tensor.shape)}, "
            f"got {tuple(other.shape)}."
        )
