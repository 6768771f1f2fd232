"""Laws of the objectives without a critic, in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence
from torch.testing import assert_close

from rlextras.core import critic_free
from rlextras.core.groups import outcome_advantages, soft_baseline
from rlextras.core.objectives import clipped_surrogate

LAW = settings(deadline=None, max_examples=40)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


SEEDS = st.integers(0, 2**31)


@LAW
@given(SEEDS, st.floats(0.05, 0.9))
def test_equal_bounds_are_ppos_clipping(seed, clip_range):
    log_ratio, advantages = drawn(seed, 2, 9)
    found = critic_free.surrogate_terms(
        log_ratio, advantages, clip_range=clip_range, clip_range_high=clip_range
    )
    assert_close(found.mean(), clipped_surrogate(log_ratio, advantages, clip_range=clip_range))


def test_each_bound_holds_on_its_own_side():
    log_ratio = torch.tensor([0.5, 0.75, 1.25, 1.5]).double().log()
    for sign, expected in ((1.0, [0.5, 0.75, 1.25, 1.28]), (-1.0, [-0.8, -0.8, -1.25, -1.5])):
        terms = critic_free.surrogate_terms(
            log_ratio, sign * torch.ones(4).double(), clip_range=0.2, clip_range_high=0.28
        )
        assert terms.tolist() == pytest.approx(expected)


@LAW
@given(SEEDS)
def test_the_ratio_of_a_sequence_is_the_geometric_mean_of_its_steps(seed):
    log_ratio, lengths = drawn(seed, 6), [1, 2, 3]
    episode = torch.tensor([0, 1, 1, 2, 2, 2])
    found = critic_free.sequence_log_ratio(log_ratio, episode, 3)
    parts = log_ratio.split(lengths)
    expected = torch.cat([part.mean().expand(len(part)) for part in parts])
    assert_close(found, expected)


@LAW
@given(SEEDS, st.integers(2, 6))
def test_with_one_start_and_one_epoch_the_gradient_is_reinforce_with_a_group_baseline(seed, size):
    logits = drawn(seed, 4).requires_grad_()
    actions = torch.randint(4, (size,), generator=torch.Generator().manual_seed(seed))
    returns = drawn(seed + 1, size)
    log_prob = Categorical(logits=logits).log_prob(actions)
    advantages = outcome_advantages(returns, group_size=size, scale="none")
    terms = critic_free.surrogate_terms(
        log_prob - log_prob.detach(), advantages, clip_range=0.2, clip_range_high=0.2
    )
    [found] = torch.autograd.grad(terms.mean(), logits, retain_graph=True)
    reinforce = ((returns - returns.mean()) * log_prob).mean()
    [expected] = torch.autograd.grad(reinforce, logits)
    assert_close(found, expected, atol=1e-12, rtol=1e-9)


@LAW
@given(SEEDS, st.floats(0.2, 3.0))
def test_the_fixed_point_of_mirror_descent_on_a_bandit_is_the_closed_form(seed, tau):
    # Each arm once, from the uniform policy, is the exact expectation over it.
    returns = drawn(seed, 5)
    old = torch.full((5,), 0.2, dtype=torch.float64).log()
    advantages = returns - soft_baseline(returns, group_size=5, tau=tau)
    expected = (returns / tau).softmax(dim=0)  # π_i exp(r/τ) / Z
    logits = expected.log().clone().requires_grad_()
    ones = torch.ones(5).double()

    def loss_of(logits):
        log_ratio = logits.log_softmax(dim=0) - old
        return critic_free.mirror_descent_loss(log_ratio, advantages, ones, tau=tau)

    loss = loss_of(logits)
    [gradient] = torch.autograd.grad(loss, logits)
    assert_close(gradient, torch.zeros(5).double(), atol=1e-10, rtol=0)
    for direction in drawn(seed + 1, 8, 5):  # and it is the minimum
        assert loss_of(logits + 0.1 * direction) >= loss - 1e-12


def test_mirror_descent_arrives_there_by_gradient_steps():
    returns, tau = torch.tensor([0.0, 0.5, 2.0]).double(), 0.7
    logits = torch.zeros(3).double().requires_grad_()
    advantages = returns - soft_baseline(returns, group_size=3, tau=tau)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(600):
        log_ratio = logits.log_softmax(dim=0) - math.log(1 / 3)
        loss = critic_free.mirror_descent_loss(
            log_ratio, advantages, torch.ones(3).double(), tau=tau
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert_close(logits.softmax(dim=0).detach(), (returns / tau).softmax(dim=0), atol=1e-4, rtol=0)


@LAW
@pytest.mark.parametrize("estimator", ["k1", "k3"])
@given(SEEDS)
def test_k1_and_k3_have_the_divergence_from_the_reference_as_their_mean(estimator, seed):
    policy, reference = (Categorical(logits=each) for each in drawn(seed, 2, 6))
    terms = critic_free.reference_divergence(policy.logits, reference.logits, estimator=estimator)
    assert_close((policy.probs * terms).sum(), kl_divergence(policy, reference))


@LAW
@given(SEEDS)
def test_the_mean_gradient_of_k2_is_that_of_the_divergence(seed):
    logits, reference = drawn(seed, 2, 6)
    logits = logits.requires_grad_()
    policy, other = Categorical(logits=logits), Categorical(logits=reference)
    terms = critic_free.reference_divergence(policy.logits, other.logits, estimator="k2")
    [found] = torch.autograd.grad((policy.probs.detach() * terms).sum(), logits, retain_graph=True)
    [expected] = torch.autograd.grad(kl_divergence(policy, other), logits)
    assert_close(found, expected)


@LAW
@given(SEEDS)
def test_k2_and_k3_are_never_negative(seed):
    log_prob, reference = drawn(seed, 2, 20)
    for estimator in ("k2", "k3"):
        terms = critic_free.reference_divergence(log_prob, reference, estimator=estimator)
        assert (terms >= 0).all()
