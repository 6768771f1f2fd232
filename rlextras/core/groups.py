"""What an episode was worth beside the others of its group: advantages without a critic.

G episodes that began in the same state, and had the same policy, differ by chance alone, so that
their mean return estimates the value of that state. The rows of M episodes stand one episode after
the other; episodes of a group stand side by side, G at a time.
"""

import torch
from torch import Tensor

SCALES = ("group", "batch", "none")
EPSILON = 1e-8
"""What is added to a standard deviation, in units of the returns."""


def outcome_advantages(returns: Tensor, *, group_size: int, scale: str) -> Tensor:
    """Advantage of each episode over its group.

    Â_i = (R_i - mean R) / std R over the group of i: outcome supervision, section 4.1.2 of [1]_.
    Without the division it is that of Dr. GRPO [2]_.

    Parameters
    ----------
    returns : Tensor of shape (M,), reward units
        R, undiscounted; M is a multiple of G.
    group_size : int
        G, at least 2.
    scale : {"group", "batch", "none"}
        Whose unbiased standard deviation to divide by: the group's own, that of all M returns, or
        none.

    Returns
    -------
    Tensor of shape (M,), dimensionless or in reward units
        Sums to 0 in each group, and is 0 in a group whose returns are all equal.

    Raises
    ------
    ValueError
        If G is below 2, does not divide M, or the scale is unknown.

    References
    ----------
    .. [1] Z. Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open
       Language Models", 2024, https://arxiv.org/abs/2402.03300.
    .. [2] Z. Liu et al., "Understanding R1-Zero-Like Training: A Critical Perspective", 2025,
       https://arxiv.org/abs/2503.20783.

    Examples
    --------
    >>> returns = torch.tensor([0.0, 2.0, 5.0, 5.0])
    >>> outcome_advantages(returns, group_size=2, scale="none").tolist()
    [-1.0, 1.0, 0.0, 0.0]
    """
    n_groups = _n_groups("outcome_advantages", returns, group_size)
    _check_scale("outcome_advantages", scale)
    group = torch.arange(n_groups, device=returns.device).repeat_interleave(group_size)
    return _standardized(returns, group, n_groups, scale)


def discounted_sums(rewards: Tensor, lengths: Tensor, *, gamma: float) -> Tensor:
    """Discounted return of each step, to the end of its episode.

    G_t = r_t + γ G_{t+1}, and G_t = r_t in the last step ([1]_, section 3.3).

    Parameters
    ----------
    rewards : Tensor of shape (B,), reward units
        r, one episode after the other.
    lengths : LongTensor of shape (M,)
        Steps of each episode, at least 1; they sum to B.
    gamma : float in [0, 1]
        γ.

    Returns
    -------
    Tensor of shape (B,), reward units
        G. Nothing is known of what follows a time limit, so nothing is added for it.

    References
    ----------
    .. [1] R. S. Sutton, A. G. Barto, "Reinforcement Learning: An Introduction", 2nd ed., 2018.

    Examples
    --------
    >>> discounted_sums(torch.ones(3), torch.tensor([2, 1]), gamma=0.5).tolist()
    [1.5, 1.0, 1.0]
    """
    is_step = torch.arange(int(lengths.max()), device=lengths.device) < lengths[:, None]  # (M, T)
    table = rewards.new_zeros(is_step.shape)
    table[is_step] = rewards
    total = torch.zeros_like(table[:, 0])
    for column in reversed(table.unbind(dim=1)):  # behind its end an episode has zeros
        total = column + gamma * total
        column.copy_(total)
    return table[is_step]


def return_to_go_advantages(
    rewards: Tensor, lengths: Tensor, *, group_size: int, scale: str, gamma: float
) -> Tensor:
    """Advantage of each step over all steps of its group, by discounted return to go.

    Â_t = (G_t - mean G) / std G, over the steps of the group: what came before a step says nothing
    about it, so that it is left out, as in REINFORCE with a baseline ([1]_, section 13.4).

    Parameters
    ----------
    rewards : Tensor of shape (B,), reward units
        r, one episode after the other.
    lengths : LongTensor of shape (M,)
        Steps of each episode.
    group_size : int
        G, at least 2.
    scale : {"group", "batch", "none"}
        Whose unbiased standard deviation to divide by.
    gamma : float in [0, 1]
        γ.

    Returns
    -------
    Tensor of shape (B,), dimensionless or in reward units
        Sums to 0 over the steps of each group.

    Raises
    ------
    ValueError
        If G is below 2, does not divide M, or the scale is unknown.

    References
    ----------
    .. [1] R. S. Sutton, A. G. Barto, "Reinforcement Learning: An Introduction", 2nd ed., 2018.
    """
    group, n_groups = _group_of_steps("return_to_go_advantages", lengths, group_size)
    _check_scale("return_to_go_advantages", scale)
    sums = discounted_sums(rewards, lengths, gamma=gamma)
    return _standardized(sums, group, n_groups, scale)


def process_advantages(rewards: Tensor, lengths: Tensor, *, group_size: int, scale: str) -> Tensor:
    """Sum, from each step on, of rewards relative to all rewards of the group.

    Â_t = Σ_{k≥t} (r_k - mean r) / std r: process supervision, section 4.1.3 of [1]_. The sum is
    not discounted.

    Parameters
    ----------
    rewards : Tensor of shape (B,), reward units
        r, one episode after the other.
    lengths : LongTensor of shape (M,)
        Steps of each episode.
    group_size : int
        G, at least 2.
    scale : {"group", "batch", "none"}
        Whose unbiased standard deviation to divide by.

    Returns
    -------
    Tensor of shape (B,), dimensionless or in reward units
        The first ones of the episodes of a group sum to 0.

    Raises
    ------
    ValueError
        If G is below 2, does not divide M, or the scale is unknown.

    References
    ----------
    .. [1] Z. Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open
       Language Models", 2024, https://arxiv.org/abs/2402.03300.
    """
    group, n_groups = _group_of_steps("process_advantages", lengths, group_size)
    _check_scale("process_advantages", scale)
    relative = _standardized(rewards, group, n_groups, scale)
    return discounted_sums(relative, lengths, gamma=1.0)


def soft_baseline(returns: Tensor, *, group_size: int, tau: float) -> Tensor:
    """Soft maximum of the returns of each group, the baseline of mirror descent.

    τ log Z ≈ τ log mean_j exp(R_j / τ), section 2.3.2 of [1]_. It is the mean for large τ and the
    maximum for small τ.

    Parameters
    ----------
    returns : Tensor of shape (M,), reward units
        R.
    group_size : int
        G, at least 2.
    tau : float > 0, reward units
        τ.

    Returns
    -------
    Tensor of shape (M,), reward units
        The same number for all members of a group.

    Raises
    ------
    ValueError
        If G is below 2 or does not divide M.

    References
    ----------
    .. [1] Kimi Team, "Kimi k1.5: Scaling Reinforcement Learning with LLMs", 2025,
       https://arxiv.org/abs/2501.12599.
    """
    n_groups = _n_groups("soft_baseline", returns, group_size)
    grouped = returns.view(n_groups, group_size) / tau
    size = returns.new_tensor(float(group_size))
    soft = tau * (grouped.logsumexp(dim=1) - size.log())
    return soft.repeat_interleave(group_size)


def length_rewards(lengths: Tensor, is_right: Tensor, *, group_size: int) -> Tensor:
    """Reward for short right answers beside those of the same group.

    λ_i = 0.5 - (l_i - min l) / (max l - min l) where the answer is right, and min(0, λ_i) where it
    is not: section 2.3.3 of [1]_.

    Parameters
    ----------
    lengths : LongTensor of shape (M,)
        l, steps of each episode.
    is_right : BoolTensor of shape (M,)
        Whether it reached its goal.
    group_size : int
        G, at least 2.

    Returns
    -------
    Tensor of shape (M,), in [-0.5, 0.5]
        λ; 0 in a group whose episodes are all equally long.

    Raises
    ------
    ValueError
        If G is below 2 or does not divide M.

    References
    ----------
    .. [1] Kimi Team, "Kimi k1.5: Scaling Reinforcement Learning with LLMs", 2025,
       https://arxiv.org/abs/2501.12599.
    """
    n_groups = _n_groups("length_rewards", lengths, group_size)
    grouped = lengths.view(n_groups, group_size).to(torch.float32)
    shortest, longest = grouped.amin(1, keepdim=True), grouped.amax(1, keepdim=True)
    spread = (longest - shortest).clamp(min=1.0)  # lengths are whole: 0 or at least 1
    reward = torch.where(longest > shortest, 0.5 - (grouped - shortest) / spread, 0.0).view(-1)
    return torch.where(is_right, reward, reward.clamp(max=0.0))


def _standardized(values: Tensor, group: Tensor, n_groups: int, scale: str) -> Tensor:
    """Values minus the mean of their group, divided by a standard deviation."""
    exact = values.double()
    sizes = torch.zeros(n_groups, dtype=exact.dtype, device=exact.device)
    ones = torch.ones_like(exact)
    sizes = sizes.index_add(0, group, ones)
    means = torch.zeros_like(sizes).index_add(0, group, exact) / sizes
    centred = exact - means[group]
    largest = torch.full_like(sizes, -torch.inf).scatter_reduce(0, group, exact, "amax")
    smallest = torch.full_like(sizes, torch.inf).scatter_reduce(0, group, exact, "amin")
    is_level = largest == smallest  # rounding in the mean is not an advantage
    centred = torch.where(is_level[group], 0.0, centred)
    if scale == "group":
        squares = torch.zeros_like(sizes).index_add(0, group, centred.square())
        deviations = (squares / (sizes - 1).clamp(min=1)).sqrt() + EPSILON
        centred = centred / deviations[group]
    elif scale == "batch" and len(exact) > 1:
        centred = centred / (exact.std() + EPSILON)
    return centred.to(values.dtype)


def _group_of_steps(owner: str, lengths: Tensor, group_size: int) -> tuple[Tensor, int]:
    """Group of each of B steps, and how many groups there are."""
    n_groups = _n_groups(owner, lengths, group_size)
    groups = torch.arange(n_groups, device=lengths.device).repeat_interleave(group_size)
    return groups.repeat_interleave(lengths), n_groups


def _n_groups(owner: str, episodes: Tensor, group_size: int) -> int:
    """How many groups M episodes make."""
    if group_size < 2:
        raise ValueError(
            f"{owner}: group_size must be 2 or more, got {group_size}. One episode alone is its "
            "own mean: its advantage is 0."
        )
    if len(episodes) % group_size:
        raise ValueError(
            f"{owner}: the number of episodes must be a multiple of group_size = {group_size}, "
            f"got {len(episodes)}. Leave no group unfinished."
        )
    return len(episodes) // group_size


def _check_scale(owner: str, scale: str) -> None:
    if scale not in SCALES:
        allowed = ", ".join(map(repr, SCALES))
        raise ValueError(f"{owner}: scale must be one of {allowed}, got {scale!r}.")
