"""Whole trajectories beside diffusers: equal where it is right, the size of the gap elsewhere."""

import inspect
from functools import cache
from itertools import pairwise

import diffusers
import pytest
import torch

import genextras

LEARNED = ("learned", "learned_range")
NAMES = ("DDIMScheduler", "DDPMScheduler")
PREDICTIONS = ("epsilon", "sample", "v_prediction")
SPACINGS = ("leading", "trailing", "linspace")
BOUNDS = {
    "free": {"clip_sample": False},
    "clipped": {"clip_sample": True, "clip_sample_range": 0.8},
    "thresholded": {"thresholding": True, "sample_max_value": 2.0},
}
NEIGHBOURS = {"rtol": 0, "atol": 1e-4}  # the peer's 1 - ᾱ_t/ᾱ_s loses four of its seven digits
TOLERANCE = {"rtol": 0, "atol": 1e-5}  # float32, 15 steps, samples of scale 1 to 4


@cache
def weights():
    return 0.25 * torch.randn(8, 8, generator=torch.Generator().manual_seed(1))


def images(seed=0):
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def network(x, t, scheduler):
    """A smooth denoiser beyond the bounds of data, in the words the scheduler expects."""
    alpha_bar = scheduler.alphas_cumprod[t]
    a, b = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    data = 1.3 * torch.tanh(0.8 * a * (x + x @ weights()))
    if scheduler.config.prediction_type == "sample":
        return data
    if scheduler.config.prediction_type == "v_prediction":
        return (a * x - data) / b  # v = a ε - b x_0 with ε = (x - a x_0) / b
    return (x - a * data) / b


def walk(scheduler, timesteps, **step_options):
    """(every x, state of the generator at the end)"""
    generator, x, path = torch.Generator().manual_seed(3), images(), []
    for t in timesteps:
        output = network(x, t, scheduler)
        variance_type = scheduler.config.get("variance_type")
        if variance_type in LEARNED:
            share = torch.tanh(x)
            output = torch.cat([output, share if variance_type == LEARNED[1] else share**2], dim=1)
        x = scheduler.step(output, t, x, generator=generator, **step_options).prev_sample
        path.append(x)
    return torch.stack(path), generator.get_state()


def both(name, n_steps, step_options=None, compat="none", **options):
    """Trajectories of ours and of the peer's class of the same name."""
    ours = getattr(genextras, name)(compat=compat, **options)
    peers = getattr(diffusers, name)(**options)
    step_options = step_options or {}
    for scheduler in (ours, peers):
        scheduler.set_timesteps(n_steps)
    mine, my_state = walk(ours, ours.timesteps, **step_options)
    theirs, their_state = walk(peers, peers.timesteps, **step_options)
    assert torch.equal(my_state, their_state)  # as many numbers drawn
    assert ours.timesteps.tolist() == peers.timesteps.tolist()
    return mine, theirs


# --------------------------------------------------------------- where diffusers is right


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize(
    ("spacing", "variance_type"),
    [
        (spacing, kind)
        for spacing in SPACINGS
        for kind in ("fixed_small", "fixed_small_log", "fixed_large", *LEARNED)
        if spacing != "trailing" or kind.startswith("fixed_small")
    ],
)
def test_ddpm_trajectories_are_equal(bound, prediction, spacing, variance_type):
    mine, theirs = both(
        "DDPMScheduler",
        15,
        prediction_type=prediction,
        timestep_spacing=spacing,
        variance_type=variance_type,
        **BOUNDS[bound],
    )
    torch.testing.assert_close(mine, theirs, **TOLERANCE)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("rederive", [False, True])
@pytest.mark.parametrize(("spacing", "n_steps"), [("leading", 15), ("trailing", 10)])
def test_ddim_trajectories_are_equal_where_strides_are(
    bound, prediction, eta, rederive, spacing, n_steps
):
    mine, theirs = both(
        "DDIMScheduler",
        n_steps,
        {"eta": eta, "use_clipped_model_output": rederive},
        prediction_type=prediction,
        timestep_spacing=spacing,
        **BOUNDS[bound],
    )
    torch.testing.assert_close(mine, theirs, **TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "options",
    [
        {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
        {"beta_schedule": "squaredcos_cap_v2"},
        {"trained_betas": [0.002 * i for i in range(1, 101)], "num_train_timesteps": 100},
        {"steps_offset": 1, "beta_schedule": "scaled_linear"},
        {"num_train_timesteps": 250},
    ],
)
def test_noise_schedules_are_equal(name, options):
    mine, theirs = both(name, 10, **options)
    torch.testing.assert_close(mine, theirs, **TOLERANCE)


@pytest.mark.parametrize("schedule", ["sigmoid", "laplace"])
def test_noise_schedules_of_ddpm_alone_are_equal(schedule):
    mine, theirs = both("DDPMScheduler", 10, beta_schedule=schedule)
    torch.testing.assert_close(mine, theirs, **TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prediction", ["sample", "v_prediction"])
def test_zero_terminal_snr_is_equal(name, prediction):
    mine, theirs = both(
        name,
        10,
        prediction_type=prediction,
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )
    torch.testing.assert_close(mine, theirs, **TOLERANCE)


@pytest.mark.parametrize("set_alpha_to_one", [True, False])
def test_final_level_of_ddim_is_equal(set_alpha_to_one):
    mine, theirs = both("DDIMScheduler", 10, {"eta": 0.5}, set_alpha_to_one=set_alpha_to_one)
    torch.testing.assert_close(mine, theirs, **TOLERANCE)


def test_every_level_without_set_timesteps_is_equal():
    levels = range(999, -1, -1)
    mine, theirs = (walk(lib.DDPMScheduler(), levels)[0] for lib in (genextras, diffusers))
    torch.testing.assert_close(mine, theirs, **NEIGHBOURS)


@pytest.mark.parametrize("t", [1, 2, 5])
def test_between_neighbours_ours_keeps_the_digits_that_diffusers_loses(t):
    """With data known and a learned variance of 0, x = √ᾱ_t x_0 must go to √ᾱ_s x_0."""
    x_0, errors = torch.ones(1, 1, 1, 1), {}
    known = torch.cat([x_0, torch.zeros_like(x_0)], dim=1)
    for library in (genextras, diffusers):
        scheduler = library.DDPMScheduler(prediction_type="sample", variance_type="learned")
        here, there = scheduler.alphas_cumprod[[t, t - 1]].double().sqrt().tolist()
        x = scheduler.step(known, t, here * x_0).prev_sample
        errors[library.__name__] = abs(x.item() - there)
    assert errors["genextras"] < 2e-7  # float32
    assert errors["diffusers"] > 1e-5


def test_own_timesteps_are_equal():
    paths = []
    for library in (genextras, diffusers):
        scheduler = library.DDPMScheduler()
        scheduler.set_timesteps(timesteps=[900, 650, 400, 50, 3, 0])
        paths.append(walk(scheduler, scheduler.timesteps)[0])
    torch.testing.assert_close(*paths, **NEIGHBOURS)


@pytest.mark.parametrize("name", NAMES)
def test_the_predicted_data_are_equal(name):
    outputs = []
    for library in (genextras, diffusers):
        scheduler = getattr(library, name)()
        scheduler.set_timesteps(10)
        t, x = scheduler.timesteps[4], images()
        outputs.append(scheduler.step(network(x, t, scheduler), t, x).pred_original_sample)
    torch.testing.assert_close(*outputs, **TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["add_noise", "get_velocity"])
def test_the_forward_process_is_equal_in_float32(name, method):
    x, noise, t = images(), images(1), torch.tensor([3, 700])
    results = [getattr(getattr(lib, name)(), method)(x, noise, t) for lib in (genextras, diffusers)]
    torch.testing.assert_close(*results, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_equal_but_for_compat(name):
    """Pipelines look for words in ``step``; configs hold only what differs from the defaults."""
    mine, theirs = getattr(genextras, name), getattr(diffusers, name)

    def words(function):
        return {p.name: p.default for p in inspect.signature(function).parameters.values()}

    assert list(words(mine.step).items()) == list(words(theirs.step).items())
    expected = [*words(theirs.__init__).items(), ("compat", "none")]
    assert list(words(mine.__init__).items()) == expected


@pytest.mark.parametrize("name", NAMES)
def test_attributes_that_pipelines_read_are_equal(name):
    mine, theirs = getattr(genextras, name)(), getattr(diffusers, name)()
    for scheduler in (mine, theirs):
        scheduler.set_timesteps(10)
    public = [word for word in vars(theirs) if not word.startswith("_")]
    for word in ("order", *public):
        ours, wanted = getattr(mine, word), getattr(theirs, word)
        assert type(ours) is type(wanted), word
        torch.testing.assert_close(ours, wanted) if torch.is_tensor(wanted) else None
        assert torch.is_tensor(wanted) or ours == wanted, word
    assert len(mine) == len(theirs)


@pytest.mark.parametrize("pipeline", ["DDPMPipeline", "DDIMPipeline"])
def test_pictures_of_a_pipeline_are_equal(pipeline):
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
    )
    name = pipeline.replace("Pipeline", "Scheduler")
    pipe = getattr(diffusers, pipeline)(unet, getattr(diffusers, name)(beta_end=0.03))
    pipe.set_progress_bar_config(disable=True)
    options = {"eta": 0.5, "use_clipped_model_output": True} if "DDIM" in name else {}
    pictures = []
    for library in (diffusers, genextras):
        pipe.scheduler = getattr(library, name).from_config(pipe.scheduler.config)
        generator = torch.Generator().manual_seed(0)
        made = pipe(generator=generator, num_inference_steps=4, output_type="np", **options)
        pictures.append(torch.from_numpy(made.images))
    assert type(pipe.scheduler) is getattr(genextras, name)
    torch.testing.assert_close(*pictures, **TOLERANCE)


# --------------------------------------------------------------- where diffusers is wrong


@pytest.mark.parametrize(
    ("spacing", "n_steps", "n_wrong", "stride_error"),
    [("linspace", 10, 9, 11), ("linspace", 30, 29, 2), ("trailing", 15, 9, 1)],
)
def test_ddim_of_diffusers_misses_the_level_it_evaluates_next(
    spacing, n_steps, n_wrong, stride_error
):
    """x is left at level t - T // n, and shown to the network as one of the next timestep."""
    options = {"timestep_spacing": spacing, "clip_sample": False}
    scheduler = genextras.DDIMScheduler(**options)
    scheduler.set_timesteps(n_steps)
    labels = scheduler.timesteps.tolist()
    misses = [abs(t - 1000 // n_steps - s) for t, s in pairwise(labels)]
    assert (sum(miss > 0 for miss in misses), max(misses)) == (n_wrong, stride_error)
    mine, theirs = both("DDIMScheduler", n_steps, **options)
    assert (mine - theirs).abs().max() > 0.01
    same, theirs = both("DDIMScheduler", n_steps, compat="diffusers", **options)
    torch.testing.assert_close(same, theirs, **TOLERANCE)


@pytest.mark.parametrize(("n_steps", "gap"), [(10, 1.0), (30, 0.5)])
def test_ddim_of_diffusers_leaves_the_path_of_a_perfect_network(n_steps, gap):
    """Data and noise known exactly: every x must be √ᾱ x_0 + √(1 - ᾱ) ε of its own timestep."""
    x_0, epsilon, distance = images(), images(1), {}
    for library in (genextras, diffusers):
        scheduler = library.DDIMScheduler(clip_sample=False, timestep_spacing="linspace")
        scheduler.set_timesteps(n_steps)
        x, gaps = scheduler.add_noise(x_0, epsilon, scheduler.timesteps[:1]), []
        for t in scheduler.timesteps:
            gaps.append((x - scheduler.add_noise(x_0, epsilon, t[None])).abs().max().item())
            x = scheduler.step(epsilon, t, x).prev_sample
        distance[library.__name__] = max(gaps)
    assert distance["genextras"] < 2e-4  # float32 over 1/√ᾱ_T = 157
    assert distance["diffusers"] > gap


@pytest.mark.parametrize(
    ("variance_type", "std"), [("fixed_large", 0.32), ("learned", None), ("learned_range", 0.32)]
)
def test_ddpm_of_diffusers_adds_noise_in_its_last_step(variance_type, std):
    """Standard deviation of x where the network knows that data are 0; 10 trailing steps."""
    options = {
        "variance_type": variance_type,
        "timestep_spacing": "trailing",
        "prediction_type": "sample",
    }
    spreads = {}
    for label, scheduler in {
        "none": genextras.DDPMScheduler(**options),
        "diffusers": genextras.DDPMScheduler(**options, compat="diffusers"),
        "peer": diffusers.DDPMScheduler(**options),
    }.items():
        scheduler.set_timesteps(10)
        x, generator = torch.randn(8, 1, 32, 32), torch.Generator().manual_seed(0)
        output = torch.zeros_like(x)
        if variance_type in LEARNED:
            output = torch.cat([output, torch.ones_like(x)], dim=1)
        last = scheduler.step(output, scheduler.timesteps[-1], x, generator=generator)
        spreads[label] = last.prev_sample.std().item()
    assert spreads["none"] == 0
    assert spreads["diffusers"] == pytest.approx(spreads["peer"], abs=1e-6)
    assert spreads["peer"] == pytest.approx(std or 1.0, abs=0.02)


@pytest.mark.parametrize("variance_type", ["fixed_large", *LEARNED])
def test_diffusers_mode_reproduces_noise_in_the_last_step(variance_type):
    options = {"timestep_spacing": "trailing", "variance_type": variance_type}
    mine, theirs = both("DDPMScheduler", 15, compat="diffusers", **options)
    torch.testing.assert_close(mine, theirs, **TOLERANCE)
    right, _ = both("DDPMScheduler", 15, **options)
    torch.testing.assert_close(right[:-1], theirs[:-1], **TOLERANCE)
    assert (right[-1] - theirs[-1]).abs().max() > 0.1


@pytest.mark.parametrize("compat", ["none", "diffusers"])
def test_large_variance_as_a_logarithm_is_not_a_number_in_diffusers_and_is_here(compat):
    """There is nothing to reproduce: ours is the large variance in both modes."""
    mine, theirs = both("DDPMScheduler", 10, compat=compat, variance_type="fixed_large_log")
    large, _ = both("DDPMScheduler", 10, compat=compat, variance_type="fixed_large")
    assert theirs.isnan().all()
    assert torch.equal(mine, large)


@pytest.mark.parametrize(
    ("dtype", "t", "share"),
    [
        (torch.bfloat16, 0, 0.0),
        (torch.bfloat16, 8, 0.0),
        (torch.bfloat16, 16, 0.94),
        (torch.float16, 1, 0.0),
        (torch.float16, 4, 0.84),
    ],
)
def test_noise_of_diffusers_vanishes_in_half_precision(dtype, t, share):
    noise, shares = images().to(dtype), {}
    for library in (genextras, diffusers):
        scheduler = library.DDPMScheduler()
        noisy = scheduler.add_noise(torch.zeros_like(noise), noise, torch.tensor([t]))
        wanted = (1 - scheduler.alphas_cumprod[t].double()).sqrt()
        shares[library.__name__] = (noisy.double().std() / noise.double().std() / wanted).item()
    assert shares["genextras"] == pytest.approx(1, abs=2e-3)
    assert shares["diffusers"] == pytest.approx(share, abs=0.02)


def test_trailing_of_diffusers_asks_the_network_for_timestep_minus_one():
    """np.arange(1000, 0, -1000 / 61) has 62 members; the extra one is no level at all."""
    labels = {}
    for library in (genextras, diffusers):
        scheduler = library.DDIMScheduler(timestep_spacing="trailing")
        scheduler.set_timesteps(61)
        labels[library.__name__] = scheduler.timesteps.tolist()
    assert labels["diffusers"] == [*labels["genextras"], -1]


@pytest.mark.parametrize("compat", ["none", "diffusers"])
def test_epsilon_at_zero_snr_is_refused_here_and_not_finite_in_diffusers(compat):
    options = {
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
        "clip_sample": False,
    }
    mine, theirs = (
        genextras.DDIMScheduler(**options, compat=compat),
        diffusers.DDIMScheduler(**options),
    )
    for scheduler in (mine, theirs):
        scheduler.set_timesteps(10)
    x = images()
    assert not theirs.step(0.5 * x, theirs.timesteps[0], x).prev_sample.isfinite().any()
    with pytest.raises(ValueError, match="invertible at timestep 999"):
        mine.step(0.5 * x, mine.timesteps[0], x)


def test_misspelt_options_pass_in_diffusers_and_not_here():
    diffusers.DDPMScheduler(prediction_type="epsilom", variance_type="other")
    for options in ({"prediction_type": "epsilom"}, {"variance_type": "other"}):
        with pytest.raises(ValueError, match="must be one of"):
            genextras.DDPMScheduler(**options)
