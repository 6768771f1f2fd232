"""Averages of weights against brute force, EDM2's formulas, and diffusers' own class."""

import warnings

import diffusers.training_utils
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genextras.training import EMAModel, Snapshot, blend, posthoc_weights, power_exponent
from tests.genextras.training.networks import tiny_unet
from tests.oracles.genextras_training import power_average, profile

Host = diffusers.training_utils.EMAModel


def walk(averages, values):
    weights = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2, 2))]
    frozen = torch.nn.Parameter(torch.zeros(1), requires_grad=False)
    made = [make([*weights, frozen]) for make in averages]
    for value in values:
        for weight in [*weights, frozen]:
            weight.data.fill_(value)
        for average in made:
            average.step([*weights, frozen])
    return made


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=12),
    st.floats(0.04, 0.28),
)
def test_the_power_average_equals_its_unrolled_sum(values, width):
    (ema,) = walk([lambda p: EMAModel(p, sigma_rel=width)], values)
    expected = power_average(values, power_exponent(width))
    assert ema.shadow_params[0][0].item() == pytest.approx(expected, abs=1e-5)  # float32
    assert ema.shadow_params[2].item() == pytest.approx(values[-1])  # what is not trained is copied


@settings(max_examples=30, deadline=None)
@given(st.floats(0.02, 0.28))
def test_the_exponent_gives_the_width(width):
    g = power_exponent(width)
    assert (g + 1) ** 0.5 / ((g + 2) * (g + 3) ** 0.5) == pytest.approx(width, rel=1e-6)


@pytest.mark.parametrize("warmup", [True, False])
def test_without_a_width_it_is_the_hosts_average(warmup):
    options = {"decay": 0.9, "use_ema_warmup": warmup, "update_after_step": 2}
    ours, host = walk([lambda p: EMAModel(p, **options), lambda p: Host(p, **options)], range(9))
    for a, b in zip(ours.shadow_params, host.shadow_params, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_states_go_from_one_to_the_other_and_back(tmp_path):
    ours, host = walk([lambda p: EMAModel(p, sigma_rel=0.1), lambda p: Host(p)], range(5))
    host.load_state_dict(ours.state_dict())
    assert torch.equal(host.shadow_params[0], ours.shadow_params[0])
    again = EMAModel([torch.nn.Parameter(torch.zeros(3))], sigma_rel=0.2)
    again.load_state_dict(host.state_dict())
    assert again.sigma_rel == 0.2
    again.load_state_dict(ours.state_dict())
    assert again.sigma_rel == 0.1
    assert again.get_decay(7) == ours.get_decay(7)
    unet = tiny_unet()
    ema = EMAModel(unet.parameters(), model_cls=type(unet), model_config=unet.config)
    ema.step(unet.parameters())
    ema.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the host's way to read is deprecated there
        read = Host.from_pretrained(tmp_path, model_cls=type(unet))
    for found in (read, EMAModel.from_pretrained(tmp_path, model_cls=type(unet))):
        assert torch.equal(found.shadow_params[0], ema.shadow_params[0])
        assert found.optimization_step == 1


def test_posthoc_weights_are_the_least_squares_of_profiles():
    steps, widths = [40, 40, 80, 80, 120, 120], [0.05, 0.1] * 3
    found = posthoc_weights(steps, widths, step=100, sigma_rel=0.15)
    exponents = [power_exponent(width) for width in widths]
    _, columns = profile([*steps, 100], [*exponents, power_exponent(0.15)], 60_000)
    matrix = np.stack(columns[:-1], 1)
    expected, *_ = np.linalg.lstsq(matrix, columns[-1], rcond=None)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-2)  # the sum over cells is rough
    fits = [np.linalg.norm(matrix @ w - columns[-1]) for w in (found, expected)]
    assert fits[0] < 1.01 * fits[1] + 1e-9


def test_a_blend_comes_near_the_average_that_was_not_followed():
    values = np.cumsum(np.random.default_rng(0).normal(size=240))
    weight, kept = torch.nn.Parameter(torch.zeros(1)), []
    averages = [EMAModel([weight], sigma_rel=width) for width in (0.05, 0.1, 0.16)]
    for step, value in enumerate(values, start=1):
        weight.data.fill_(value)
        for ema in averages:
            ema.step([weight])
        if step % 10 == 0:
            kept += [
                Snapshot(step, ema.sigma_rel, [s.clone() for s in ema.shadow_params])
                for ema in averages[:2]
            ]
    found = blend(kept, sigma_rel=0.16)[0].item()
    exact, other = (ema.shadow_params[0].item() for ema in (averages[2], averages[1]))
    assert abs(found - exact) < 0.05 * abs(other - exact)
    with pytest.raises(ValueError, match="snapshots must be at least one"):
        blend([], sigma_rel=0.1)


def test_bad_widths_are_refused():
    with pytest.raises(ValueError, match=r"sigma_rel must be a number in .* got 0.5"):
        EMAModel([], sigma_rel=0.5)
    with pytest.raises(ValueError, match="decay must be a number in"):
        EMAModel([], decay=1.5)
