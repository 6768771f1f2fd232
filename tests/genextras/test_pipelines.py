"""Tiny random pipelines of diffusers, offline, with our scheduler swapped in."""

import diffusers
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

import genextras

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
    with torch.random.fork_rng():
        torch.manual_seed(0)
        blocks = {"block_out_channels": (8, 16), "norm_num_groups": 4, "latent_channels": 4}
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            **blocks,
        )
        sizes = {"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2}
        text = CLIPTextModel(CLIPTextConfig(num_hidden_layers=1, vocab_size=50, **sizes))
        unet = UNet2DConditionModel(in_channels=4, out_channels=4, up_block_types=UP, **UNET)
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
    with torch.random.fork_rng():
        torch.manual_seed(1)
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


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_swap_under_a_flow_transformer(shift):
    """The loop of SD3 around its tiny transformer, whose pipeline needs three text encoders."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformer = diffusers.SD3Transformer2DModel(
            sample_size=8,
            patch_size=1,
            in_channels=4,
            num_layers=1,
            attention_head_dim=4,
            num_attention_heads=2,
            joint_attention_dim=8,
            caption_projection_dim=8,
            pooled_projection_dim=8,
            out_channels=4,
        )
    pipe = diffusers.StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=shift),
        vae=AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            latent_channels=4,
        ),
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=None,
        tokenizer_2=None,
        text_encoder_3=None,
        tokenizer_3=None,
    )
    words = torch.randn(2, 1, 7, 8, generator=torch.Generator().manual_seed(1))
    pooled = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(2))
    pipe.set_progress_bar_config(disable=True)
    results = []
    for scheduler in (
        pipe.scheduler,
        genextras.FlowMatchScheduler.from_config(pipe.scheduler.config, compat="diffusers"),
    ):
        pipe.scheduler = scheduler
        made = pipe(
            prompt_embeds=words[0],
            negative_prompt_embeds=words[1],
            pooled_prompt_embeds=pooled[0],
            negative_pooled_prompt_embeds=pooled[1],
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
            num_inference_steps=5,
            height=16,
            width=16,
        )
        results.append(made.images)
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["MultistepScheduler", "DDIMScheduler", "DDPMScheduler"])
def test_a_swapped_pipeline_returns_from_its_folder(parts, tmp_path, name):
    pipe = StableDiffusionPipeline(
        **parts,
        scheduler=diffusers.DDIMScheduler(clip_sample=False, **SD),
        requires_safety_checker=False,
    )
    pipe.scheduler = getattr(genextras, name).from_config(pipe.scheduler.config)
    options = {"height": 16, "width": 16, "num_inference_steps": 3}
    expected = pictures(pipe, **options)
    pipe.save_pretrained(tmp_path)
    loaded = StableDiffusionPipeline.from_pretrained(tmp_path, safety_checker=None, tokenizer=None)
    assert type(loaded.scheduler) is getattr(genextras, name)
    torch.testing.assert_close(pictures(loaded, **options), expected, rtol=1e-4, atol=1e-4)
