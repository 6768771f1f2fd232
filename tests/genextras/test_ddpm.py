import pytest
import torch

from genextras import DDPMScheduler
from genextras.core.steps import VARIANCES
from tests.oracles import genextras as oracles

LEARNED = ("learned", "learned_range")


def images(seed=0, n=2):
    return torch.randn(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def ready(n_steps=10, **options):
    scheduler = DDPMScheduler(**options)
    scheduler.set_timesteps(n_steps)
    return scheduler


def output_for(scheduler, prediction):
    """The prediction, with a variance behind it if the scheduler wants one."""
    if scheduler.variance_type not in LEARNED:
        return prediction
    return torch.cat([prediction, torch.full_like(prediction, 0.1)], dim=1)


def test_variance_type_is_one_of_six():
    with pytest.raises(ValueError, match=r"variance_type must be one of .*, got 'fixed'\. Did you"):
        DDPMScheduler(variance_type="fixed")


@pytest.mark.parametrize("variance_type", VARIANCES)
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("steps_offset", [0, 1])
def test_the_last_step_gives_the_predicted_data_without_noise(variance_type, spacing, steps_offset):
    scheduler = ready(
        variance_type=variance_type, timestep_spacing=spacing, steps_offset=steps_offset
    )
    x = images()
    last = scheduler.step(output_for(scheduler, 0.5 * x), scheduler.timesteps[-1], x)
    torch.testing.assert_close(last.prev_sample, last.pred_original_sample, rtol=0, atol=1e-6)


@pytest.mark.parametrize("variance_type", VARIANCES)
def test_noise_has_the_variance_of_its_type(variance_type):
    scheduler = ready(variance_type=variance_type, prediction_type="sample", clip_sample=False)
    t, x = int(scheduler.timesteps[4]), torch.zeros(1, 1, 200, 200)
    small = oracles.posterior(0.0, 0.0, *scheduler.alphas_cumprod[[t, t - 100]].tolist())[1]
    large = 1 - (scheduler.alphas_cumprod[t] / scheduler.alphas_cumprod[t - 100]).item()
    expected = {"learned": 0.1, "learned_range": small**0.45 * large**0.55}
    expected |= dict.fromkeys(("fixed_small", "fixed_small_log"), small)
    expected |= dict.fromkeys(("fixed_large", "fixed_large_log"), large)
    generator = torch.Generator().manual_seed(0)
    previous = scheduler.step(output_for(scheduler, x), t, x, generator=generator).prev_sample
    variance = previous.var().item()
    assert variance == pytest.approx(expected[variance_type], rel=0.03)  # 4 σ of 40 000 draws


def test_large_variance_as_a_logarithm_is_the_large_variance():
    x = images()
    outcomes = []
    for variance_type in ("fixed_large", "fixed_large_log"):
        scheduler = ready(variance_type=variance_type)
        generator = torch.Generator().manual_seed(0)
        outcomes.append(scheduler.step(x, scheduler.timesteps[0], x, generator=generator))
    assert torch.equal(outcomes[0].prev_sample, outcomes[1].prev_sample)
    assert outcomes[0].prev_sample.isfinite().all()


@pytest.mark.parametrize("variance_type", LEARNED)
def test_a_learned_variance_needs_twice_the_channels(variance_type):
    scheduler, x = ready(variance_type=variance_type), images()
    with pytest.raises(ValueError, match="twice the 3 channels"):
        scheduler.step(x, scheduler.timesteps[0], x)


def test_twice_the_channels_need_a_learned_variance():
    scheduler, x = ready(), images()
    with pytest.raises(ValueError, match="variance_type"):
        scheduler.step(torch.cat([x, x], dim=1), scheduler.timesteps[0], x)


def test_every_level_is_walked_before_set_timesteps():
    scheduler, x = DDPMScheduler(), images()
    assert [scheduler.previous_timestep(t) for t in (999, 500, 0)] == [998, 499, -1]
    mean = scheduler.step(x, 0, x).prev_sample
    assert mean.isfinite().all()


@pytest.mark.parametrize("variance_type", ["fixed_small", "fixed_large", "fixed_large_log"])
def test_variance_of_a_timestep_is_a_variance(variance_type):
    scheduler = DDPMScheduler(variance_type=variance_type)
    level, before = scheduler.alphas_cumprod[[487, 486]].double().tolist()
    small = oracles.posterior(0.0, 0.0, level, before)[1]
    expected = small if variance_type == "fixed_small" else 1 - level / before
    assert scheduler._get_variance(487).item() == pytest.approx(expected, rel=1e-5)


def test_learned_variance_of_a_timestep_is_what_the_network_says():
    predicted = torch.tensor([0.2])
    scheduler = DDPMScheduler(variance_type="learned")
    assert torch.equal(scheduler._get_variance(487, predicted), predicted)
    ends = [
        scheduler._get_variance(487, variance_type=kind) for kind in ("fixed_small", "fixed_large")
    ]
    middle = scheduler._get_variance(487, torch.zeros(1), "learned_range")
    torch.testing.assert_close(middle.log(), (ends[0].log() + ends[1].log()).view(1) / 2)
