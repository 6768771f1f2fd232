import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genextras.core.thresholding import dynamic_threshold
from tests.oracles import genextras as oracles


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**16),
    scale=st.floats(0.1, 10),
    ratio=st.floats(0, 1),
    max_value=st.floats(1, 20),
)
def test_each_sample_equals_its_own_quantile_clipped_and_divided(seed, scale, ratio, max_value):
    samples = scale * np.random.default_rng(seed).normal(size=(3, 2, 5))
    bounded = dynamic_threshold(torch.from_numpy(samples), ratio=ratio, max_value=max_value)
    expected = oracles.dynamic_threshold(samples, ratio, max_value)
    np.testing.assert_allclose(bounded, expected, rtol=1e-12, atol=1e-12)
    assert bounded.abs().max() <= 1


def test_small_samples_are_left_alone():
    samples = torch.linspace(-1, 1, 24).view(2, 3, 4)
    assert torch.equal(dynamic_threshold(samples, ratio=0.9, max_value=5.0), samples)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_shape_and_input_are_kept(dtype):
    samples = (3 * torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))).to(dtype)
    before = samples.clone()
    bounded = dynamic_threshold(samples, ratio=0.9, max_value=2.0)
    assert (bounded.dtype, bounded.shape) == (dtype, samples.shape)
    assert torch.equal(samples, before)


def test_not_a_number_spoils_its_own_sample_only():
    samples = torch.zeros(2, 4)
    samples[0, 0] = torch.nan
    bounded = dynamic_threshold(samples, ratio=0.9, max_value=2.0)
    assert bounded.isnan().all(dim=1).tolist() == [True, False]
