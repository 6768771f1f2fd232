"""Laws of returns and advantages, against sums written out step by step, in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from rlextras.core.returns import Rollout, discounted_returns, gae, next_values, td_errors
from tests.oracles import rlextras as oracles

# Sums of at most 12 terms below 1e3 in float64: rounding stays under 1e-12 of the result's scale.
EXACT = {"atol": 1e-10, "rtol": 1e-12}
SHARES = st.floats(0, 1)


@st.composite
def rollouts(draw):
    """Random steps with random ends; unused final values are NaN, so that using them shows."""
    n_steps, n_envs = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    rewards, values, final_values = torch.randn(
        3, n_steps, n_envs, generator=rng, dtype=torch.float64
    )
    terminated, truncated = torch.rand(2, n_steps, n_envs, generator=rng) < draw(SHARES) / 2
    return Rollout(
        rewards=rewards,
        values=values,
        last_values=torch.randn(n_envs, generator=rng, dtype=torch.float64),
        terminated=terminated,
        truncated=truncated,
        final_values=final_values.masked_fill(~truncated, torch.nan),
    )


def one_step(*, terminated=False, truncated=False):
    """Reward 1, V(s_0) = 10, V(s_1) = 100, V(final observation) = 1000."""
    return Rollout(
        rewards=torch.tensor([[1.0]]),
        values=torch.tensor([[10.0]]),
        last_values=torch.tensor([100.0]),
        terminated=torch.tensor([[terminated]]),
        truncated=torch.tensor([[truncated]]),
        final_values=torch.tensor([[1000.0]]),
    )


@settings(deadline=None)
@given(rollouts(), SHARES, SHARES)
def test_gae_equals_the_double_sum(rollout, gamma, lam):
    expected = oracles.gae_double_sum(rollout, gamma=gamma, lam=lam)
    assert_close(gae(rollout, gamma=gamma, lam=lam), expected, **EXACT)


@settings(deadline=None)
@given(rollouts(), SHARES)
def test_returns_equal_the_discounted_sum(rollout, gamma):
    expected = oracles.discounted_sums(rollout, gamma=gamma)
    assert_close(discounted_returns(rollout, gamma=gamma), expected, **EXACT)


@settings(deadline=None)
@given(rollouts(), SHARES)
def test_lambda_one_is_monte_carlo_with_bootstrap(rollout, gamma):
    expected = oracles.discounted_sums(rollout, gamma=gamma) - rollout.values
    assert_close(gae(rollout, gamma=gamma, lam=1.0), expected, **EXACT)


@settings(deadline=None)
@given(rollouts(), SHARES)
def test_lambda_zero_is_the_td_error(rollout, gamma):
    assert_close(gae(rollout, gamma=gamma, lam=0.0), td_errors(rollout, gamma=gamma), **EXACT)


@settings(deadline=None)
@given(rollouts(), SHARES, SHARES)
def test_environments_do_not_see_one_another(rollout, gamma, lam):
    together = gae(rollout, gamma=gamma, lam=lam)
    first = Rollout(**{name: value[..., :1].clone() for name, value in vars(rollout).items()})
    assert_close(gae(first, gamma=gamma, lam=lam), together[:, :1], **EXACT)


@settings(deadline=None)
@given(rollouts(), SHARES, SHARES)
def test_nothing_given_is_changed(rollout, gamma, lam):
    before = {name: value.clone() for name, value in vars(rollout).items()}
    gae(rollout, gamma=gamma, lam=lam)
    discounted_returns(rollout, gamma=gamma)
    assert_close(vars(rollout), before, equal_nan=True, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ({}, 100.0),
        ({"truncated": True}, 1000.0),
        ({"terminated": True}, 0.0),
        ({"terminated": True, "truncated": True}, 0.0),
    ],
    ids=["goes on", "truncated", "terminated", "both"],
)
def test_truncation_is_not_termination(ends, expected):
    assert next_values(one_step(**ends)).item() == expected


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("rewards", torch.zeros(3)),
        ("rewards", torch.zeros(0, 1)),
        ("values", torch.zeros(1, 2)),
        ("terminated", torch.zeros(2, 1)),
        ("last_values", torch.zeros(1, 1)),
    ],
)
def test_a_shape_that_does_not_fit_is_named(name, wrong):
    fields = vars(one_step()) | {name: wrong}
    with pytest.raises(ValueError, match=rf"^Rollout: {name} must have shape .*, got \("):
        Rollout(**fields)
