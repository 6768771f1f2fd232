"""One step down a loss: gradients, their clipping, and the optimiser in its fastest exact form."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer


def descend(
    loss: Tensor,
    optimizer: Optimizer,
    parameters: Sequence[Tensor] = (),
    *,
    max_grad_norm: float = math.inf,
) -> None:
    """Take one optimiser step down the gradient of a loss, the gradient clipped in its norm.

    g ← ∇loss · min(1, c / ‖∇loss‖₂), then the optimiser's own rule ([1]_, section 10.11.1).

    Parameters
    ----------
    loss : Tensor of shape ()
        What to lower; its graph is consumed.
    optimizer : Optimizer
        Steps in place.
    parameters : Sequence of Tensor, default=()
        Those whose joint gradient norm is clipped.
    max_grad_norm : float > 0, default=inf
        c; inf clips nothing.

    References
    ----------
    .. [1] I. Goodfellow, Y. Bengio, A. Courville, "Deep Learning", MIT Press, 2016.
    """
    _forget_gradients(optimizer)
    loss.backward()
    if max_grad_norm < math.inf:
        _shorten(parameters, max_grad_norm)
    optimizer.step()


def _forget_gradients(optimizer: Optimizer) -> None:
    """What ``zero_grad`` does, without the record that it keeps for a profiler."""
    if type(optimizer) not in {Adam, AdamW}:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def _shorten(parameters: Sequence[Tensor], limit: float) -> None:
    """What ``clip_grad_norm_`` does, without asking where each gradient is if all are here."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients or any(g.is_sparse or g.device.type != "cpu" for g in gradients):
        torch.nn.utils.clip_grad_norm_(parameters, limit)
        return
    length = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (limit / (length + 1e-6)).clamp(max=1.0))


@contextmanager
def fused(optimizer: Optimizer) -> Iterator[None]:
    """Let Adam step all parameters in one call, for as long as the context lasts.

    The rule is the same, in the same precision; a small network saves most of the time of a step.
    The optimiser's own settings stand again at the end, so that a saved model does not carry this
    choice. An optimiser of another class, on another device or with a wish of its own is left
    alone.

    Parameters
    ----------
    optimizer : Optimizer
        Any optimiser.

    Yields
    ------
    None
        Nothing; the optimiser itself steps faster.
    """
    groups = optimizer.param_groups if type(optimizer) in {Adam, AdamW} else []
    groups = [group for group in groups if _is_fusible(group)]
    for group in groups:
        group["fused"] = True
    try:
        yield
    finally:
        for group in groups:
            group["fused"] = None


@contextmanager
def held(parameters: Sequence[Tensor]) -> Iterator[None]:
    """Hold parameters where they are for as long as the context lasts: no gradient reaches them.

    Parameters
    ----------
    parameters : Sequence of Tensor
        Leaves. Those that already required no gradient are left alone.

    Yields
    ------
    None
        Nothing; losses do not depend on them, and an optimiser passes them over.
    """
    holding = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in holding:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in holding:
            parameter.requires_grad_(True)


def _is_fusible(group: dict) -> bool:
    """Whether a parameter group left the choice to torch, and torch's fused rule fits it."""
    has_wish = group.get("fused") is not None or group.get("foreach") is not None
    on_cpu = all(p.device.type == "cpu" and p.is_floating_point() for p in group["params"])
    return on_cpu and not (has_wish or group["differentiable"] or group["capturable"])
