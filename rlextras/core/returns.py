"""What a rollout of T steps in N environments was worth: TD errors, discounted returns, GAE.

The end of an episode has two meanings, and they are kept apart. *Terminated*: the task is over,
nothing follows, the value of what follows is 0. *Truncated*: the clock stopped a task that would
have gone on, so what follows is worth V(final observation), and that value arrives as an argument.
Rewards stay what the environment gave.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Rollout:
    """T steps in each of N environments, and the values that a critic gave them.

    Attributes
    ----------
    rewards : Tensor of shape (T, N), reward units
        r_t, the reward of the step from s_t to s_{t+1}.
    values : Tensor of shape (T, N), reward units
        V(s_t).
    last_values : Tensor of shape (N,), reward units
        V(s_T), of the observation that follows the last step; ignored where that step ended its
        episode.
    terminated : BoolTensor of shape (T, N)
        Whether the step ended its task: nothing follows.
    truncated : BoolTensor of shape (T, N)
        Whether a time limit stopped the episode after the step. A step that is both counts as
        terminated.
    final_values : Tensor of shape (T, N), reward units
        V(final observation) where ``truncated``; ignored elsewhere, NaN included.

    Raises
    ------
    ValueError
        If a shape does not fit that of ``rewards``.
    """

    rewards: Tensor
    values: Tensor
    last_values: Tensor
    terminated: Tensor
    truncated: Tensor
    final_values: Tensor

    def __post_init__(self) -> None:
        """Guard the shapes once, so that no function below has to."""
        if self.rewards.ndim != 2 or not len(self.rewards):
            _refuse("rewards", "(T, N) with T ≥ 1", self.rewards)
        for name in ("values", "terminated", "truncated", "final_values"):
            if getattr(self, name).shape != self.rewards.shape:
                _refuse(name, f"that of rewards, {tuple(self.rewards.shape)}", getattr(self, name))
        if self.last_values.shape != self.rewards.shape[1:]:
            _refuse("last_values", f"({self.rewards.shape[1]},)", self.last_values)


def discounted_returns(rollout: Rollout, *, gamma: float) -> Tensor:
    """Discounted return of each step, bootstrapped where the rollout cuts an episode.

    R_t = r_t + γ R_{t+1}, with R_{t+1} = 0 after termination, V(final observation) after
    truncation and V(s_T) after the last step ([1]_, section 3.3).

    Parameters
    ----------
    rollout : Rollout
        T steps in N environments.
    gamma : float in [0, 1]
        γ, the discount of one step.

    Returns
    -------
    Tensor of shape (T, N), reward units
        R_t; the Monte Carlo return of an episode that ends within the rollout.

    References
    ----------
    .. [1] R. S. Sutton, A. G. Barto, "Reinforcement Learning: An Introduction", 2nd ed., 2018.

    Examples
    --------
    >>> zeros = torch.zeros(3, 1)
    >>> rollout = Rollout(rewards=zeros + 1, values=zeros, last_values=torch.tensor([4.0]),
    ...     terminated=zeros > 0, truncated=zeros > 0, final_values=zeros)
    >>> discounted_returns(rollout, gamma=0.5).flatten().tolist()
    [2.25, 2.5, 3.0]
    """
    is_end = rollout.terminated | rollout.truncated
    is_end[-1] = True  # the rollout cuts here what does not end by itself
    first = rollout.rewards + gamma * torch.where(is_end, next_values(rollout), 0.0)
    return _backward_sums(first, is_end, decay=gamma)


def gae(rollout: Rollout, *, gamma: float, lam: float) -> Tensor:
    """Generalised advantage estimate of each step.

    Â_t = δ_t + γλ Â_{t+1} within an episode, Â_t = δ_t at its end: eq. 16 of [1]_ unrolled.
    λ = 0 gives the TD error, λ = 1 the discounted return minus V(s_t).

    Parameters
    ----------
    rollout : Rollout
        T steps in N environments.
    gamma : float in [0, 1]
        γ, the discount of one step.
    lam : float in [0, 1]
        λ, between low variance (0) and low bias (1).

    Returns
    -------
    Tensor of shape (T, N), reward units
        Â_t. The TD(λ) return is Â_t + V(s_t).

    References
    ----------
    .. [1] J. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage
       Estimation", ICLR 2016, https://arxiv.org/abs/1506.02438.

    Examples
    --------
    >>> zeros = torch.zeros(2, 1)
    >>> rollout = Rollout(rewards=zeros + 1, values=zeros, last_values=torch.tensor([8.0]),
    ...     terminated=zeros > 0, truncated=zeros > 0, final_values=zeros)
    >>> gae(rollout, gamma=0.5, lam=0.5).flatten().tolist()
    [2.25, 5.0]
    """
    is_end = rollout.terminated | rollout.truncated
    return _backward_sums(td_errors(rollout, gamma=gamma), is_end, decay=gamma * lam)


def td_errors(rollout: Rollout, *, gamma: float) -> Tensor:
    """TD error of each step.

    δ_t = r_t + γ V(s_{t+1}) - V(s_t), [1]_ section 3.

    Parameters
    ----------
    rollout : Rollout
        T steps in N environments.
    gamma : float in [0, 1]
        γ, the discount of one step.

    Returns
    -------
    Tensor of shape (T, N), reward units
        δ_t.

    References
    ----------
    .. [1] J. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage
       Estimation", ICLR 2016, https://arxiv.org/abs/1506.02438.
    """
    return rollout.rewards + gamma * next_values(rollout) - rollout.values


def next_values(rollout: Rollout) -> Tensor:
    """Value of what follows each step.

    V(s_{t+1}) within an episode, 0 after termination, V(final observation) after truncation,
    where s_{t+1} would be the first observation of the next episode.

    Parameters
    ----------
    rollout : Rollout
        T steps in N environments.

    Returns
    -------
    Tensor of shape (T, N), reward units
        The value to bootstrap from.
    """
    following = torch.cat([rollout.values[1:], rollout.last_values[None]])
    following = torch.where(rollout.truncated, rollout.final_values, following)
    return following.masked_fill(rollout.terminated, 0.0)


def _backward_sums(terms: Tensor, is_end: Tensor, *, decay: float) -> Tensor:
    """S_t = terms_t + decay S_{t+1} within an episode, terms_t at its end; all (T, N)."""
    decays = decay * (~is_end).to(terms.dtype)
    total = torch.zeros_like(terms[0])
    totals = []
    for term, decay_t in zip(reversed(terms.unbind()), reversed(decays.unbind()), strict=True):
        total = torch.addcmul(term, decay_t, total)
        totals.append(total)
    return torch.stack(totals[::-1])


def _refuse(name: str, allowed: str, tensor: Tensor) -> None:
    raise ValueError(f"Rollout: {name} must have shape {allowed}, got {tuple(tensor.shape)}.")
