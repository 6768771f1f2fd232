"""Laws of one descent step."""

import pytest
import torch
from torch.testing import assert_close

from rlextras.core.descent import descend, fused, held


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))


def trained(optimizer_class, *, is_fused, **options):
    """A network, and its optimiser, after ten steps."""
    net = network()
    optimizer = optimizer_class(net.parameters(), lr=1e-2, **options)
    inputs = torch.linspace(-1, 1, 12).reshape(4, 3)
    for _ in range(10):
        loss = (net(inputs) - 1).square().mean()
        if is_fused:
            with fused(optimizer):
                descend(loss, optimizer, list(net.parameters()), max_grad_norm=0.5)
        else:
            descend(loss, optimizer, list(net.parameters()), max_grad_norm=0.5)
    return net, optimizer


@pytest.mark.parametrize(
    ("optimizer_class", "options"),
    [
        (torch.optim.Adam, {"eps": 1e-5}),
        (torch.optim.Adam, {"weight_decay": 0.1, "amsgrad": True}),
        (torch.optim.AdamW, {}),
        (torch.optim.SGD, {"momentum": 0.9}),
    ],
)
def test_fused_steps_equal_plain_steps_and_leave_no_trace(optimizer_class, options):
    plain, fast = (trained(optimizer_class, is_fused=x, **options) for x in (False, True))
    # ten float32 updates of the same rule in another order of operations
    assert_close(fast[0].state_dict(), plain[0].state_dict(), atol=1e-6, rtol=0)
    assert fast[1].state_dict()["param_groups"] == plain[1].state_dict()["param_groups"]


@pytest.mark.parametrize("wish", [{"foreach": False}, {"foreach": True}, {"fused": True}])
def test_a_user_who_chose_how_adam_steps_is_heeded(wish):
    optimizer = torch.optim.Adam(network().parameters(), **wish)
    before = {name: optimizer.param_groups[0][name] for name in ("foreach", "fused")}
    with fused(optimizer):
        assert {name: optimizer.param_groups[0][name] for name in before} == before


def test_the_choice_ends_with_the_context_even_after_an_interrupt():
    optimizer = torch.optim.Adam(network().parameters())
    with pytest.raises(KeyboardInterrupt), fused(optimizer):
        raise KeyboardInterrupt
    assert optimizer.param_groups[0]["fused"] is None


@pytest.mark.parametrize(("norm", "expected"), [(0.1, 0.1), (1e9, 5.0)])
def test_a_gradient_longer_than_allowed_is_shortened_to_it(norm, expected):
    weights = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=1.0)
    descend(weights @ torch.tensor([3.0, 4.0]), optimizer, [weights], max_grad_norm=norm)
    assert weights.detach().norm().item() == pytest.approx(expected, rel=1e-4)


def test_a_gradient_is_not_shortened_unless_asked():
    weights = torch.zeros(2, requires_grad=True)
    descend(weights @ torch.tensor([3e3, 4e3]), torch.optim.SGD([weights], lr=1.0))
    assert weights.tolist() == [-3e3, -4e3]


def test_a_parameter_that_is_held_stays_and_is_free_again_afterwards():
    held_one, free, frozen = (torch.ones(2, requires_grad=x) for x in (True, True, False))
    optimizer = torch.optim.Adam([held_one, free, frozen], weight_decay=0.1)
    with held([held_one, frozen]):
        descend((held_one * free * frozen).sum(), optimizer)
    assert held_one.tolist() == [1.0, 1.0]
    assert (free < 1.0).all()
    assert (held_one.requires_grad, frozen.requires_grad) == (True, False)


@pytest.mark.parametrize("limit", [1e-3, 0.5, 1e3])
def test_gradients_are_shortened_as_torch_does(limit):
    fast, plain = network(), network()
    inputs = torch.linspace(-1, 1, 12).reshape(4, 3)
    for net, clips in ((fast, False), (plain, True)):
        optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
        loss = (net(inputs) - 1).square().mean()
        if not clips:
            descend(loss, optimizer, list(net.parameters()), max_grad_norm=limit)
            continue
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), limit)
        optimizer.step()
    assert all(map(torch.equal, fast.parameters(), plain.parameters()))
