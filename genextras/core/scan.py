"""Linear recurrences with decays that data choose, by matrix products in time linear in length.

A selective state space keeps a matrix h (n, p) for each head and updates it by

    h_t = exp(a_t) h_{t-1} + B_t x_tᵀ,        y_t = h_tᵀ C_t        (arXiv:2405.21060, eq. 2)

with a number a_t <= 0 for each head. Within a chunk of positions the sum over the past is a product
with a small lower triangular matrix; from chunk to chunk only h is handed on. Every exponent is a
sum of a over a range and never above zero, so nothing overflows, however long the product.
"""

import torch
from torch import Tensor

__all__ = ["selective_scan"]

LEAST = -200.0  # nothing is left of what decays so, and sums of it keep their digits
CHUNKS = {"cpu": 16}  # the fastest of 16 to 128: longer ones square more, shorter ones hand on more


def selective_scan(
    x: Tensor, log_decay: Tensor, write: Tensor, read: Tensor, *, chunk: int | None = None
) -> Tensor:
    """Outputs of the recurrence at every position, h before the first one being zero.

    Parameters
    ----------
    x : Tensor of shape (B, L, H, p)
        Inputs of H heads.
    log_decay : Tensor of shape (B, L, H)
        a_t <= 0: minus infinity forgets everything.
    write, read : Tensor of shape (B, L, n)
        B_t and C_t, shared by the heads.
    chunk : int, optional
        Positions of a chunk, which change rounding and time alone; by default 16 on CPU, else 64.

    Returns
    -------
    Tensor of shape (B, L, H, p)
        y_t, differentiable in all inputs.

    Examples
    --------
    >>> ones = torch.ones(1, 4, 1)
    >>> selective_scan(ones[..., None], 0 * ones, ones, ones).flatten().tolist()  # a running sum
    [1.0, 2.0, 3.0, 4.0]
    """
    length = x.shape[1]
    chunk = min(chunk or CHUNKS.get(x.device.type, 64), length)
    log_decay = log_decay.clamp(min=LEAST)
    x, log_decay, write, read = (_chunked(each, chunk) for each in (x, log_decay, write, read))
    x = x.transpose(2, 3).contiguous()  # (B, K, H, Q, p)
    # Differences of running sums lose what the sums are longer than: float64 keeps float32's digits
    wide = torch.float32 if x.device.type == "mps" else torch.float64
    past = log_decay.transpose(2, 3).to(wide).cumsum(3)  # (B, K, H, Q), from the chunk's start
    ahead = (past[..., -1:] - past).to(x.dtype).exp()[..., None]  # to its end
    past, decay = past.to(x.dtype).exp()[..., None], _decay(past, x.dtype)
    scores = (read @ write.transpose(2, 3))[:, :, None] * decay  # (B, K, H, Q, Q)
    added = (write[:, :, None] * ahead).transpose(3, 4) @ x  # (B, K, H, n, p)
    start = _handed_on(added, past[..., -1:, :])
    y = scores @ x + (read[:, :, None] * past) @ start
    return y.transpose(2, 3).flatten(1, 2)[:, :length]


def _chunked(each: Tensor, chunk: int) -> Tensor:
    """(B, L, ...) as (B, K, Q, ...), zeros behind the end."""
    missing = -each.shape[1] % chunk
    if missing:
        each = torch.cat([each, each.new_zeros(len(each), missing, *each.shape[2:])], dim=1)
    return each.unflatten(1, (-1, chunk))


def _decay(past: Tensor, dtype: torch.dtype) -> Tensor:
    """What is left at position i of what was written at j, (..., Q, Q); 0 for the future."""
    chunk = past.shape[-1]
    future = torch.ones(chunk, chunk, dtype=torch.bool, device=past.device).triu(1)
    between = (past[..., :, None] - past[..., None, :]).to(dtype)
    return between.masked_fill(future, -torch.inf).exp()


def _handed_on(added: Tensor, decay: Tensor) -> Tensor:
    """h at the start of each chunk, from what each adds, (B, K, H, n, p), and its decay."""
    state, starts = torch.zeros_like(added[:, 0]), []
    for more, kept in zip(added.unbind(1), decay.unbind(1), strict=True):
        starts.append(state)
        state = torch.addcmul(more, state, kept)
    return torch.stack(starts, dim=1)
