"""Tiny random pipelines of diffusers, offline, with our scheduler swapped in."""

import diffusers
import pytest
import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

import genextras
from tests.genextras.networks import (
    latent_coder,
    seeded,
    tiny_cogview4,
    tiny_flux,
    tiny_ltx_condition,
    tiny_mochi,
    tiny_sd3,
    tiny_sdxl,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # the hosts' own: deprecations, missing checkers
SD = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
}
SWAPS = {  # ours, the peer that it replaces, and options that make both the same sampler
    "DDIM": (genextras.DDIMScheduler, diffusers.DDIMScheduler, {"clip_sample": False}),
    "DDPM": (genextras.DDPMScheduler, diffusers.DDPMScheduler, {"clip_sample": False}),
    "DPM++": (
        genextras.MultistepScheduler,
        diffusers.DPMSolverMultistepScheduler,
        {"timestep_spacing": "trailing"},
    ),
}
UNET = {
    "sample_size": 8,
    "layers_per_block": 1,
    "block_out_channels": (8, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "cross_attention_dim": 8,
    "norm_num_groups": 4,
    "attention_head_dim": 4,
}
UP = ("CrossAttnUpBlock2D", "UpBlock2D")


@pytest.fixture(scope="module")
def parts():
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2}
    with seeded():
        text = CLIPTextModel(CLIPTextConfig(num_hidden_layers=1, vocab_size=50, **sizes))
        unet = UNet2DConditionModel(in_channels=4, out_channels=4, up_block_types=UP, **UNET)
    vae = latent_coder()
    nothing = dict.fromkeys(("tokenizer", "safety_checker", "feature_extractor"))
    return {"vae": vae, "text_encoder": text, "unet": unet, **nothing}


def prompt():
    generator = torch.Generator().manual_seed(1)
    words = torch.randn(2, 1, 7, 8, generator=generator)
    return {"prompt_embeds": words[0], "negative_prompt_embeds": words[1], "guidance_scale": 3.0}


def pictures(pipe, **options):
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    return pipe(generator=generator, output_type="latent", **prompt(), **options).images


def image(channels=3):
    return torch.rand(1, channels, 16, 16, generator=torch.Generator().manual_seed(2))


TASKS = {
    "text to image": (StableDiffusionPipeline, {"height": 16, "width": 16}),
    "image to image": (StableDiffusionImg2ImgPipeline, {"image": image(), "strength": 0.5}),
    "inpainting": (
        StableDiffusionInpaintPipeline,
        {"image": image(), "mask_image": image(1).round(), "strength": 0.7}
        | {"height": 16, "width": 16},
    ),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("swap", SWAPS)
def test_a_swap_gives_the_same_pictures(parts, task, swap):
    ours, theirs, options = SWAPS[swap]
    make, arguments = TASKS[task]
    pipe = make(**parts, scheduler=theirs(**SD, **options), requires_safety_checker=False)
    expected = pictures(pipe, num_inference_steps=6, **arguments)
    pipe.scheduler = ours.from_config(pipe.scheduler.config)
    made = pictures(pipe, num_inference_steps=6, **arguments)
    assert type(pipe.scheduler) is ours
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4)  # six networks in float32


def test_a_swap_under_a_controlnet(parts):
    with seeded(1):
        control = ControlNetModel(
            in_channels=4,
            conditioning_embedding_out_channels=(4, 8),
            **_without(UNET, "sample_size"),
        )
    pipe = StableDiffusionControlNetPipeline(
        **parts,
        controlnet=control,
        scheduler=diffusers.DDIMScheduler(clip_sample=False, **SD),
        requires_safety_checker=False,
    )
    options = {"image": image(), "height": 16, "width": 16, "num_inference_steps": 4}
    expected = pictures(pipe, **options)
    pipe.scheduler = genextras.DDIMScheduler.from_config(pipe.scheduler.config)
    torch.testing.assert_close(pictures(pipe, **options), expected, rtol=1e-4, atol=1e-4)


def _without(options, name):
    return {key: value for key, value in options.items() if key != name}


@pytest.mark.parametrize("name", ["DDIM", "DPM++"])
def test_a_chosen_grid_goes_through_a_pipeline(parts, name):
    ours, theirs, options = SWAPS[name]
    scheduler = ours.from_config(theirs(**SD, **options).config)
    pipe = StableDiffusionPipeline(**parts, scheduler=scheduler, requires_safety_checker=False)
    words = prompt()["prompt_embeds"]

    def model(x, t):
        return parts["unet"](x, t, words.expand(len(x), -1, -1)).sample

    data = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    grid = genextras.optimise_grid(model, data, 5, scheduler=scheduler, n_levels=24)
    made = pictures(pipe, height=16, width=16, timesteps=grid.timesteps)
    assert made.isfinite().all()
    assert pipe.scheduler.timesteps.tolist() == pytest.approx(grid.timesteps)


def flow_pictures(pipe, **options):
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    common = {"generator": generator, "output_type": "latent", "num_inference_steps": 5}
    return pipe(**common, **options).images


def matching(scheduler, **options):
    """Our flow scheduler from the peer's config, on the peer's grid."""
    config = scheduler.config
    return genextras.FlowMatchScheduler.from_config(config, compat="diffusers", **options)


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("task", ["text to image", "image to image"])
def test_a_swap_under_a_flow_transformer(shift, task):
    """SD3 with its text encoders left out."""
    pipe, words = tiny_sd3(diffusers.FlowMatchEulerDiscreteScheduler(shift=shift))
    options = {"height": 16, "width": 16}
    if task == "image to image":
        pipe = diffusers.StableDiffusion3Img2ImgPipeline(**pipe.components)
        options |= {"image": image(), "strength": 0.6}
    expected = flow_pictures(pipe, **words, **options)
    pipe.scheduler = matching(pipe.scheduler)
    made = flow_pictures(pipe, **words, **options)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4)


def test_a_swap_under_flux_with_dynamic_shift():
    """Flux computes mu from the image's size, and passes sigmas of its own."""
    pipe, words = tiny_flux(diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True))
    expected = flow_pictures(pipe, **words, height=16, width=16)
    pipe.scheduler = matching(pipe.scheduler)
    assert pipe.scheduler.config.use_dynamic_shifting
    made = flow_pictures(pipe, **words, height=16, width=16)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4)
    pipe.scheduler = genextras.FlowMatchScheduler.from_config(pipe.scheduler.config, solver="heun")
    assert flow_pictures(pipe, **words, height=16, width=16).isfinite().all()


def test_a_swap_under_cogview4():
    """It passes labels of its own beside sigmas, and shifts these alone."""
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, time_shift_type="linear", base_shift=0.25, max_shift=0.75
    )
    pipe, words = tiny_cogview4(scheduler)
    expected = flow_pictures(pipe, **words, height=16, width=16)
    pipe.scheduler = genextras.FlowMatchScheduler.from_config(scheduler.config)
    made = flow_pictures(pipe, **words, height=16, width=16)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4)
    assert pipe.scheduler.timesteps[0] == 1000
    assert pipe.scheduler.timesteps[1] > 1000 * pipe.scheduler.sigmas[1]


def frames(pipe, **options):
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    return pipe(generator=generator, num_inference_steps=4, output_type="latent", **options).frames


@pytest.mark.parametrize("options", [{"invert_sigmas": True}, {"invert_sigmas": True, "shift": 3}])
def test_a_swap_under_mochi_whose_time_runs_from_noise_to_data(options):
    pipe, call = tiny_mochi(diffusers.FlowMatchEulerDiscreteScheduler(**options))
    expected = frames(pipe, **call)
    pipe.scheduler = genextras.FlowMatchScheduler.from_config(pipe.scheduler.config)
    torch.testing.assert_close(frames(pipe, **call), expected, rtol=1e-4, atol=1e-4)
    pipe.scheduler = genextras.FlowMatchScheduler.from_config(pipe.scheduler.config, solver="heun")
    assert frames(pipe, **call).isfinite().all()


def test_a_swap_under_ltx_whose_tokens_have_times_of_their_own():
    pipe, call = tiny_ltx_condition(diffusers.FlowMatchEulerDiscreteScheduler())
    expected = frames(pipe, **call)
    pipe.scheduler = matching(pipe.scheduler)
    torch.testing.assert_close(frames(pipe, **call), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("swap", SWAPS)
def test_a_swap_under_sdxl(swap):
    ours, theirs, options = SWAPS[swap]
    pipe, words = tiny_sdxl(theirs(**SD, **options))
    size = {"height": 16, "width": 16, "guidance_scale": 3.0}
    expected = flow_pictures(pipe, **words, **size)
    pipe.scheduler = ours.from_config(pipe.scheduler.config)
    made = flow_pictures(pipe, **words, **size)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4)


FAMILY = {  # every class, in forms that make few calls of the network
    "DDIM": (genextras.DDIMScheduler, {}),
    "DDPM": (genextras.DDPMScheduler, {}),
    "inverse": (genextras.DDIMInverseScheduler, {}),
    "multistep": (genextras.MultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "adams": (genextras.MultistepScheduler, {"algorithm_type": "adams", "solver_order": 3}),
    "EDM": (genextras.EDMScheduler, {"s_churn": 5.0}),
    "flow": (genextras.FlowMatchScheduler, {}),
    "VP": (genextras.SDEScheduler, {"n_corrector_steps": 1}),
    "VE": (genextras.SDEScheduler, {"sde": "ve", "predictor": "ode_heun"}),
    "SMLD": (genextras.AnnealedLangevinScheduler, {"n_each": 2}),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", FAMILY)
def test_every_scheduler_runs_and_returns_from_the_pipelines_folder(parts, tmp_path, name, task):
    ours, options = FAMILY[name]
    make, arguments = TASKS[task]
    pipe = make(**parts, scheduler=diffusers.DDIMScheduler(**SD), requires_safety_checker=False)
    pipe.scheduler = ours.from_config(pipe.scheduler.config, **options)
    made = pictures(pipe, num_inference_steps=4, **arguments)
    assert made.isfinite().all()
    assert made.shape == (1, 4, 8, 8)
    pipe.scheduler.save_pretrained(tmp_path)  # as a pipeline saves it; a whole one is read below
    pipe.scheduler = ours.from_pretrained(tmp_path)
    assert options.items() <= dict(pipe.scheduler.config).items()
    again = pictures(pipe, num_inference_steps=4, **arguments)
    torch.testing.assert_close(again, made, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["multistep", "DDIM", "EDM", "flow"])
def test_a_swapped_pipeline_returns_from_its_folder(parts, tmp_path, name):
    ours, options = FAMILY[name]
    scheduler = diffusers.DDIMScheduler(clip_sample=False, **SD)
    pipe = StableDiffusionPipeline(**parts, scheduler=scheduler, requires_safety_checker=False)
    pipe.scheduler = ours.from_config(pipe.scheduler.config, **options)
    size = {"height": 16, "width": 16, "num_inference_steps": 3}
    expected = pictures(pipe, **size)
    pipe.save_pretrained(tmp_path)
    loaded = StableDiffusionPipeline.from_pretrained(tmp_path, safety_checker=None, tokenizer=None)
    assert type(loaded.scheduler) is ours
    torch.testing.assert_close(pictures(loaded, **size), expected, rtol=1e-4, atol=1e-4)
