"""Laws of the layout of weights."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from rlextras.core.descent import descend, fused
from rlextras.core.layout import channels_last


def networks():
    """Two equal networks of images."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        one = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten())
        return one, copy.deepcopy(one), torch.rand(5, 3, 9, 9)


@pytest.mark.parametrize("n_before", [0, 2])
def test_steps_are_those_of_the_usual_layout_and_leave_it_as_it_was(n_before):
    one, other, images = networks()
    made = []
    for net, is_last in ((one, True), (other, False)):
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        for step in range(n_before + 3):  # moments that exist already change their layout, too
            with fused(optimizer):
                if is_last and step >= n_before:
                    with channels_last(optimizer):
                        descend((net(images) - 1).square().mean(), optimizer)
                else:
                    descend((net(images) - 1).square().mean(), optimizer)
        made.append(optimizer.state_dict()["state"])
    # sums in another order, and Adam divides small gradients by their size
    assert_close(one.state_dict(), other.state_dict(), atol=1e-5, rtol=1e-4)
    assert_close(made[0], made[1], atol=1e-5, rtol=1e-4)
    assert all(weight.is_contiguous() for weight in one.parameters())
    assert all(value.is_contiguous() for state in made[0].values() for value in state.values())


def test_an_error_leaves_the_layout_as_it_was():
    net, *_ = networks()
    optimizer = torch.optim.Adam(net.parameters())
    with pytest.raises(KeyboardInterrupt), channels_last(optimizer):
        raise KeyboardInterrupt
    assert net[0].weight.is_contiguous()


def test_weights_that_are_part_of_something_stay_there():
    whole = torch.zeros(2, 3, 2, 4, 4)
    weight = nn.Parameter(whole[0])
    with channels_last(torch.optim.Adam([weight])):
        weight.data.add_(1)
    assert (whole[0] == 1).all()
