import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genextras.core.grids import GRIDS
from genextras.core.predictions import TARGETS
from genextras.core.steps import (
    LEARNED,
    VARIANCES,
    Rows,
    ddpm_rows,
    euler_rows,
    posterior_variance,
    preserving_levels,
    transition_variance,
)
from genextras.core.tables import Table, result_dtypes
from tests.oracles import genextras as oracles

NUMBERS = st.floats(-3, 3)


@st.composite
def strides(draw):
    """ᾱ_t < ᾱ_s, neither pure noise nor pure data."""
    alpha_bar_prev = draw(st.floats(2e-3, 0.999))
    return draw(st.floats(0.01, 0.99)) * alpha_bar_prev, alpha_bar_prev


def one(*numbers):
    return [np.array([number]) for number in numbers]


def ddim(alpha_bar, alpha_bar_prev, *, prediction, **options):
    return euler_rows(preserving_levels(alpha_bar, alpha_bar_prev), prediction, **options)


def apply(step, x, output, bound=math.inf):
    """x_s without noise, by the line at the head of ``steps``."""
    data = min(max(step.p * x + step.q * output, -bound), bound)
    return step.data * data + step.sample * x + step.model * output


def host(rows):
    """One ``Rows`` of plain numbers for each step."""
    return [Rows(*numbers) for numbers in zip(*[c.tolist() for c in rows[:-1]], strict=True)]


@given(strides())
def test_variances_equal_bayes_rule(levels):
    _, variance = oracles.posterior(0.0, 0.0, *levels)
    assert posterior_variance(*one(*levels)).item() == pytest.approx(variance, rel=1e-9)
    assert transition_variance(*one(*levels)).item() == pytest.approx(1 - levels[0] / levels[1])


@pytest.mark.parametrize("prediction", TARGETS)
@settings(deadline=None)
@given(levels=strides(), x=NUMBERS, output=NUMBERS)
def test_ddpm_mean_equals_bayes_rule_with_bounded_data(prediction, levels, x, output):
    rows = ddpm_rows(
        *one(*levels),
        prediction=prediction,
        variance_type="fixed_small",
        noisy=np.array([True]),
    )
    x_0, _ = oracles.predicted(prediction, x, output, levels[0])
    mean, variance = oracles.posterior(x, min(max(x_0, -1), 1), *levels)
    (step,) = host(rows)
    assert apply(step, x, output, bound=1) == pytest.approx(mean, rel=1e-8, abs=1e-8)
    assert step.noise**2 == pytest.approx(variance, rel=1e-9)


@pytest.mark.parametrize("rederive", [True, False])
@pytest.mark.parametrize("prediction", TARGETS)
@settings(deadline=None)
@given(levels=strides(), x=NUMBERS, output=NUMBERS, eta=st.floats(0, 1))
def test_ddim_equals_equation_12(prediction, rederive, levels, x, output, eta):
    alpha_bar, alpha_bar_prev = levels
    rows = ddim(*one(*levels), prediction=prediction, eta=eta, rederive=rederive)
    x_0, epsilon = oracles.predicted(prediction, x, output, alpha_bar)
    x_0 = min(max(x_0, -1), 1)
    if rederive:
        epsilon = (x - math.sqrt(alpha_bar) * x_0) / math.sqrt(1 - alpha_bar)
    sigma = eta * math.sqrt(oracles.posterior(0.0, 0.0, *levels)[1])
    expected = oracles.ddim_mean(x, x_0, epsilon, alpha_bar_prev, sigma)
    (step,) = host(rows)
    assert step.noise == pytest.approx(sigma, abs=1e-10)
    assert apply(step, x, output, bound=1) == pytest.approx(expected, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("prediction", TARGETS)
@given(levels=strides())
def test_ddim_with_eta_one_is_ddpm_with_the_posterior_variance(prediction, levels):
    few = ddim(*one(*levels), prediction=prediction, eta=1.0)
    ddpm = ddpm_rows(
        *one(*levels),
        prediction=prediction,
        variance_type="fixed_small",
        noisy=np.array([True]),
    )
    for name, ours, theirs in zip(Rows._fields, few, ddpm, strict=True):
        if name not in {"draws", "small", "large"}:  # which only a learned variance reads
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("prediction", TARGETS)
@given(levels=strides(), x=NUMBERS, output=NUMBERS)
def test_where_noise_comes_from_matters_only_when_data_are_bounded(prediction, levels, x, output):
    (again,) = host(ddim(*one(*levels), prediction=prediction, rederive=True))
    (network,) = host(ddim(*one(*levels), prediction=prediction, rederive=False))
    unbounded = apply(again, x, output)
    assert apply(network, x, output) == pytest.approx(unbounded, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("variance_type", VARIANCES)
def test_the_step_to_clean_data_is_the_predicted_data(variance_type):
    rows = ddpm_rows(
        *one(0.9, 1.0),
        prediction="sample",
        variance_type=variance_type,
        noisy=np.array([False]),
    )
    (step,) = host(rows)
    assert step.noise == 0
    assert apply(step, 0.3, 0.7) == pytest.approx(0.7, abs=1e-15)


@pytest.mark.parametrize(
    ("variance_type", "of_small", "of_large"),
    [
        ("fixed_small", 1, 0),
        ("fixed_small_log", 1, 0),
        ("fixed_large", 0, 1),
        ("fixed_large_log", 0, 1),
    ],
)
def test_fixed_variances_are_one_of_the_two_ends(variance_type, of_small, of_large):
    rows = ddpm_rows(
        *one(0.2, 0.5),
        prediction="epsilon",
        variance_type=variance_type,
        noisy=np.array([True]),
    )
    small, large = oracles.posterior(0.0, 0.0, 0.2, 0.5)[1], 1 - 0.2 / 0.5
    assert rows.noise.item() ** 2 == pytest.approx(of_small * small + of_large * large)


@given(small=st.floats(1e-6, 0.1), ratio=st.floats(1, 10))
def test_learned_range_runs_from_small_to_large(small, ratio):
    ends = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    variance = LEARNED["learned_range"](ends, small, ratio * small)
    expected = [small, small * math.sqrt(ratio), small * ratio]
    np.testing.assert_allclose(variance, expected, rtol=1e-12)


def test_learned_is_what_the_network_says():
    assert torch.equal(LEARNED["learned"](torch.tensor([0.3]), 0.1, 0.2), torch.tensor([0.3]))


def test_rows_that_cannot_be_inverted_are_marked():
    levels = np.array([0.0, 0.5])
    rows = ddim(levels, levels + 0.1, prediction="epsilon")
    assert Table(rows, (torch.float32, torch.float32), None).is_finite == [False, True]
    assert Table(rows, (torch.float32, torch.float32), 1.0).is_finite == [False, True]


@pytest.mark.parametrize(
    ("model", "sample", "expected"),
    [
        (torch.float32, torch.float32, (torch.float32, torch.float32)),
        (torch.bfloat16, torch.bfloat16, (torch.bfloat16, torch.float32)),
        (torch.float16, torch.float32, (torch.float32, torch.float32)),
        (torch.float64, torch.float32, (torch.float64, torch.float64)),
    ],
)
def test_steps_are_computed_in_float32_at_least(model, sample, expected):
    assert result_dtypes(model, sample) == expected


# --------------------------------------------------------------- laws on Gaussian data


def chain(n_steps, n_train=1000):
    """ᾱ of a trailing grid on the cosine schedule, first to last, ending in clean data."""
    levels = np.cumprod(1 - np.array(oracles.cosine_betas(n_train)))
    levels = levels[GRIDS["trailing"](n_train, n_steps, 0)]
    return levels, np.append(levels[1:], 1.0)


def gains(steps, levels, std):
    """Factor that each step puts on x when the network knows that data are N(0, std²)."""
    outputs = [oracles.gaussian_denoiser(1.0, level, std) for level in levels.tolist()]
    return [apply(step, 1.0, output) for step, output in zip(steps, outputs, strict=True)]


@pytest.mark.parametrize("n_steps", [2, 10, 100])
def test_unit_gaussian_data_keep_unit_variance_under_the_large_variance(n_steps):
    """For N(0, 1) data β is the exact reverse variance (DDPM, section 3.2), at any stride."""
    levels, before = chain(n_steps)
    noisy = np.arange(n_steps) < n_steps - 1
    rows = ddpm_rows(levels, before, prediction="sample", variance_type="fixed_large", noisy=noisy)
    variance, steps = 1.0, host(rows)
    for step, gain in zip(steps[:-1], gains(steps, levels, std=1.0)[:-1], strict=True):
        variance = gain**2 * variance + step.noise**2
        assert variance == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_single_datum_has_exact_marginals_for_every_eta(eta):
    """With x_0 known, x_s ~ N(√ᾱ_s x_0, 1 - ᾱ_s) after each step (DDIM, lemma 1)."""
    levels, before = chain(20)
    mean, variance = 0.7 * math.sqrt(levels[0]), 1 - levels[0]
    steps = host(ddim(levels, before, prediction="sample", eta=eta))
    for step, level in zip(steps, before.tolist(), strict=True):
        mean = apply(step, mean, 0.7)
        variance = step.sample**2 * variance + step.noise**2
        assert mean == pytest.approx(0.7 * math.sqrt(level), abs=1e-12)
        assert variance == pytest.approx(1 - level, abs=1e-12)


def test_ddim_converges_with_order_one_to_the_probability_flow():
    """Error against the closed form over the number of steps, both in logarithms: slope -1."""
    counts, std = np.array([50, 100, 200, 400]), 0.5
    errors = []
    for n_steps in counts:
        levels, before = chain(n_steps, n_train=4000)
        steps = host(ddim(levels, before, prediction="sample"))
        exact = oracles.gaussian_flow(1.0, levels[0], std)
        errors.append(abs(math.prod(gains(steps, levels, std)) - exact))
    slope, _ = np.polyfit(np.log(counts), np.log(errors), 1)
    assert slope == pytest.approx(-1, abs=0.1)
