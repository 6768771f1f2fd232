"""The transformer against its equations, and what its positions promise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genextras.core.rotary import axial_angles, rotate, token_positions
from genextras.denoisers import DiT
from genextras.denoisers.dit import DiTBlock
from genextras.denoisers.patches import from_patches, to_patches
from genextras.denoisers.positions import POSITIONS, relative_offsets
from tests.genextras.denoisers.networks import awake, make, noise
from tests.oracles import genextras_denoisers as oracles

THETA = 100.0
grids = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
seeds = st.integers(0, 10_000)


@settings(max_examples=30, deadline=None)
@given(grids, st.integers(1, 3), seeds)
def test_rotary_attention_equals_explicit_rotation_matrices(grid, share, seed):
    head_dim = 2 * len(grid) * share
    places = token_positions(grid).double()
    query, key, value = noise(3, len(places), head_dim, seed=seed, dtype=torch.float64)
    angles = axial_angles(places, head_dim // 2, THETA)
    made = torch.nn.functional.scaled_dot_product_attention(
        *(rotate(each, angles.cos(), angles.sin())[None] for each in (query, key)), value[None]
    )[0]
    expected = oracles.rotary_attention(query, key, value, places.tolist(), THETA)
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-12 * len(places))


@torch.no_grad()
def test_the_block_attends_as_explicit_rotations_do_in_float32():
    block, x, grid = awake(DiTBlock(16, 2, 1.0)), noise(1, 12, 16), (3, 4)
    places = token_positions(grid)
    angles = axial_angles(places, 4, THETA)
    made = block._attend(x, (angles.cos(), angles.sin()), None)
    heads = block.to_qkv(x)[0].view(12, 3, 2, 8)
    mixed = [
        oracles.rotary_attention(
            *(heads[:, i, head].double() for i in range(3)), places.tolist(), THETA
        )
        for head in range(2)
    ]
    expected = torch.cat(mixed, 1).float() @ block.to_out.weight.T + block.to_out.bias
    torch.testing.assert_close(made[0], expected, rtol=0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), seeds)
def test_logits_depend_on_the_offset_alone(shift, seed):
    """R(m) q · R(n) k is the same for m and n moved alike; to the rounding of angles below 64."""
    query, key = noise(2, 1, 16, seed=seed, dtype=torch.float64)
    places = noise(2, 2, seed=seed + 1, dtype=torch.float64) * 5

    def logit(places):
        angles = axial_angles(places, 8, THETA)
        turned = [
            rotate(x, a.cos(), a.sin()) for x, a in zip((query, key), angles.split(1), strict=True)
        ]
        return (turned[0] * turned[1]).sum()

    moved = places + torch.tensor(shift, dtype=torch.float64)
    bound = 1e-12 * float(query.norm() * key.norm())
    assert abs(float(logit(places) - logit(moved))) <= bound


def test_a_rotation_changes_no_length():
    x = noise(5, 12, 8, dtype=torch.float64)
    angles = axial_angles(token_positions((3, 4)).double(), 4, THETA)
    turned = rotate(x, angles.cos(), angles.sin())
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1), rtol=1e-13, atol=0)


@settings(max_examples=30, deadline=None)
@given(grids, st.integers(1, 3), st.integers(1, 3))
def test_patches_come_back(grid, patch, channels):
    sample = noise(2, channels, *(size * patch for size in grid))
    patches, found = to_patches(sample, patch)
    assert found == grid
    assert torch.equal(from_patches(patches, grid, patch), sample)


def test_patches_are_cut_row_by_row():
    sample = noise(1, 2, 4, 6)
    made, _ = to_patches(sample, 2)
    assert torch.equal(made[0], torch.stack(oracles.patches_of(sample[0], 2)))


def test_offsets_are_numbered_by_displacement():
    grid = (2, 3)
    offsets, places = relative_offsets(grid), token_positions(grid)
    steps = places[:, None] - places[None]
    same_step = (steps[:, :, None, None] == steps[None, None]).all(-1)
    assert torch.equal(offsets[:, :, None, None] == offsets[None, None], same_step)
    assert offsets.max() < math.prod(2 * size - 1 for size in grid)


def shuffled(model, order):
    """The model's answer to patches in another order, put back in order."""
    x = noise(1, 2, 8, 8)
    patches, grid = to_patches(x, 2)
    output = model(from_patches(patches[:, order], grid, 2), 3).sample
    return to_patches(output, 2)[0][:, order.argsort()], to_patches(model(x, 3).sample, 2)[0]


@pytest.mark.parametrize("position", POSITIONS)
def test_an_encoding_tells_places_apart(position):
    model = make("DiT", sample_size=8, position=position)
    apart, plain = shuffled(model, torch.randperm(16, generator=torch.Generator().manual_seed(0)))
    assert (apart - plain).abs().max() > 1e-3


def test_relative_bias_adds_the_logit_of_each_offset():
    model = make("DiT", sample_size=(2, 4), position="relative_bias", patch_size=1)
    bias, places = model.encoding.bias(), token_positions((2, 4)).long().tolist()
    for i, here in enumerate(places):
        for j, there in enumerate(places):
            row, column = here[0] - there[0] + 1, here[1] - there[1] + 3
            assert torch.equal(bias[:, i, j], model.encoding.logits[:, row * 7 + column])


@pytest.mark.parametrize("position", POSITIONS)
def test_other_sizes_are_taken_or_refused(position):
    model = make("DiT", position=position)
    x = noise(1, 2, 6, 8)
    if position in {"rope", "sinusoidal"}:
        assert model(x, 1).sample.shape == x.shape
        with pytest.raises(ValueError, match="multiples of 2"):
            model(noise(1, 2, 5, 4), 1)
    else:
        with pytest.raises(ValueError, match=r"of shape \(B, 2, 4, 4\)"):
            model(x, 1)


def test_sequences_are_samples_of_one_axis():
    model = make("DiT", sample_size=(12,))
    assert model(noise(3, 2, 12), 1).sample.shape == (3, 2, 12)


REFUSED = {
    "position": ("ropes", ValueError, "Did you mean 'rope'"),
    "patch_size": (3, ValueError, "sample_size must be a multiple of patch_size=3"),
    "hidden_size": (20, ValueError, "hidden_size must be a multiple of 8 .* 24 is near"),
    "num_attention_heads": (0, ValueError, "num_attention_heads"),
    "mlp_ratio": (0.0, ValueError, "mlp_ratio"),
    "rope_theta": (0.5, ValueError, "rope_theta"),
    "sample_size": ((), ValueError, "Take MLPDenoiser for points"),
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_does_not_fit_is_refused(option):
    value, error, text = REFUSED[option]
    options = {"sample_size": 4, "hidden_size": 16, "num_attention_heads": 2, option: value}
    with pytest.raises(error, match=text):
        DiT(**options)


def test_a_class_conditional_pipeline_of_diffusers_takes_it():
    """DiTPipeline asks for the null class 1000 and steers by two halves of a batch."""
    import diffusers

    import genextras
    from tests.genextras.networks import latent_coder

    model = make("DiT", sample_size=8, in_channels=4, num_class_embeds=1000)
    pipe = diffusers.DiTPipeline(
        transformer=model, vae=latent_coder(), scheduler=genextras.DDIMScheduler()
    )
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 2, "output_type": "np"}
    images = [
        pipe(
            [1, 7], guidance_scale=4.0, generator=torch.Generator().manual_seed(0), **options
        ).images
        for _ in range(2)
    ]
    assert (images[0] == images[1]).all()
    assert images[0].shape[0] == 2
