"""Laws of guidance: what it leaves alone, what it makes equal, and what it means in x_0."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import genextras
from genextras.core.predictions import solve

FACTORS = st.floats(0, 1)


def predictions(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 4, 3, 8, 8, generator=generator).to(dtype)


def test_scale_one_is_the_conditional_prediction():
    conditional, unconditional = predictions(torch.float64)
    made = genextras.guided(conditional, unconditional, 1.0)
    torch.testing.assert_close(made, conditional)
    assert torch.equal(genextras.guided(conditional, unconditional, 0.0), unconditional)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "flow_prediction", "edm"])
def test_guiding_a_prediction_is_guiding_the_data(prediction):
    """All kinds are linear in one another at one x, so guidance commutes with the solve."""
    (conditional, unconditional), x = predictions(torch.float64), predictions(torch.float64)[0]
    weights = solve(prediction, np.float64(0.6), np.float64(0.8))

    def data(output):
        return weights.p * x + weights.q * output

    ahead = data(genextras.guided(conditional, unconditional, 7.5))
    torch.testing.assert_close(ahead, genextras.guided(data(conditional), data(unconditional), 7.5))


@given(factor=FACTORS)
def test_rescaling_moves_the_spread_towards_that_of_the_condition(factor):
    conditional, unconditional = predictions(torch.float64)
    strong = genextras.guided(conditional, unconditional, 7.5)
    made = genextras.guidance_rescale(strong, conditional, factor)
    spreads = [each.flatten(1).std(dim=1) for each in (made, conditional, strong)]
    expected = factor * spreads[1] + (1 - factor) * spreads[2]
    torch.testing.assert_close(spreads[0], expected, rtol=1e-5, atol=0)  # std is read in float32
    for one, other in zip(made, strong, strict=True):  # each sample is only scaled
        share = one / other
        torch.testing.assert_close(share, share.mean().expand_as(share))


def test_factor_zero_changes_nothing_and_a_sample_is_alone():
    conditional, strong = predictions()
    assert torch.equal(genextras.guidance_rescale(strong, conditional, 0.0), strong)
    both = genextras.guidance_rescale(strong, conditional)
    torch.testing.assert_close(both[[1]], genextras.guidance_rescale(strong[[1]], conditional[[1]]))


def test_rescaling_equals_that_of_diffusers():
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    conditional, strong = predictions()
    expected = rescale_noise_cfg(strong, conditional, guidance_rescale=0.7)
    torch.testing.assert_close(genextras.guidance_rescale(strong, conditional, 0.7), expected)


def test_a_constant_prediction_stays_and_halves_keep_their_dtype():
    flat = torch.full((2, 3), 2.0, dtype=torch.float16)
    made = genextras.guidance_rescale(flat, torch.rand(2, 3).half())
    assert made.dtype is torch.float16
    assert torch.equal(made, flat)


def test_an_interval_guides_inside_and_not_outside():
    sigmas = torch.tensor([14.6, 5.0, 1.0, 0.3, 0.03], dtype=torch.float64)
    made = genextras.guidance_interval(7.5, sigmas, 0.3, 5.0)
    assert made.tolist() == [1.0, 7.5, 7.5, 1.0, 1.0]
    one_by_one = [genextras.guidance_interval(7.5, s, 0.3, 5.0) for s in sigmas.tolist()]
    assert one_by_one == made.tolist()


def test_bad_input_is_refused():
    conditional, strong = predictions()
    with pytest.raises(ValueError, match=r"^guidance_rescale: factor must be"):
        genextras.guidance_rescale(strong, conditional, 1.5)
    with pytest.raises(ValueError, match=r"^guidance_rescale: conditional must be of shape"):
        genextras.guidance_rescale(strong, conditional[:, :1])
    with pytest.raises(ValueError, match=r"^guided: unconditional must be of shape"):
        genextras.guided(conditional, strong[:1], 2.0)
    with pytest.raises(ValueError, match=r"^guidance_interval: low must be .* Swap"):
        genextras.guidance_interval(2.0, 1.0, 5.0, 0.3)
    with pytest.raises(TypeError, match=r"^guidance_interval: high must be"):
        genextras.guidance_interval(2.0, 1.0, 0.3, "5")
