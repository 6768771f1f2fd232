"""A sampler that starts from the inverted noise returns to the data."""

import diffusers
import pytest
import torch

import genextras

MAKERS = {
    "DDIM": lambda **options: genextras.DDIMScheduler(clip_sample=False, **options),
    "flow": genextras.FlowMatchScheduler,
    "EDM": lambda **options: genextras.EDMScheduler(solver="euler", sigma_max=10.0, **options),
    "VP": lambda **options: genextras.SDEScheduler(predictor="ode_euler", **options),
    "first order": lambda **options: genextras.MultistepScheduler(solver_order=1, **options),
}


def model(x, t):
    """A network that mixes its inputs and turns with the level, of slope below one."""
    return 0.5 * torch.sin(2 * x + torch.as_tensor(t) / 300).roll(1, dims=-1)


def images(seed=0):
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def ready(name, n_steps=40):
    scheduler = MAKERS[name]()
    scheduler.set_timesteps(n_steps)
    return scheduler


def sample(scheduler, x):
    for t in scheduler.timesteps:
        output = model(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(output, t, x, return_dict=False)[0]
    return x


@pytest.mark.parametrize("name", MAKERS)
def test_the_round_trip_is_exact(name):
    scheduler, x = ready(name), images().double()
    noise = genextras.invert(model, x, scheduler, tolerance=1e-13)
    # 1e-13 of x at the highest level, where data are a 160th of x or less, after 40 steps
    torch.testing.assert_close(sample(scheduler, noise), x, rtol=0, atol=1e-9)
    assert (noise - x).abs().max() > 0.1  # it went somewhere


def test_a_denoiser_contracts_so_that_single_precision_is_enough():
    scheduler, x = ready("DDIM"), 0.5 * images()

    def denoiser(x, t):  # of data from N(0, 1/4)
        share = scheduler.alphas_cumprod[t]
        return (1 - share).sqrt() / (share / 4 + 1 - share) * x

    noise = genextras.invert(denoiser, x, scheduler)
    for t in scheduler.timesteps:
        noise = scheduler.step(denoiser(noise, t), t, noise, return_dict=False)[0]
    torch.testing.assert_close(noise, x, rtol=0, atol=2e-5)


def test_ddim_inversion_alone_does_not_return():
    """What asking the network at the wrong end costs, with diffusers' way to invert."""
    x, scheduler = images(), ready("DDIM")
    back = genextras.DDIMInverseScheduler.from_config(scheduler.config)
    back.set_timesteps(40)
    noise = x
    for t in back.timesteps:
        noise = back.step(model(noise, t), t, noise, return_dict=False)[0]
    rough = (sample(scheduler, noise) - x).abs().max()
    exact = (sample(scheduler, genextras.invert(model, x, scheduler)) - x).abs().max()
    assert exact < 1e-3 * rough


def test_one_iteration_is_ddim_inversion():
    """The inverse scheduler undoes a step if the network says the same at both ends."""
    x, scheduler = images(), ready("DDIM")
    back = genextras.DDIMInverseScheduler.from_config(scheduler.config)
    back.set_timesteps(40)
    noise, same = x, lambda x, t: images(int(t))
    for t in back.timesteps:
        noise = back.step(same(noise, t), t, noise, return_dict=False)[0]
    torch.testing.assert_close(genextras.invert(same, x, scheduler), noise, rtol=1e-4, atol=1e-4)


def test_nothing_handed_in_is_changed():
    scheduler, x = ready("DDIM"), images()
    copy, index = x.clone(), scheduler.step_index
    genextras.invert(model, x, scheduler)
    assert torch.equal(x, copy)
    assert scheduler.step_index is index


def test_a_step_that_does_not_settle_is_named():
    scheduler = ready("flow", 2)
    with pytest.raises(RuntimeError, match=r"step at timestep \d+ must settle in 100 calls"):
        genextras.invert(lambda x, t: 9 * torch.sin(9 * x), images(), scheduler)


BAD = {
    "diffusers'": ("DDIM", TypeError, "one of genextras"),
    "no timesteps": (genextras.DDIMScheduler(clip_sample=False), ValueError, "its timesteps"),
    "bounds": (genextras.DDIMScheduler(), ValueError, "without bounds"),
    "two calls": (genextras.EDMScheduler(), ValueError, "of one call"),
    "a past": (genextras.MultistepScheduler(), ValueError, "of one call"),
    "noise": (genextras.DDPMScheduler(clip_sample=False), ValueError, "deterministic"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_sampler_without_an_inverse_is_refused(name):
    scheduler, kind, text = BAD[name]
    if hasattr(scheduler, "set_timesteps") and name != "no timesteps":
        scheduler.set_timesteps(5)
    with pytest.raises(kind, match=f"^invert: scheduler must be .*{text}.*, got "):
        genextras.invert(model, images(), scheduler)


@pytest.mark.parametrize("wrong", [{"max_calls": 0}, {"tolerance": -1.0}])
def test_impossible_limits_are_refused(wrong):
    with pytest.raises(ValueError, match=f"^invert: {next(iter(wrong))} must be"):
        genextras.invert(model, images(), ready("DDIM"), **wrong)


def test_bounds_of_another_class_do_not_count():
    """A config that comes from DDIM says ``clip_sample``, and a flow clips nothing."""
    theirs = diffusers.DDIMScheduler(clip_sample=True)
    scheduler = genextras.FlowMatchScheduler.from_config(theirs.config)
    assert scheduler.config["clip_sample"]
    scheduler.set_timesteps(5)
    data = torch.ones(1, 2)
    assert genextras.invert(lambda x, t: torch.sin(x), data, scheduler).isfinite().all()
