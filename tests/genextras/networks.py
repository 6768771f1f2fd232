"""Tiny random networks of diffusers, made offline, in pipelines without text encoders."""

from contextlib import contextmanager

import diffusers
import torch

__all__ = ["latent_coder", "seeded", "tiny_cogview4", "tiny_flux", "tiny_sd3", "tiny_sdxl"]


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
