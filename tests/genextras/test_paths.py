import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genextras.core.paths import (
    BETA_SCHEDULES,
    mix,
    signal_and_noise,
    zero_terminal_snr,
)
from genextras.core.predictions import target_weights
from tests.oracles import genextras as oracles

LENGTHS = st.integers(1, 300)


def levels(schedule, n=1000):
    return torch.cumprod(1 - BETA_SCHEDULES[schedule](n, 1e-4, 0.02), dim=0)


@pytest.mark.parametrize("schedule", BETA_SCHEDULES)
@settings(deadline=None, max_examples=25)
@given(n=LENGTHS)
def test_betas_are_variances_in_the_open_unit_interval(schedule, n):
    betas = BETA_SCHEDULES[schedule](n, 1e-4, 0.02)
    assert betas.shape == (n,)
    assert betas.dtype == torch.float32
    assert ((betas > 0) & (betas < 1)).all()


@pytest.mark.parametrize("schedule", ["linear", "scaled_linear"])
def test_free_ends_are_the_ends(schedule):
    betas = BETA_SCHEDULES[schedule](50, 1e-4, 0.02)
    np.testing.assert_allclose(betas[[0, -1]], [1e-4, 0.02], rtol=1e-6)  # float32


@settings(deadline=None, max_examples=25)
@given(n=LENGTHS)
def test_cosine_schedule_equals_the_formula_point_by_point(n):
    np.testing.assert_allclose(
        BETA_SCHEDULES["squaredcos_cap_v2"](n, 0, 0), oracles.cosine_betas(n), atol=1e-7
    )  # float32


def test_laplace_schedule_is_half_signal_in_its_middle():
    """log-SNR is symmetric about u = 1/2, where ᾱ = √(1/2) by this library's convention."""
    alphas_cumprod = levels("laplace")
    assert alphas_cumprod[499].item() == pytest.approx(0.5**0.5, abs=1e-3)


def test_zero_terminal_snr_keeps_the_first_level_and_ends_in_pure_noise():
    betas = BETA_SCHEDULES["scaled_linear"](1000, 0.00085, 0.012)
    before, after = betas.clone(), zero_terminal_snr(betas)
    alphas_cumprod = torch.cumprod(1 - after, dim=0)
    assert alphas_cumprod[-1] == 0
    assert alphas_cumprod[0].item() == pytest.approx(1 - 0.00085, abs=1e-7)
    assert (alphas_cumprod.diff() < 0).all()
    assert torch.equal(betas, before)


@pytest.mark.parametrize("schedule", BETA_SCHEDULES)
def test_scales_preserve_variance_and_equal_the_product_by_hand(schedule):
    betas = BETA_SCHEDULES[schedule](200, 1e-4, 0.02)
    a, b = signal_and_noise(torch.cumprod(1 - betas, dim=0))
    by_hand = np.array(oracles.alphas_cumprod(betas.double().tolist()))
    torch.testing.assert_close(a**2 + b**2, torch.ones_like(a), rtol=0, atol=1e-15)
    np.testing.assert_allclose(a**2, by_hand, rtol=3e-5)  # 200 float32 products


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**16), n_dims=st.integers(1, 4), size=st.integers(1, 4))
def test_mix_is_undone_by_rotating_back(seed, n_dims, size):
    """(x_t, v) is (x_0, ε) rotated, so the transposed rotation returns both."""
    generator = torch.Generator().manual_seed(seed)
    shape = (size, *[3] * (n_dims - 1))
    x_0, noise = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    a, b = signal_and_noise(torch.rand(size, generator=generator, dtype=torch.float64))
    x_t = mix(x_0, noise, a, b)
    velocity = mix(x_0, noise, *target_weights("v_prediction", a, b))
    torch.testing.assert_close(mix(x_t, velocity, a, -b), x_0, rtol=0, atol=1e-14)
    torch.testing.assert_close(mix(x_t, velocity, b, a), noise, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mix_rounds_half_precision_once(dtype):
    generator = torch.Generator().manual_seed(0)
    x_0, noise = torch.randn(2, 8, 64, generator=generator).to(dtype)
    a, b = (scale.float() for scale in signal_and_noise(levels("linear")[:8]))
    exact = mix(x_0.double(), noise.double(), a.double(), b.double())
    mixed = mix(x_0, noise, a, b)
    assert mixed.dtype == dtype
    rounding = torch.finfo(dtype).eps / 2
    error = (mixed.double() - exact).abs()
    assert (error <= rounding * exact.abs() + 1e-6).all()  # one rounding, and float32 sums
