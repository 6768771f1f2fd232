"""Laws of objectives and estimators, in float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence
from torch.testing import assert_close

from rlextras.core import objectives
from tests.oracles import rlextras as oracles

KL_ESTIMATORS = [objectives.kl_k1, objectives.kl_k2, objectives.kl_k3]
CLIP_RANGES = st.floats(0.01, 0.9)


@st.composite
def steps(draw):
    """Log-ratios and advantages of a few steps."""
    size = draw(st.integers(2, 20))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    log_ratio, advantages = torch.randn(2, size, generator=rng, dtype=torch.float64)
    return log_ratio, advantages


@given(steps(), CLIP_RANGES)
def test_surrogate_equals_the_cases_of_the_paper(drawn, clip_range):
    log_ratio, advantages = drawn
    cases = [
        oracles.surrogate_of_one_step(ratio, advantage, clip_range=clip_range)
        for ratio, advantage in zip(log_ratio.exp().tolist(), advantages.tolist(), strict=True)
    ]
    surrogate = objectives.clipped_surrogate(log_ratio, advantages, clip_range=clip_range)
    assert surrogate.item() == pytest.approx(sum(cases) / len(cases), abs=1e-12)


@given(steps(), CLIP_RANGES)
def test_surrogate_gradient_is_zero_where_the_ratio_left_the_clip_region(drawn, clip_range):
    log_ratio, advantages = drawn[0].requires_grad_(), drawn[1]
    objectives.clipped_surrogate(log_ratio, advantages, clip_range=clip_range).backward()
    ratio = log_ratio.detach().exp()
    is_out = torch.where(advantages > 0, ratio > 1 + clip_range, ratio < 1 - clip_range)
    expected = (ratio * advantages / len(ratio)).masked_fill(is_out, 0.0)  # d ρ / d log ρ = ρ
    assert_close(log_ratio.grad, expected)


@given(steps(), CLIP_RANGES)
def test_surrogate_never_exceeds_the_objective_without_clipping(drawn, clip_range):
    log_ratio, advantages = drawn
    surrogate = objectives.clipped_surrogate(log_ratio, advantages, clip_range=clip_range)
    assert surrogate <= (log_ratio.exp() * advantages).mean() + 1e-12


@given(steps())
def test_normalized_advantages_have_mean_0_and_deviation_1_and_keep_their_order(drawn):
    normalized = objectives.normalized(drawn[1])
    assert_close(normalized.mean().item(), 0.0, atol=1e-9, rtol=0)
    assert normalized.std().item() == pytest.approx(1.0, abs=1e-4)  # ε = 1e-8 against std > 1e-4
    assert torch.equal(normalized.argsort(), drawn[1].argsort())


def test_equal_advantages_are_normalised_to_zero():
    assert_close(objectives.normalized(torch.full((5,), 3.0)), torch.zeros(5))


def test_one_advantage_cannot_be_normalised():
    with pytest.raises(ValueError, match="two steps or more, got 1"):
        objectives.normalized(torch.ones(1))


@given(steps())
def test_clipped_value_loss_in_a_wide_range_is_the_plain_loss(drawn):
    values, returns = drawn
    wide = objectives.clipped_value_loss(values, returns, values + 0.1, clip_range=1e6)
    assert_close(wide, objectives.value_loss(values, returns))


@given(steps(), CLIP_RANGES)
def test_clipped_critic_moves_by_the_clip_range_at_most(drawn, clip_range):
    values, returns = drawn
    old_values = torch.zeros_like(values)
    expected = (values.clamp(-clip_range, clip_range) - returns).square().mean()
    loss = objectives.clipped_value_loss(values, returns, old_values, clip_range=clip_range)
    assert_close(loss, expected)


def test_entropy_without_closed_form_is_estimated_from_the_actions():
    log_prob = torch.tensor([-1.0, -3.0])
    assert objectives.entropy_bonus(None, log_prob).item() == 2.0
    assert objectives.entropy_bonus(torch.tensor([0.5, 1.5]), log_prob).item() == 1.0


@pytest.mark.parametrize("estimate", KL_ESTIMATORS)
def test_kl_estimate_of_an_unchanged_policy_is_zero(estimate):
    assert estimate(torch.zeros(7)).item() == 0.0


@given(steps())
def test_k2_and_k3_are_never_negative(drawn):
    assert objectives.kl_k2(drawn[0]) >= 0
    assert objectives.kl_k3(drawn[0]) >= 0


@pytest.mark.parametrize("estimate", [objectives.kl_k1, objectives.kl_k3])
@given(st.integers(0, 2**31))
def test_k1_and_k3_have_the_kl_divergence_as_their_mean(estimate, seed):
    rng = torch.Generator().manual_seed(seed)
    old, new = (Categorical(logits=x) for x in torch.randn(2, 5, generator=rng).double())
    log_ratio = new.logits - old.logits
    mean = sum(p * estimate(x) for p, x in zip(old.probs, log_ratio, strict=True))
    assert_close(mean, kl_divergence(old, new))


def test_k2_has_a_bias_of_third_order():
    def bias(distance):
        logits = torch.tensor([0.3, -0.2, 0.7], dtype=torch.float64)
        old, new = Categorical(logits=logits), Categorical(logits=logits + distance * logits)
        mean = (old.probs * 0.5 * (new.logits - old.logits).square()).sum()
        return (mean - kl_divergence(old, new)).abs().item()

    assert bias(0.01) / bias(0.005) == pytest.approx(2**3, rel=0.05)


def test_k3_keeps_its_digits_near_zero():
    log_ratio = torch.full((1,), 1e-3)  # (e^x - 1) - x = x²/2 + ..., 5e-7 beside terms of 1e-3
    assert objectives.kl_k3(log_ratio).item() == pytest.approx(0.5e-6, rel=1e-2)


def test_clip_fraction_counts_the_steps_outside():
    log_ratio = torch.tensor([0.5, 0.79, 0.81, 1.0, 1.19, 1.21]).log()
    assert objectives.clip_fraction(log_ratio, clip_range=0.2).item() == pytest.approx(0.5)


@given(steps())
def test_explained_variance_is_one_for_truth_and_zero_for_a_constant(drawn):
    targets = drawn[0]
    assert_close(objectives.explained_variance(targets + 3.0, targets).item(), 1.0)
    assert_close(objectives.explained_variance(0 * targets, targets).item(), 0.0)


def test_explained_variance_of_equal_targets_is_unknown():
    assert objectives.explained_variance(torch.randn(4), torch.ones(4)).isnan()


@pytest.mark.parametrize(
    "call",
    [
        lambda a, b: objectives.clipped_surrogate(a, b, clip_range=0.2),
        objectives.value_loss,
        objectives.explained_variance,
        lambda a, b: objectives.clipped_value_loss(a, a, b, clip_range=0.2),
    ],
)
def test_shapes_that_would_broadcast_are_refused(call):
    with pytest.raises(ValueError, match=r"must have the shape of .*, \(4,\), got \(4, 1\)"):
        call(torch.zeros(4), torch.zeros(4, 1))
