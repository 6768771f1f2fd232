"""Tiny random networks of diffusers, made offline, in pipelines without text encoders."""

from contextlib import contextmanager

import diffusers
import torch
from PIL import Image

__all__ = [
    "latent_coder",
    "seeded",
    "tiny_cogview4",
    "tiny_flux",
    "tiny_ltx_condition",
    "tiny_mochi",
    "tiny_sd3",
    "tiny_sdxl",
]


@contextmanager
def seeded(seed=0):
    """Let torch's global generator decide weights, and leave it as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def words(prefix="", seed=1):
    """Embeddings of a prompt, in place of a text encoder."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"prompt_embeds": (1, 7, 8), "pooled_prompt_embeds": (1, 8)}
    return {f"{prefix}{k}": torch.randn(v, generator=generator) for k, v in shapes.items()}


def latent_coder(channels=4, **options):
    """Images of 16 x 16 to latents of 8 x 8, and back."""
    with seeded():
        return diffusers.AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            latent_channels=channels,
            **options,
        )


def without_text(n_encoders):
    """The parts that turn a prompt into numbers, absent."""
    numbers = ["", *[f"_{i}" for i in range(2, n_encoders + 1)]]
    return {f"{part}{i}": None for i in numbers for part in ("text_encoder", "tokenizer")}


def tiny_sd3(scheduler):
    """Stable Diffusion 3, and arguments of a call."""
    with seeded():
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
    coder = latent_coder(shift_factor=0.06)
    pipe = diffusers.StableDiffusion3Pipeline(
        transformer=transformer, scheduler=scheduler, vae=coder, **without_text(3)
    )
    return pipe, words() | words("negative_", seed=2)


def tiny_cogview4(scheduler):
    """CogView4, which gives times to its network that are not those of the steps."""
    with seeded():
        transformer = diffusers.CogView4Transformer2DModel(
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            attention_head_dim=4,
            num_attention_heads=2,
            text_embed_dim=8,
            time_embed_dim=8,
            condition_dim=4,
        )
    pipe = diffusers.CogView4Pipeline(
        transformer=transformer, scheduler=scheduler, vae=latent_coder(), **without_text(1)
    )
    embeddings = words() | words("negative_", seed=2)
    return pipe, {k: v for k, v in embeddings.items() if "pooled" not in k}


def tiny_flux(scheduler):
    """Flux, and arguments of a call."""
    with seeded():
        transformer = diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=8,
            pooled_projection_dim=8,
            axes_dims_rope=(4, 4, 8),
        )
    pipe = diffusers.FluxPipeline(
        transformer=transformer, scheduler=scheduler, vae=latent_coder(1), **without_text(2)
    )
    return pipe, words()


def masked_words():
    """Embeddings of a prompt and of none, all of whose words count."""
    found = {}
    for seed, prefix in enumerate(("", "negative_")):
        generator = torch.Generator().manual_seed(seed)
        found[f"{prefix}prompt_embeds"] = torch.randn(1, 16, 32, generator=generator)
        found[f"{prefix}prompt_attention_mask"] = torch.ones(1, 16, dtype=torch.bool)
    return found


def tiny_mochi(scheduler):
    """Mochi, whose time runs from noise to data, and arguments of a call."""
    sizes = (32, 32, 32, 32)
    with seeded():
        transformer = diffusers.MochiTransformer3DModel(
            patch_size=2,
            in_channels=12,
            num_layers=2,
            num_attention_heads=2,
            attention_head_dim=8,
            pooled_projection_dim=16,
            text_embed_dim=32,
            time_embed_dim=4,
            max_sequence_length=16,
        )
        coder = diffusers.AutoencoderKLMochi(
            encoder_block_out_channels=sizes,
            decoder_block_out_channels=sizes,
            layers_per_block=(1, 1, 1, 1, 1),
        )
    pipe = diffusers.MochiPipeline(
        transformer=transformer, scheduler=scheduler, vae=coder, **without_text(1)
    )
    return pipe, masked_words() | {"num_frames": 7, "height": 16, "width": 16}


def tiny_ltx_condition(scheduler):
    """LTX with a first picture, whose tokens have times of their own, and arguments of a call."""
    with seeded():
        transformer = diffusers.LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            caption_channels=32,
        )
        coder = diffusers.AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            spatio_temporal_scaling=(True, True, False, False),
            decoder_spatio_temporal_scaling=(True, True, False, False),
            decoder_inject_noise=(False,) * 5,
            upsample_residual=(False,) * 4,
            upsample_factor=(1,) * 4,
            patch_size=1,
        )
    pipe = diffusers.LTXConditionPipeline(
        transformer=transformer, scheduler=scheduler, vae=coder, **without_text(1)
    )
    image = Image.new("RGB", (32, 32), (90, 20, 200))
    return pipe, masked_words() | {"image": image, "num_frames": 9, "height": 32, "width": 32}


def tiny_sdxl(scheduler):
    """Stable Diffusion XL, whose network also sees the image's size, and arguments of a call."""
    with seeded():
        unet = diffusers.UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=8,
            norm_num_groups=4,
            attention_head_dim=4,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=6 * 4 + 8,
        )
    pipe = diffusers.StableDiffusionXLPipeline(
        unet=unet,
        scheduler=scheduler,
        vae=latent_coder(),
        add_watermarker=False,
        force_zeros_for_empty_prompt=False,
        **without_text(2),
    )
    return pipe, words() | words("negative_", seed=2)
