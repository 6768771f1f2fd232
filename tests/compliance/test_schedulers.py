"""What every scheduler of genextras owes a diffusers pipeline; a new class needs no line here."""

import inspect
import json
import os
import re
import subprocess
import sys
from inspect import isclass
from pathlib import Path

import diffusers
import pytest
import torch
from diffusers import DDPMPipeline, DiffusionPipeline, UNet2DModel

import genextras

ROOT = Path(__file__).parents[2]
SCHEDULERS = [cls for name in genextras.__all__ if isclass(cls := getattr(genextras, name))]
HOST = [c for cls in SCHEDULERS if (c := getattr(diffusers, cls.__name__, None)) is not None]
EVERY = pytest.mark.parametrize("scheduler_class", SCHEDULERS)
UNET = {"rtol": 0, "atol": 1e-4}  # convolutions round by how their weights lie in memory
MESSAGE = re.compile(r"\w+: \w+ must be .+, got .+\. [A-Z].+[.?]", re.DOTALL)
LOAD = """
import sys, torch, genextras
from diffusers import DiffusionPipeline
pipe = DiffusionPipeline.from_pretrained(sys.argv[1])
pipe.set_progress_bar_config(disable=True)
image = pipe(generator=torch.Generator().manual_seed(0), num_inference_steps=3, output_type="np")
torch.save((type(pipe.scheduler).__module__, torch.from_numpy(image.images)), sys.argv[2])
"""


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def images(seed=0, dtype=torch.float32, batch=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, 8, 8, generator=generator).to(dtype)


def stochastic(scheduler):
    """Words that make a step draw noise, where there are such words."""
    words = inspect.signature(scheduler.step).parameters
    return {"eta": 1.0} if "eta" in words else {}


def step(scheduler, x, t=None, seed=0, **options):
    t = scheduler.timesteps[0] if t is None else t
    generator = torch.Generator().manual_seed(seed)
    return scheduler.step(0.3 * x, t, x, generator=generator, **stochastic(scheduler), **options)


def run(scheduler, n_steps=4, seed=0):
    scheduler.set_timesteps(n_steps)
    x, generator = images() * scheduler.init_noise_sigma, torch.Generator().manual_seed(seed)
    for t in scheduler.timesteps:
        output = 0.3 * scheduler.scale_model_input(x, t)
        options = {"generator": generator, **stochastic(scheduler)}
        x = scheduler.step(output, t, x, return_dict=False, **options)[0]
    return x


def some_options(scheduler_class):
    """Another value for each option that has one; the rest keep their defaults."""
    words = inspect.signature(scheduler_class.__init__).parameters
    other = {
        "num_train_timesteps": 200,
        "beta_end": 0.03,
        "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction",
        "clip_sample": False,
        "timestep_spacing": "trailing",
        "compat": "diffusers",
    }
    return {word: value for word, value in other.items() if word in words}


def some_labels(scheduler):
    """A late label and an early one of the grid, for a batch of two."""
    return scheduler.timesteps[[-1, 1]]


def is_noisy(scheduler):
    """Whether a run draws noise after its start."""
    return (
        stochastic(scheduler)
        or scheduler.config.get("variance_type")
        or any(
            table.noise and any(table.noise)
            for table in scheduler._tables.values()
            if hasattr(table, "noise")
        )
    )


def settings(scheduler):
    return {k: v for k, v in scheduler.config.items() if not k.startswith("_")}


# --------------------------------------------------------------- config


@EVERY
def test_config_returns_from_a_folder(scheduler_class, tmp_path):
    scheduler = scheduler_class(**some_options(scheduler_class))
    scheduler.save_pretrained(tmp_path)
    loaded = scheduler_class.from_pretrained(tmp_path)
    assert settings(loaded) == settings(scheduler)
    assert torch.equal(run(loaded), run(scheduler))
    saved = json.loads((tmp_path / "scheduler_config.json").read_text())
    assert saved["_class_name"] == scheduler_class.__name__


@EVERY
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the host's own, of NumPy 2
def test_config_returns_from_every_compatible_scheduler(scheduler_class):
    scheduler = scheduler_class(**some_options(scheduler_class))
    assert scheduler_class in scheduler.compatibles
    assert set(HOST) <= set(scheduler.compatibles)
    for other in scheduler.compatibles:
        back = scheduler_class.from_config(other.from_config(scheduler.config).config)
        kept = {k: v for k, v in settings(back).items() if k in settings(scheduler)}
        assert kept == settings(scheduler), other


@EVERY
def test_options_of_other_schedulers_survive_a_visit(scheduler_class, tmp_path):
    theirs = diffusers.DPMSolverMultistepScheduler(solver_order=3, beta_end=0.03)
    ours = scheduler_class.from_config(theirs.config)
    assert ours.config["beta_end"] == 0.03
    ours.save_pretrained(tmp_path)
    for visitor in (ours, scheduler_class.from_pretrained(tmp_path)):
        assert type(theirs).from_config(visitor.config).config["solver_order"] == 3


@EVERY
def test_defaults_of_the_host_stay_defaults(scheduler_class):
    """A config holds what differs from the defaults, so shared words need equal defaults."""
    host = diffusers.DDIMScheduler()
    network = {}  # says noise, in a config of DDIM, which is not a score
    if scheduler_class in {genextras.SDEScheduler, genextras.AnnealedLangevinScheduler}:
        network["prediction_type"] = "epsilon"
    assert settings(scheduler_class.from_config(host.config)) == settings(
        scheduler_class(**network)
    )


@EVERY
def test_the_file_of_a_class_lets_diffusers_load_it(scheduler_class):
    """``from_pretrained`` looks for the name SchedulerMixin in the module of model_index.json."""
    module = sys.modules[scheduler_class.__module__]
    assert module.SchedulerMixin is diffusers.schedulers.scheduling_utils.SchedulerMixin
    assert getattr(module, scheduler_class.__name__) is scheduler_class


# --------------------------------------------------------------- pipelines


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=8,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
    )


def pictures(pipe):
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    made = pipe(generator=generator, num_inference_steps=3, output_type="np").images
    return torch.from_numpy(made)


@EVERY
def test_a_pipeline_runs_after_the_swap_and_loads_again(scheduler_class, unet, tmp_path):
    pipe = DDPMPipeline(unet, diffusers.DDPMScheduler(beta_end=0.03))
    before = pictures(pipe)
    pipe.scheduler = scheduler_class.from_config(pipe.scheduler.config)
    after = pictures(pipe)
    assert pipe.scheduler.config["beta_end"] == 0.03
    assert after.isfinite().all()
    assert after.shape == before.shape
    pipe.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["scheduler"] == [scheduler_class.__module__, scheduler_class.__name__]
    loaded = DiffusionPipeline.from_pretrained(tmp_path)
    assert type(loaded.scheduler) is scheduler_class
    torch.testing.assert_close(pictures(loaded), after, **UNET)


def test_a_saved_pipeline_loads_in_a_fresh_process(unet, tmp_path):
    """One process is enough: what counts is that ``import genextras`` imports every module."""
    pipe = DDPMPipeline(unet, SCHEDULERS[-1]())
    expected = pictures(pipe)
    pipe.save_pretrained(tmp_path / "pipe")
    arguments = [sys.executable, "-c", LOAD, tmp_path / "pipe", tmp_path / "result"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    module, made = torch.load(tmp_path / "result")
    assert module == SCHEDULERS[-1].__module__
    torch.testing.assert_close(made, expected, **UNET)


# --------------------------------------------------------------- steps


@EVERY
def test_attributes_that_pipelines_read_are_there(scheduler_class):
    scheduler = scheduler_class()
    assert scheduler.order >= 1
    assert scheduler.init_noise_sigma > 0
    assert len(scheduler) == scheduler.config["num_train_timesteps"]
    scheduler.set_timesteps(5, device="cpu")
    n_calls = len(scheduler.timesteps)  # methods of two stages may spare a call in the last step
    assert n_calls in (5 * scheduler.order, 5 * scheduler.order - (scheduler.order == 2))
    assert scheduler.num_inference_steps == 5
    x = images()
    assert scheduler.scale_model_input(x, scheduler.timesteps[0]).shape == x.shape


@EVERY
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_and_shape_are_kept(scheduler_class, dtype):
    scheduler, x = scheduler_class(), images(dtype=dtype)
    scheduler.set_timesteps(5)
    noisy = scheduler.add_noise(x, x, some_labels(scheduler))
    for result in (noisy, *step(scheduler, x, return_dict=False)):
        assert (result.dtype, result.shape) == (x.dtype, x.shape)
        assert result.isfinite().all()


@EVERY
def test_nothing_handed_in_is_changed(scheduler_class):
    scheduler, x, output, noise = scheduler_class(), images(), images(1), images(2)
    scheduler.set_timesteps(5)
    t = some_labels(scheduler)
    handed = [x, output, noise, t, scheduler.timesteps]
    handed += [
        getattr(scheduler, name)
        for name in ("betas", "alphas_cumprod", "sigmas")
        if hasattr(scheduler, name)
    ]
    before, config = [each.clone() for each in handed], dict(scheduler.config)
    scheduler.step(output, scheduler.timesteps[1], x, **stochastic(scheduler))
    scheduler.add_noise(x, noise, t)
    assert all(torch.equal(each, copy) for each, copy in zip(handed, before, strict=True))
    assert dict(scheduler.config) == config


@EVERY
def test_a_seed_decides_the_result(scheduler_class):
    assert torch.equal(run(scheduler_class()), run(scheduler_class()))
    scheduler = scheduler_class()
    first = run(scheduler)
    assert torch.equal(run(scheduler_class(), seed=1), first) != bool(is_noisy(scheduler))


@EVERY
def test_each_sample_may_have_its_own_generator(scheduler_class):
    """Then a sample is the same alone and in a batch."""
    scheduler, x = scheduler_class(), images()
    scheduler.set_timesteps(5)
    options, t = stochastic(scheduler), scheduler.timesteps[1]
    seeds = [torch.Generator().manual_seed(seed) for seed in (7, 8)]
    before = dict(scheduler._history)
    batch = scheduler.step(0.3 * x, t, x, generator=seeds, **options).prev_sample
    scheduler._history = before
    alone = [torch.Generator().manual_seed(8)]
    one = scheduler.step(0.3 * x[1:], t, x[1:], generator=alone, **options).prev_sample
    torch.testing.assert_close(batch[1:], one)


@EVERY
def test_a_second_run_starts_anew(scheduler_class):
    scheduler = scheduler_class()
    first = run(scheduler)
    run(scheduler, n_steps=7)
    assert torch.equal(run(scheduler), first)


@EVERY
def test_runs_may_start_in_the_middle(scheduler_class):
    """Image-to-image slices the timesteps; a step must not depend on the ones left out."""
    scheduler, x = scheduler_class(), images()
    scheduler.set_timesteps(6)
    fresh = scheduler_class()
    fresh.set_timesteps(6)
    start = 3 * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    t = scheduler.timesteps[start:][0]
    assert torch.equal(step(scheduler, x, t).prev_sample, step(fresh, x, t).prev_sample)


@EVERY
def test_tuple_and_named_results_are_the_same(scheduler_class):
    scheduler, x = scheduler_class(), images()
    scheduler.set_timesteps(5)
    named, plain = step(scheduler, x), step(scheduler, x, return_dict=False)
    assert len(named.to_tuple()) == len(plain)
    assert all(torch.equal(a, b) for a, b in zip(named.to_tuple(), plain, strict=True))
    assert torch.equal(named.prev_sample, plain[0])


@EVERY
def test_noise_grows_with_the_timestep_and_none_is_left_at_the_end(scheduler_class):
    scheduler, x_0, noise = scheduler_class(), images(), images(1)
    scheduler.set_timesteps(4)
    timesteps = scheduler.timesteps.unique().sort().values
    noisy = [scheduler.add_noise(x_0, noise, t[None]) for t in timesteps]
    levels = [scheduler._levels(t.double()[None]) for t in timesteps]
    shares = [(b / (a + b)).item() for a, b in levels]
    assert shares == sorted(shares)
    for each, (a, b) in zip(noisy, levels, strict=True):
        torch.testing.assert_close(each, (a * x_0 + b * noise).float(), rtol=1e-5, atol=1e-5)


# --------------------------------------------------------------- errors


@EVERY
def test_misspelt_choices_are_refused_in_one_form(scheduler_class):
    words = inspect.signature(scheduler_class.__init__).parameters
    choices = {name for name, word in words.items() if isinstance(word.default, str)}
    assert {"prediction_type", "compat"} <= choices
    for name in choices:
        with pytest.raises(ValueError, match=f"{scheduler_class.__name__}: {name} must") as caught:
            scheduler_class(**{name: words[name].default + "x"})
        assert MESSAGE.fullmatch(str(caught.value)), caught.value


@EVERY
@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"num_inference_steps": 0}, ValueError),
        ({"num_inference_steps": 10**6}, ValueError),
        ({"num_inference_steps": "ten"}, TypeError),
    ],
)
def test_impossible_counts_are_refused_in_one_form(scheduler_class, arguments, kind):
    with pytest.raises(kind) as caught:
        scheduler_class().set_timesteps(**arguments)
    assert MESSAGE.fullmatch(str(caught.value)), caught.value


@EVERY
def test_shapes_that_differ_are_refused_in_one_form(scheduler_class):
    scheduler, x = scheduler_class(), images()
    scheduler.set_timesteps(5)
    with pytest.raises(ValueError, match="model_output") as caught:
        scheduler.step(x[:, :2], scheduler.timesteps[0], x)
    assert MESSAGE.fullmatch(str(caught.value)), caught.value


def test_a_missing_file_of_our_own_is_not_reported_as_a_missing_dependency(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "genextras"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "genextras.schedulers.ddim", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        __import__("genextras")
    assert caught.value.name == "genextras.schedulers.ddim"
    assert "pip install" not in str(caught.value)
