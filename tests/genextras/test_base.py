"""What the two schedulers share: timesteps, tables that follow the config, one step."""

import copy
import pickle
import re

import numpy as np
import pytest
import torch
from diffusers.configuration_utils import FrozenDict
from hypothesis import given, settings
from hypothesis import strategies as st

from genextras import DDIMScheduler, DDPMScheduler
from tests.oracles import genextras as oracles

SCHEDULERS = [DDIMScheduler, DDPMScheduler]
BOTH = pytest.mark.parametrize("scheduler_class", SCHEDULERS)


def images(seed=0, batch=2, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, 4, 4, generator=generator, dtype=torch.float64).to(dtype)


def first_step(scheduler, x, timestep=None):
    timestep = scheduler.timesteps[0] if timestep is None else timestep
    return scheduler.step(0.3 * x, timestep, x, generator=torch.manual_seed(0), return_dict=False)


# --------------------------------------------------------------- timesteps


@BOTH
@settings(deadline=None, max_examples=25)
@given(n_steps=st.integers(1, 100), spacing=st.sampled_from(["leading", "trailing", "linspace"]))
def test_each_step_arrives_at_the_next_timestep(scheduler_class, n_steps, spacing):
    scheduler = scheduler_class(num_train_timesteps=100, timestep_spacing=spacing)
    scheduler.set_timesteps(n_steps)
    labels = scheduler.timesteps.tolist()
    assert [scheduler.previous_timestep(label) for label in labels] == [*labels[1:], -1]
    arrivals = [scheduler.previous_timestep(t).item() for t in scheduler.timesteps]
    assert arrivals == [*labels[1:], -1]
    assert scheduler.num_inference_steps == len(scheduler.timesteps) == n_steps


@BOTH
def test_steps_off_the_grid_go_one_stride_back(scheduler_class):
    scheduler = scheduler_class()
    scheduler.set_timesteps(50)
    assert [scheduler.previous_timestep(t) for t in (501, 49, 7)] == [481, 29, -1]
    x = images()
    on_grid = first_step(scheduler, x, 500)[0]
    assert not torch.equal(first_step(scheduler, x, 501)[0], on_grid)
    assert torch.equal(first_step(scheduler, x, 500)[0], on_grid)


@BOTH
@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_own_timesteps_are_taken_in_any_container(scheduler_class, kind):
    scheduler = scheduler_class()
    scheduler.set_timesteps(timesteps=kind([900, 500, 7, 0]))
    assert scheduler.timesteps.tolist() == [900, 500, 7, 0]
    assert scheduler.custom_timesteps
    scheduler.set_timesteps(4)
    assert not scheduler.custom_timesteps


@BOTH
@pytest.mark.parametrize(
    "convert",
    [
        int,
        float,
        lambda t: t.clone(),
        lambda t: t.reshape(1),
        lambda t: t.to(torch.int32),
        lambda t: np.int64(t),
    ],
)
def test_a_timestep_means_the_same_in_every_form(scheduler_class, convert):
    scheduler, x = scheduler_class(timestep_spacing="linspace"), images()
    scheduler.set_timesteps(7)
    t = scheduler.timesteps[3]
    assert torch.equal(first_step(scheduler, x, convert(t))[0], first_step(scheduler, x, t)[0])


@BOTH
def test_timesteps_of_the_run_are_not_read_back_from_their_device(scheduler_class, monkeypatch):
    """On an accelerator each read waits for all work queued so far."""
    scheduler, x = scheduler_class(timestep_spacing="trailing"), images()
    scheduler.set_timesteps(7)
    first_step(scheduler, x)  # makes the table
    expected = [first_step(scheduler, x, int(t))[0] for t in scheduler.timesteps]

    def refuse(*args):
        raise AssertionError("read a tensor back")

    for name in ("item", "__int__", "__float__", "__bool__", "tolist", "nonzero"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    part = [first_step(scheduler, x, t)[0] for t in scheduler.timesteps[2:]]  # as image-to-image
    whole = [first_step(scheduler, x, t)[0] for t in scheduler.timesteps]
    monkeypatch.undo()
    torch.testing.assert_close(whole, expected, rtol=0, atol=0)
    torch.testing.assert_close(part, expected[2:], rtol=0, atol=0)


@BOTH
def test_timesteps_made_in_inference_mode_work(scheduler_class):
    scheduler, x = scheduler_class(), images()
    with torch.inference_mode():
        scheduler.set_timesteps(7)
        inside = first_step(scheduler, x)[0]
    scheduler.set_timesteps(7)
    assert torch.equal(inside, first_step(scheduler, x)[0])


@BOTH
def test_assigned_timesteps_are_followed(scheduler_class):
    scheduler, x = scheduler_class(), images()
    scheduler.set_timesteps(10)
    first_step(scheduler, x)
    scheduler.timesteps = torch.tensor([800, 300])
    other = scheduler_class()
    other.set_timesteps(timesteps=[800, 300])
    assert scheduler.previous_timestep(800) == 300
    assert torch.equal(first_step(scheduler, x)[0], first_step(other, x)[0])


@BOTH
@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({}, ValueError, "num_inference_steps must be given if and only if timesteps is not"),
        ({"num_inference_steps": 5, "timesteps": [1]}, ValueError, "Pass one of them"),
        ({"num_inference_steps": 0}, ValueError, "whole number of at least 1, got 0"),
        ({"num_inference_steps": -3}, ValueError, "whole number of at least 1, got -3"),
        ({"num_inference_steps": 10.0}, TypeError, "whole number of at least 1, got 10.0"),
        ({"num_inference_steps": 1001}, ValueError, "at most num_train_timesteps=1000, got 1001"),
        ({"timesteps": [5, 9]}, ValueError, "timesteps must be in descending order"),
        ({"timesteps": [9, 9]}, ValueError, "timesteps must be in descending order"),
        ({"timesteps": []}, ValueError, "timesteps must be in descending order"),
        ({"timesteps": [1000, 5]}, ValueError, re.escape("in [0, 1000), got [1000]")),
        ({"timesteps": [5, -1]}, ValueError, "whole number of at least 0, got -1"),
        ({"timesteps": [5.5, 1]}, TypeError, "whole number of at least 0, got 5.5"),
    ],
)
def test_wrong_timesteps_are_refused_and_change_nothing(scheduler_class, arguments, kind, text):
    scheduler = scheduler_class()
    scheduler.set_timesteps(7)
    with pytest.raises(kind, match=f"{scheduler_class.__name__}: .*{text}"):
        scheduler.set_timesteps(**arguments)
    assert (scheduler.num_inference_steps, len(scheduler.timesteps)) == (7, 7)


@BOTH
def test_an_offset_past_the_last_level_is_refused(scheduler_class):
    scheduler = scheduler_class(num_train_timesteps=10, steps_offset=1)
    with pytest.raises(ValueError, match=r"timesteps must be in \[0, 10\), got \[10\]"):
        scheduler.set_timesteps(10)


@BOTH
@pytest.mark.parametrize(
    ("timestep", "kind"), [("5", TypeError), (5.5, TypeError), (1000, ValueError), (-1, ValueError)]
)
def test_wrong_timesteps_in_a_step_are_refused(scheduler_class, timestep, kind):
    scheduler = scheduler_class()
    scheduler.set_timesteps(10)
    with pytest.raises(kind, match=r"timesteps? must be"):
        first_step(scheduler, images(), timestep)


@BOTH
@pytest.mark.parametrize("bound", [{}, {"clip_sample": False}, {"thresholding": True}])
def test_each_sample_may_have_its_own_timestep(scheduler_class, bound):
    scheduler, x = scheduler_class(timestep_spacing="trailing", **bound), images()
    scheduler.set_timesteps(10)
    labels = torch.tensor([499, 37])  # on the grid, and off it
    options = {"eta": 0.7} if scheduler_class is DDIMScheduler else {}
    seeds = [torch.Generator().manual_seed(seed) for seed in (7, 8)]
    both = scheduler.step(0.3 * x, labels, x, generator=seeds, **options)
    for i, label in enumerate(labels):
        seed = [torch.Generator().manual_seed(7 + i)]
        one = scheduler.step(0.3 * x[[i]], label, x[[i]], generator=seed, **options)
        torch.testing.assert_close(both.prev_sample[[i]], one.prev_sample)
        torch.testing.assert_close(both.pred_original_sample[[i]], one.pred_original_sample)


@BOTH
def test_neither_one_timestep_nor_one_a_sample_is_refused(scheduler_class):
    scheduler = scheduler_class()
    scheduler.set_timesteps(10)
    with pytest.raises(ValueError, match="timestep must be 1 or 2 labels"):
        first_step(scheduler, images(), scheduler.timesteps[:3])


# --------------------------------------------------------------- tables follow what they come from


@BOTH
@pytest.mark.parametrize(
    "change",
    [
        {"prediction_type": "v_prediction"},
        {"clip_sample": False},
        {"clip_sample_range": 0.2},
        {"thresholding": True},
        {"compat": "diffusers"},
    ],
)
def test_a_config_rewritten_after_construction_counts(scheduler_class, change):
    """Stable Diffusion pipelines replace ``_internal_dict`` and leave the object."""
    options, x = {"timestep_spacing": "linspace"}, images()
    scheduler, fresh = scheduler_class(**options), scheduler_class(**options, **change)
    for each in (scheduler, fresh):
        each.set_timesteps(7)
    first_step(scheduler, x)  # makes a table of the old config
    scheduler._internal_dict = FrozenDict({**scheduler.config, **change})
    torch.testing.assert_close(first_step(scheduler, x), first_step(fresh, x), rtol=0, atol=0)


@BOTH
def test_an_option_misspelt_after_construction_is_refused(scheduler_class):
    scheduler = scheduler_class()
    scheduler.set_timesteps(7)
    scheduler.register_to_config(prediction_type="epsilom")
    with pytest.raises(ValueError, match="Did you mean 'epsilon'"):
        first_step(scheduler, images())


@BOTH
def test_an_assigned_noise_schedule_counts(scheduler_class):
    """Training scripts move ``alphas_cumprod`` or repair its end."""
    scheduler, other = scheduler_class(), scheduler_class(beta_schedule="squaredcos_cap_v2")
    x, noise, t = images(), images(1), torch.tensor([3, 500])
    for each in (scheduler, other):
        each.set_timesteps(7)
        first_step(each, x)
        each.add_noise(x, noise, t)
    scheduler.alphas_cumprod = other.alphas_cumprod.clone()
    torch.testing.assert_close(first_step(scheduler, x), first_step(other, x), rtol=0, atol=0)
    assert torch.equal(scheduler.add_noise(x, noise, t), other.add_noise(x, noise, t))


@BOTH
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies_are_independent(scheduler_class, duplicate):
    scheduler, x = scheduler_class(), images()
    scheduler.set_timesteps(7)
    expected = first_step(scheduler, x)
    other = duplicate(scheduler)
    torch.testing.assert_close(first_step(other, x), expected, rtol=0, atol=0)
    other.set_timesteps(3)
    first_step(other, x)
    assert len(scheduler.timesteps) == 7
    torch.testing.assert_close(first_step(scheduler, x), expected, rtol=0, atol=0)


# --------------------------------------------------------------- construction


@BOTH
@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"prediction_type": "epsilom"}, ValueError, "Did you mean 'epsilon'"),
        ({"beta_schedule": "cosine"}, ValueError, "'squaredcos_cap_v2'"),
        ({"timestep_spacing": "lead"}, ValueError, "Did you mean 'leading'"),
        ({"compat": "yes"}, ValueError, "one of 'none', 'diffusers', got 'yes'"),
        ({"compat": None}, TypeError, "one of 'none', 'diffusers', got None"),
        ({"num_train_timesteps": 0}, ValueError, "at least 1, got 0"),
        ({"num_train_timesteps": 10.0}, TypeError, "at least 1, got 10.0"),
        ({"steps_offset": -1}, ValueError, "at least 0, got -1"),
        ({"beta_start": 0.02, "beta_end": 1e-4}, ValueError, "Swap beta_start and beta_end"),
        ({"beta_end": "0.02"}, TypeError, "beta_end must be a number"),
        ({"clip_sample": "false"}, TypeError, "True or False, got 'false'"),
        ({"clip_sample_range": -1.0}, ValueError, "clip_sample_range must be a number in"),
        ({"dynamic_thresholding_ratio": 1.5}, ValueError, "a number in .0, 1., got 1.5"),
        ({"trained_betas": [0.1, 2.0]}, ValueError, "trained_betas must be a list of variances"),
        ({"trained_betas": "linear"}, TypeError, "trained_betas must be a list of variances"),
    ],
)
def test_wrong_options_are_refused_at_construction(scheduler_class, options, kind, text):
    with pytest.raises(kind, match=f"{scheduler_class.__name__}: .*{text}"):
        scheduler_class(**options)


@BOTH
def test_trained_betas_are_the_schedule(scheduler_class):
    betas = np.linspace(0.01, 0.3, 20)
    scheduler = scheduler_class(num_train_timesteps=20, trained_betas=betas)
    expected = oracles.alphas_cumprod(betas)
    np.testing.assert_allclose(scheduler.alphas_cumprod, expected, rtol=1e-5)  # float32 products


@BOTH
def test_too_few_trained_betas_are_refused_with_the_grid(scheduler_class):
    scheduler = scheduler_class(trained_betas=[0.1, 0.3])
    with pytest.raises(ValueError, match="num_train_timesteps betas"):
        scheduler.set_timesteps(10)


@BOTH
def test_zero_terminal_snr_refuses_epsilon_and_takes_velocity(scheduler_class):
    options = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    scheduler, x = scheduler_class(**options), images()
    scheduler.set_timesteps(5)
    with pytest.raises(ValueError, match=r"prediction_type must be invertible at timestep 999"):
        first_step(scheduler, x)
    for prediction in ("v_prediction", "sample"):
        scheduler = scheduler_class(**options, prediction_type=prediction, clip_sample=False)
        scheduler.set_timesteps(5)
        assert all(output.isfinite().all() for output in first_step(scheduler, x))


# --------------------------------------------------------------- one step


@BOTH
def test_shapes_that_differ_are_refused(scheduler_class):
    scheduler, x = scheduler_class(), images()
    scheduler.set_timesteps(5)
    with pytest.raises(
        ValueError, match=r"model_output must be of the sample's shape \(2, 3, 4, 4\)"
    ):
        scheduler.step(x[:, :1], scheduler.timesteps[0], x)


@BOTH
@pytest.mark.parametrize("clip_sample", [True, False])
def test_half_precision_is_the_float64_step_rounded_once(scheduler_class, clip_sample):
    scheduler = scheduler_class(clip_sample=clip_sample, prediction_type="v_prediction")
    scheduler.set_timesteps(5)
    timestep = scheduler.timesteps[-1]  # 0: no noise is drawn, whose bits depend on the dtype
    x = images(dtype=torch.bfloat16)
    rough = first_step(scheduler, x, timestep)
    exact = first_step(scheduler, x.double(), timestep)
    rounding = torch.finfo(torch.bfloat16).eps / 2
    for ours, wanted in zip(rough, exact, strict=True):
        # the network's output 0.3 x was itself rounded, a second time half a digit
        allowed = 2 * rounding * wanted.abs() + rounding * 0.3 * x.abs() + 1e-6
        assert ((ours.double() - wanted).abs() <= allowed).all()


@BOTH
@pytest.mark.parametrize("bound", ["clip_sample", "thresholding"])
def test_bounds_hold_for_the_predicted_data(scheduler_class, bound):
    options = {"clip_sample": False, "thresholding": False, bound: True}
    scheduler = scheduler_class(**options)
    scheduler.set_timesteps(5)
    _, data = first_step(scheduler, 5 * images())
    assert data.abs().max() <= 1


@BOTH
def test_the_step_can_be_differentiated(scheduler_class):
    scheduler = scheduler_class()
    scheduler.set_timesteps(5)
    x = images(dtype=torch.float64, batch=1)[:, :, :2, :2].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: first_step(scheduler, x, 200), x)


@BOTH
def test_not_a_number_passes_through_without_an_error(scheduler_class):
    """Looking for it would make every step wait for the device; pipelines check the picture."""
    scheduler = scheduler_class()
    scheduler.set_timesteps(5)
    x = images()
    output = torch.zeros_like(x)
    output[0] = torch.nan
    previous = scheduler.step(output, scheduler.timesteps[0], x).prev_sample
    assert previous.isnan().flatten(1).all(dim=1).tolist() == [True, False]
