"""Advantages of groups beside loops over their members."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from rlextras.core import groups
from tests.oracles import rlextras_groups as oracles

SCALES = st.sampled_from(groups.SCALES)
LAW = settings(deadline=None, max_examples=40)
CLOSE = {"atol": 1e-9, "rtol": 1e-6}  # float64; the figure to reach is 1e-6


@st.composite
def rollouts(draw):
    """Rewards and lengths of a few groups; some groups have equal rewards."""
    group_size, n_groups = draw(st.integers(2, 5)), draw(st.integers(1, 4))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    lengths = torch.randint(1, 6, (group_size * n_groups,), generator=rng)
    scale = 10.0 ** draw(st.integers(-6, 6))
    rewards = scale * torch.randn(int(lengths.sum()), generator=rng, dtype=torch.float64)
    if draw(st.booleans()):
        rewards[: lengths[:group_size].sum()] = 0.1
    return rewards, lengths, group_size


def returns_of(rewards, lengths):
    return torch.tensor([sum(each) for each in oracles.split(rewards.tolist(), lengths.tolist())])


@LAW
@given(rollouts(), SCALES)
def test_outcome_advantages_are_those_of_the_loop(drawn, scale):
    rewards, lengths, group_size = drawn
    returns = returns_of(rewards, lengths).double()
    found = groups.outcome_advantages(returns, group_size=group_size, scale=scale)
    expected = oracles.outcome(returns.tolist(), group_size, scale)
    assert_close(found, torch.tensor(expected, dtype=torch.float64), **CLOSE)


@LAW
@given(rollouts(), SCALES)
def test_outcome_advantages_of_a_group_sum_to_zero(drawn, scale):
    rewards, lengths, group_size = drawn
    returns = returns_of(rewards, lengths).double()
    found = groups.outcome_advantages(returns, group_size=group_size, scale=scale)
    sums = found.view(-1, group_size).sum(dim=1)
    assert_close(sums, torch.zeros_like(sums), atol=1e-9 * (1 + found.abs().max().item()), rtol=0)


@LAW
@given(rollouts(), SCALES, st.floats(0, 1))
def test_return_to_go_is_that_of_the_loop_and_sums_to_zero_over_a_group(drawn, scale, gamma):
    rewards, lengths, group_size = drawn
    how = {"group_size": group_size, "scale": scale, "gamma": gamma}
    found = groups.return_to_go_advantages(rewards, lengths, **how)
    expected = oracles.return_to_go(rewards.tolist(), lengths.tolist(), group_size, scale, gamma)
    size = 1 + found.abs().max().item()
    # What is equal but for rounding in the last digit is told apart by neither rule exactly.
    assert_close(
        found / size, torch.tensor(expected, dtype=torch.float64) / size, atol=1e-6, rtol=0
    )
    of_groups = lengths.view(-1, group_size).sum(dim=1).tolist()
    for steps in found.split(of_groups):
        assert abs(steps.sum().item()) <= 1e-8 * size * len(steps)


@LAW
@given(rollouts(), SCALES)
def test_process_advantages_are_those_of_the_loop(drawn, scale):
    rewards, lengths, group_size = drawn
    found = groups.process_advantages(rewards, lengths, group_size=group_size, scale=scale)
    expected = oracles.process(rewards.tolist(), lengths.tolist(), group_size, scale)
    assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=1e-6)


@LAW
@given(rollouts(), st.floats(0, 1))
def test_discounted_sums_run_to_the_end_of_their_episode(drawn, gamma):
    rewards, lengths, _ = drawn
    expected = [
        each
        for episode in oracles.split(rewards.tolist(), lengths.tolist())
        for each in oracles.to_go(episode, gamma)
    ]
    found = groups.discounted_sums(rewards, lengths, gamma=gamma)
    assert_close(found, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e8])
@pytest.mark.parametrize("scale", groups.SCALES)
def test_a_group_with_equal_returns_has_no_advantage(value, scale):
    found = groups.outcome_advantages(torch.full((7,), value), group_size=7, scale=scale)
    assert torch.equal(found, torch.zeros(7))


def test_a_group_with_tiny_differences_has_advantages_of_order_one():
    returns = 5.0 + 1e-6 * torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    found = groups.outcome_advantages(returns, group_size=3, scale="group")
    assert_close(found, torch.tensor([-1.0, 0.0, 1.0]).double(), atol=0.02, rtol=0)


@pytest.mark.parametrize("size", [0, 1])
def test_groups_of_one_are_refused(size):
    with pytest.raises(ValueError, match=f"group_size must be 2 or more, got {size}"):
        groups.outcome_advantages(torch.ones(4), group_size=size, scale="group")


def test_unfinished_groups_are_refused():
    with pytest.raises(ValueError, match="must be a multiple of group_size = 3, got 4"):
        groups.outcome_advantages(torch.ones(4), group_size=3, scale="group")
    with pytest.raises(ValueError, match="scale must be one of 'group', 'batch', 'none', got 'x'"):
        groups.outcome_advantages(torch.ones(4), group_size=2, scale="x")


@LAW
@given(st.integers(0, 2**31), st.floats(0.05, 5))
def test_the_soft_baseline_lies_between_mean_and_maximum(seed, tau):
    rng = torch.Generator().manual_seed(seed)
    returns = torch.randn(12, generator=rng, dtype=torch.float64)
    soft = groups.soft_baseline(returns, group_size=4, tau=tau).view(3, 4)
    expected = tau * (returns.view(3, 4) / tau).exp().mean(dim=1).log()
    assert_close(soft, expected[:, None].expand(3, 4))
    assert (soft[:, 0] >= returns.view(3, 4).mean(dim=1) - 1e-9).all()
    assert (soft[:, 0] <= returns.view(3, 4).amax(dim=1) + 1e-9).all()


@LAW
@given(
    st.lists(st.integers(1, 9), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_length_rewards_are_those_of_the_paper(lengths, is_right):
    found = groups.length_rewards(torch.tensor(lengths), torch.tensor(is_right), group_size=4)
    assert found.tolist() == pytest.approx(oracles.length_reward(lengths, is_right), abs=1e-6)
