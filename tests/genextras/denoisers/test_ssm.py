"""State-space blocks: both ways, every axis, linear in length."""

import pytest
import torch

from genextras.denoisers import SSMDenoiser
from genextras.denoisers.ssm import SSMBlock
from tests.genextras.denoisers.networks import awake, make, noise
from tests.oracles.genextras_denoisers import recurrence


@torch.no_grad()
def test_a_block_is_two_recurrences():
    block, tokens = awake(SSMBlock(8, 4, 3, 0)), noise(2, 7, 8)
    gate, values, ways, steps = block.to_inner(tokens).split(block.sizes, dim=-1)
    near = block.near(torch.cat([values, ways], -1).transpose(1, 2)).transpose(1, 2)
    near = torch.nn.functional.silu(near)
    x = near[..., :16].unflatten(-1, (4, 4))
    write, write_back, read, read_back = (
        near[..., 16:19],
        near[..., 22:25],
        near[..., 19:22],
        near[..., 25:28],
    )
    steps = torch.nn.functional.softplus(steps + block.step_bias)
    rates = -steps * block.log_rate.exp()
    ahead = recurrence(x * steps[..., :4, None], rates[..., :4], write, read)
    flipped = [
        each.flip(1) for each in (x * steps[..., 4:, None], rates[..., 4:], write_back, read_back)
    ]
    y = ahead + recurrence(*flipped).flip(1) + block.skip * x
    expected = block.to_out(block.norm(y.flatten(2) * torch.nn.functional.silu(gate)))
    torch.testing.assert_close(block._mix(tokens), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("turn", [0, 1])
def test_a_block_walks_along_its_axis(turn):
    """Turned by one axis a block does on the transposed grid what it does on the plain one."""
    block, tokens = awake(SSMBlock(8, 4, 3, turn)), noise(2, 12, 8)
    plain = awake(SSMBlock(8, 4, 3, 0))
    condition = noise(2, 8, seed=1)
    made = block(tokens, condition, (3, 4))
    if turn:
        swapped = tokens.view(2, 3, 4, 8).transpose(1, 2).flatten(1, 2)
        answer = plain(swapped, condition, (4, 3)).view(2, 4, 3, 8).transpose(1, 2).flatten(1, 2)
    else:
        answer = plain(tokens, condition, (12,))
    torch.testing.assert_close(made, answer, rtol=1e-5, atol=1e-5)


def test_every_token_sees_every_other():
    model, x = make("SSMDenoiser", sample_size=(16,), num_layers=1), noise(1, 2, 16)
    x.requires_grad_()
    for place in (0, 7, 15):
        [gradient] = torch.autograd.grad(model(x, 1).sample[:, :, place].sum(), x)
        assert gradient.abs().min() > 0


def test_other_sizes_are_taken():
    model = make("SSMDenoiser")
    assert model(noise(1, 2, 6, 8), 1).sample.shape == (1, 2, 6, 8)
    with pytest.raises(ValueError, match="multiples of 2"):
        model(noise(1, 2, 5, 4), 1)


REFUSED = {
    "head_dim": (7, "head_dim must be a divisor of 2 hidden_size = 32"),
    "state_size": (0, "state_size must be"),
    "patch_size": (3, "sample_size must be a multiple of patch_size=3"),
    "sample_size": ((), "Take MLPDenoiser for points"),
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_does_not_fit_is_refused(option):
    value, text = REFUSED[option]
    options = {"sample_size": 4, "hidden_size": 16, "head_dim": 8, option: value}
    with pytest.raises(ValueError, match=text):
        SSMDenoiser(**options)
