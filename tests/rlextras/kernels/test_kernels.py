"""Every kernel beside its twin, on random networks and data."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import kl_divergence
from torch.testing import assert_close

from rlextras.core.returns import Rollout, gae
from rlextras.kernels.acting import act as act_in_room
from rlextras.kernels.acting import columns
from rlextras.kernels.clipped import epoch
from rlextras.kernels.natural import CHUNK, ascent, fisher_product, weigh
from rlextras.kernels.network import workspace
from rlextras.kernels.plan import (
    ACTIONS,
    CATEGORICAL,
    GAUSSIAN,
    TANH,
    VALUES,
    Layer,
    noise_size,
    plan,
)
from rlextras.kernels.returns import estimate
from tests.oracles.rlextras_kernels import Twin, ppo_loss
from tests.rlextras.kernels.networks import HEADS, SLOPE, made, networks, rollout

CLOSE = {"atol": 2e-5, "rtol": 2e-5}  # float32, sums of at most a few hundred terms
NO_NOISE = np.empty(0, np.float32)


def act(theta, table, observations, noise, out, asked):
    """Act in room that holds NaN where nothing was computed yet."""
    ld = columns(len(observations))
    room = np.full(workspace(table, ld).size, np.nan, np.float32)
    act_in_room(theta, table, observations, noise, out, room, ld, asked)


def split(table, rows):
    """Observations, actions and the four columns behind them."""
    n_in, n_parts = int(table[1, 0]), int(table[0, 1])
    rows = torch.from_numpy(rows)
    return (rows[:, :n_in], rows[:, n_in : n_in + n_parts], *rows[:, n_in + n_parts :].T)


@settings(deadline=None)
@given(networks(), st.sampled_from([1, 3, 7, 16, 65, 200]))
def test_actions_values_and_log_probabilities_are_the_twins(network, n):
    table, theta, rng = network
    observations = rng.standard_normal((n, table[1, 0])).astype(np.float32)
    noise = rng.exponential(size=n * noise_size(table)).astype(np.float32)
    if table[0, 0] != CATEGORICAL:
        noise = rng.random(n * noise_size(table)).astype(np.float32)
    twin, n_parts = Twin(theta, table, SLOPE), int(table[0, 1])
    x = torch.from_numpy(observations)
    for given_noise in (noise, NO_NOISE):
        out = np.full((n, n_parts + 2), np.nan, np.float32)
        act(theta, table, observations, given_noise, out, ACTIONS + VALUES)
        with torch.no_grad():
            log_prob = twin.log_prob(x, torch.from_numpy(out[:, :n_parts]))
            assert_close(torch.from_numpy(out[:, n_parts]), twin.values(x), **CLOSE)
        assert_close(torch.from_numpy(out[:, -1]), log_prob, **CLOSE)
        alone = np.empty((n, n_parts), np.float32)
        act(theta, table, observations, given_noise, alone, ACTIONS)
        assert np.array_equal(alone, out[:, :n_parts])
    values = np.empty((n, 1), np.float32)
    act(theta, table, observations, NO_NOISE, values, VALUES)
    assert np.array_equal(values[:, 0], out[:, n_parts])


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_actions_are_drawn_with_their_probabilities(head):
    table, theta, rng = made(head, [8], 1, 3, seed=0)
    n = 20_000
    observations = np.tile(rng.standard_normal((1, 3)).astype(np.float32), (n, 1))
    draw = {0: rng.exponential, 1: rng.random, 2: rng.standard_normal}[head[0]]
    noise = draw(size=n * noise_size(table)).astype(np.float32)
    out = np.empty((n, len(head[1])), np.float32)
    act(theta, table, observations, noise, out, ACTIONS)
    with torch.no_grad():
        parts = Twin(theta, table, SLOPE).distributions(torch.from_numpy(observations[:1]))
    if head[0] == CATEGORICAL:
        means = [(part.probs * torch.arange(part.probs.shape[1])).sum() for part in parts]
        expected = torch.stack(means)
    else:
        expected = parts[0].mean[0]
    # Standard deviations of the mean are at most 2 / √20000 = 0.014; four of them.
    assert_close(torch.from_numpy(out.mean(axis=0)), expected, atol=0.057, rtol=0)


@settings(deadline=None, max_examples=40)
@given(networks(), st.sampled_from([8, 13, 48]))
def test_a_step_goes_down_the_twins_gradient(network, size):
    table, theta, rng = network
    rows = rollout(table, rng, 48)
    twin = Twin(theta, table, SLOPE)
    observations, actions, *_ = split(table, rows)
    with torch.no_grad():
        rows[:, -2] = (twin.log_prob(observations, actions) + 0.1).numpy()
    batch = [each[:size] for each in split(table, rows)]
    options = {"clip_range": 0.3, "clip_range_vf": 0.7, "ent_coef": 0.1, "vf_coef": 0.4}
    ppo_loss(twin, batch, **options).backward()
    memory = np.zeros((4, theta.size), np.float32)
    memory[0] = theta
    told = epoch(memory, table, rows[:size], np.arange(size), numbers(size, **options))
    scale = 1 + twin.theta.grad.abs().max()
    assert_close(torch.from_numpy(memory[1]) / scale, twin.theta.grad / scale, **CLOSE)
    assert len(told) == 1


def test_tanh_is_exact_to_three_last_digits():
    table = plan([Layer(n_in=1, n_out=1, activation=TANH)], [], kind=GAUSSIAN, sizes=[1])
    theta = np.array([0, 1, 0], np.float32)  # log σ, then the layer, which hands on its input
    sizes = np.concatenate([np.linspace(0, 12, 50_001), np.logspace(-30, 1, 10_001)])
    x = np.concatenate([sizes, -sizes, [np.nan, np.inf, -np.inf]]).astype(np.float32)
    out = np.empty((len(x), 1), np.float32)
    act(theta, table, x[:, None], NO_NOISE, out, ACTIONS)
    expected = np.tanh(x.astype(float))
    apart = np.abs(out[:, 0] - expected) / np.spacing(np.abs(expected).astype(np.float32))
    assert np.nanmax(apart) <= 3
    assert np.array_equal(np.isnan(out[:, 0]), np.isnan(x))
    assert np.nanmax(np.abs(out)) == 1


def numbers(size, *, clip_range, clip_range_vf, ent_coef, vf_coef, max_norm=np.inf):
    """Settings of an epoch."""
    adam = [3e-4, 0.9, 0.999, 1e-5, 0.0, max_norm]
    return np.array([*adam, size, clip_range, clip_range_vf, ent_coef, vf_coef, np.inf, True, True])


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_parameters_after_160_minibatches_are_torchs(head):
    table, theta, rng = made(head, [32, 32], 1, 5, seed=1)
    theta *= 0.3
    rows = rollout(table, rng, 1024)
    twin = Twin(theta, table, SLOPE)
    observations, actions, *_ = split(table, rows)
    with torch.no_grad():
        rows[:, -2] = twin.log_prob(observations, actions).numpy()
        rows[:, -1] = twin.values(observations).numpy()
    options = {"clip_range": 0.2, "clip_range_vf": 0.5, "ent_coef": 0.01, "vf_coef": 0.5}
    memory = np.zeros((4, theta.size), np.float32)
    memory[0] = theta
    changing = numbers(64, **options, max_norm=0.5)
    adam = torch.optim.Adam([twin.theta], lr=3e-4, eps=1e-5)
    for _ in range(10):
        order = rng.permutation(len(rows))
        epoch(memory, table, rows, order, changing)
        for start in range(0, len(rows), 64):
            adam.zero_grad()
            batch = split(table, rows[order[start : start + 64]])
            ppo_loss(twin, batch, **options).backward()
            torch.nn.utils.clip_grad_norm_([twin.theta], 0.5)
            adam.step()
    assert changing[4] == 160
    assert np.abs(memory[0] - theta).max() > 1e-2
    assert_close(torch.from_numpy(memory[0]), twin.theta.detach(), atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=40)
@given(networks(), st.sampled_from([3, 128, 150]))
def test_the_natural_step_has_the_twins_derivatives(network, n):
    table, theta, rng = network
    rows = rollout(table, rng, n)
    observations, actions, advantages, _, old_log_prob, _ = split(table, rows)
    twin = Twin(theta, table, SLOPE)
    rows[:, -2] = twin.log_prob(observations, actions).detach().numpy()
    old_log_prob = torch.from_numpy(rows[:, -2].copy())
    n_actor = int(table[1 + table[0, 3], 2])

    objective = ((twin.log_prob(observations, actions) - old_log_prob).exp() * advantages).mean()
    (expected,) = torch.autograd.grad(objective, twin.theta)
    gradient = np.empty(n_actor, np.float32)
    memory, room = np.concatenate([theta, np.full_like(theta, np.nan)]), workspace(table, CHUNK, 2)
    ascent(memory, table, rows, room, gradient)
    scale = 1 + expected.abs().max()
    # The ratio is e to a difference of log-probabilities, whose last digits weigh by their size.
    digits = 2e-5 + 8 * np.finfo(np.float32).eps * float(old_log_prob.abs().max())
    close = {"atol": digits, "rtol": digits}
    assert_close(torch.from_numpy(gradient) / scale, expected[:n_actor] / scale, **close)

    direction = rng.standard_normal(n_actor).astype(np.float32)
    product = np.empty(n_actor, np.float32)
    fisher_product(memory, table, rows, room, direction, product)
    expected = fisher_by_autograd(twin, theta, table, observations, direction)
    scale = 1 + expected.abs().max()
    assert_close(torch.from_numpy(product) / scale, expected / scale, **CLOSE)


def fisher_by_autograd(twin, theta, table, observations, direction):
    """The second derivative of the divergence from a fixed copy, times a direction."""
    fixed = Twin(theta, table, SLOPE).distributions(observations)
    new = twin.distributions(observations)
    old = [_detached(part) for part in fixed]
    divergence = sum(kl_divergence(a, b) for a, b in zip(old, new, strict=True)).mean()
    (slope,) = torch.autograd.grad(divergence, twin.theta, create_graph=True)
    along = (slope[: len(direction)] * torch.from_numpy(direction)).sum()
    (product,) = torch.autograd.grad(along, twin.theta)
    return product[: len(direction)]


def _detached(part):
    inner = getattr(part, "base_dist", part)
    if hasattr(inner, "loc"):
        made = type(inner)(inner.loc.detach(), inner.scale.detach())
    else:
        made = type(inner)(logits=inner.logits.detach())
    return made if inner is part else type(part)(made, 1)


@settings(deadline=None, max_examples=40)
@given(networks())
def test_objective_and_divergence_are_the_twins(network):
    table, theta, rng = network
    rows = rollout(table, rng, 140)
    observations, actions, advantages, *_ = split(table, rows)
    before = Twin(theta, table, SLOPE)
    rows[:, -2] = before.log_prob(observations, actions).detach().numpy()
    n_out = int(table[table[0, 3], 1])
    old = np.empty((len(rows), n_out + int(table[0, 1])), np.float32)
    room = workspace(table, CHUNK)
    assert weigh(theta, table, rows, room, old, True) == pytest.approx(
        (advantages.mean().item(), 0), abs=1e-5
    )

    moved = theta + 0.01 * rng.standard_normal(theta.size).astype(np.float32)
    after = Twin(moved, table, SLOPE)
    with torch.no_grad():
        log_ratio = after.log_prob(observations, actions) - torch.from_numpy(rows[:, -2])
        pairs = zip(
            before.distributions(observations), after.distributions(observations), strict=True
        )
        divergence = sum(kl_divergence(a, b) for a, b in pairs).mean().item()
        objective = (log_ratio.exp() * advantages).mean().item()
    found = weigh(moved, table, rows, room, old, False)
    assert found == pytest.approx((objective, divergence), rel=1e-4, abs=2e-5)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_advantages_are_the_engines(n_steps, n_envs, seed):
    rng = np.random.default_rng(seed)
    ledger = rng.standard_normal((6, n_steps, n_envs)).astype(np.float32)
    is_end = rng.random((n_steps, n_envs)) < 0.4
    truncated = is_end & (rng.random((n_steps, n_envs)) < 0.5)
    ledger[2], ledger[3] = is_end, np.where(truncated, ledger[3], 0)
    last_values = rng.standard_normal(n_envs).astype(np.float32)
    tensors = [torch.from_numpy(each.copy()) for each in (*ledger[:2], last_values, ledger[3])]
    given_rollout = Rollout(
        rewards=tensors[0],
        values=tensors[1],
        last_values=tensors[2],
        terminated=torch.from_numpy(is_end & ~truncated),
        truncated=torch.from_numpy(truncated),
        final_values=tensors[3],
    )
    estimate(ledger, last_values, 0.9, 0.8)
    expected = gae(given_rollout, gamma=0.9, lam=0.8)
    assert_close(torch.from_numpy(ledger[4]), expected, atol=1e-5, rtol=1e-5)
    assert_close(torch.from_numpy(ledger[5]), expected + tensors[1], atol=1e-5, rtol=1e-5)


def test_an_update_of_the_critic_leaves_the_actor_to_the_bit():
    table, theta, rng = made(HEADS[3], [8], 1, 3, seed=0)
    memory = np.zeros((4, theta.size), np.float32)
    memory[0] = theta
    options = {"clip_range": 1.0, "clip_range_vf": np.inf, "ent_coef": 0.0, "vf_coef": 1.0}
    changing = numbers(16, **options)
    changing[-1] = False
    epoch(memory, table, rollout(table, rng, 64), np.arange(64), changing)
    first = int(table[1 + table[0, 3], 2])
    assert table[0, 0] == GAUSSIAN
    assert np.array_equal(memory[0, :first], theta[:first])
    assert (memory[0, first:] != theta[first:]).any()
    assert not memory[2:, :first].any()
