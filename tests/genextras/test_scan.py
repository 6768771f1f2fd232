"""The scan in chunks against the recurrence, position by position."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genextras.core.scan import selective_scan
from tests.oracles.genextras_denoisers import recurrence


def inputs(length, *, batch=2, heads=2, width=3, state=2, seed=0, reset=0.0, dtype=torch.float64):
    """Random inputs; ``reset`` is the share of positions where nearly all is forgotten."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    decay = -(normal(batch, length, heads) - 2).exp()
    gone = torch.rand(decay.shape, generator=generator) < reset
    decay = torch.where(gone, -30.0, decay)
    sizes = (batch, length, heads, width), (batch, length, state), (batch, length, state)
    x, write, read = (normal(*size) for size in sizes)
    return [each.requires_grad_() for each in (x, decay, write, read)]


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 40),
    chunk=st.integers(1, 12),
    seed=st.integers(0, 10_000),
    reset=st.sampled_from([0.0, 0.3]),
)
def test_scan_and_gradients_equal_the_recurrence(length, chunk, seed, reset):
    given_ = inputs(length, seed=seed, reset=reset)
    made, expected = selective_scan(*given_, chunk=chunk), recurrence(*given_)
    # a running sum over 40 positions of numbers that seldom pass 10
    torch.testing.assert_close(made, expected, rtol=1e-11, atol=1e-11)
    weights = torch.randn(made.shape, generator=torch.Generator().manual_seed(1)).double()
    found = torch.autograd.grad(made, given_, weights)
    wanted = torch.autograd.grad(expected, given_, weights)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("reset", [0.0, 0.2])
def test_float32_is_as_exact_as_the_recurrence_over_four_thousand_positions(reset):
    given_ = inputs(4096, batch=1, reset=reset, dtype=torch.float32)
    exact = recurrence(*(each.detach().double() for each in given_))
    made = selective_scan(*(each.detach() for each in given_))
    assert (made - exact).abs().max() < 1e-5 * exact.abs().max()


def test_nothing_passes_a_position_that_forgets():
    x, decay, write, read = (each.detach().clone() for each in inputs(9))
    decay[:, 5] = -torch.inf
    after = selective_scan(x, decay, write, read, chunk=4)[:, 5:]
    alone = selective_scan(*(each[:, 5:] for each in (x, decay, write, read)), chunk=4)
    torch.testing.assert_close(after, alone, rtol=1e-12, atol=1e-12)


def test_only_the_past_is_seen():
    given_ = inputs(12)
    made = selective_scan(*given_, chunk=5)
    [gradient] = torch.autograd.grad(made[:, 6].sum(), given_[:1])
    assert gradient[:, :7].abs().amin((0, 2, 3)).min() > 0
    assert not gradient[:, 7:].any()


def test_second_derivatives_exist():
    given_ = inputs(7, batch=1, heads=1)
    assert torch.autograd.gradgradcheck(lambda *each: selective_scan(*each, chunk=3), given_)
