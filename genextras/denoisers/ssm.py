"""State-space blocks over patches: every token sees all others, in time linear in their number."""

from collections.abc import Sequence
from typing import Any, final

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.modeling_utils import ModelMixin  # from_pretrained reads it here
from torch import Tensor, nn

from genextras.core.scan import selective_scan
from genextras.denoisers.conditioning import Modulation, modulated
from genextras.denoisers.patched import PatchDenoiser
from genextras.validation import check_integer, message

__all__ = ["SSMDenoiser"]

STEPS = (-3.0, -1.0)  # log10 Δ of the first and the last head (arXiv:2312.00752, section 3.6)
RATES = (1.0, 16.0)  # A of the first and the last head at the start


class SSMBlock(nn.Module):
    """A selective state space that runs both ways, behind a gate that starts closed.

    Parameters
    ----------
    width : int
        Numbers of a token.
    head_dim : int
        Numbers of a head; there are 2 width / head_dim of them.
    n_state : int
        Rows of the state of a head.
    turn : int
        Which axis of the grid runs slowest.
    """

    def __init__(self, width: int, head_dim: int, n_state: int, turn: int) -> None:
        super().__init__()
        inner = 2 * width
        self.turn, self.head_dim, self.n_heads = turn, head_dim, inner // head_dim
        self.sizes = inner, inner, 4 * n_state, 2 * self.n_heads
        self.modulation = Modulation(width, 3)
        self.to_inner = nn.Linear(width, sum(self.sizes))
        mixed = inner + 4 * n_state
        self.near = nn.Conv1d(mixed, mixed, kernel_size=3, padding=1, groups=mixed)
        steps = torch.logspace(*STEPS, self.n_heads)
        self.step_bias = nn.Parameter(steps.expm1().log().repeat(2))  # softplus of it is Δ
        self.log_rate = nn.Parameter(torch.linspace(*RATES, self.n_heads).log().repeat(2))
        self.skip = nn.Parameter(torch.ones(self.n_heads, 1))
        self.norm = nn.RMSNorm(inner, eps=1e-6)
        self.to_out = nn.Linear(inner, width)

    def forward(self, x: Tensor, condition: Tensor, grid: tuple[int, ...]) -> Tensor:
        """One step of refinement.

        Parameters
        ----------
        x : Tensor of shape (B, N, width)
            Tokens, the last axis of the grid running fastest.
        condition : Tensor of shape (B, width)
            Noise level and class.
        grid : tuple of int
            Tokens along each axis.

        Returns
        -------
        Tensor of shape (B, N, width)
            New tokens.
        """
        shift, scale, gate = self.modulation(condition, 1)
        lead = tuple(range(1, 1 + self.turn))  # axes that go behind the others
        ends = tuple(range(1 + len(grid) - self.turn, 1 + len(grid)))
        turned = modulated(x, shift, scale).unflatten(1, grid).movedim(lead, ends)
        made = self._mix(turned.flatten(1, -2)).unflatten(1, turned.shape[1:-1])
        return x + gate * made.movedim(ends, lead).flatten(1, -2)

    def _mix(self, tokens: Tensor) -> Tensor:
        """Both scans of tokens in the order they come in."""
        gate, *near, steps = self.to_inner(tokens).split(self.sizes, dim=-1)
        near = self.near(torch.cat(near, dim=-1).transpose(1, 2)).transpose(1, 2)
        values, ways = nn.functional.silu(near).split(self.sizes[1:3], dim=-1)
        x = values.unflatten(-1, (self.n_heads, self.head_dim))
        steps = nn.functional.softplus(steps + self.step_bias)  # Δ of both ways, (B, N, 2 H)
        write, read = _both_ways(ways).chunk(2, dim=-1)
        decay = _both_ways(-steps * self.log_rate.exp())  # a = -Δ A
        scaled = x.repeat(1, 1, 2, 1) * steps[..., None]
        made = selective_scan(_both_ways(scaled, axis=2), decay, write, read)
        ahead, back = made.chunk(2)
        y = ahead + back.flip(1) + self.skip * x
        return self.to_out(self.norm(y.flatten(2) * nn.functional.silu(gate)))


def _both_ways(each: Tensor, axis: int = -1) -> Tensor:
    """The first half of an axis as it is, the second from the end: (B, N, 2 m) as (2 B, N, m)."""
    ahead, back = each.chunk(2, dim=axis)
    return torch.cat([ahead, back.flip(1)])


@final
class SSMDenoiser(PatchDenoiser, ModelMixin):
    """Bidirectional selective state spaces [1]_ [2]_ over patches, in place of attention.

    Each block scans its tokens forwards and backwards with decays that the tokens choose; blocks
    take turns at which axis runs fastest. Time and memory grow linearly with the number of tokens,
    and samples of other sizes are taken. The untrained network says 0.

    Parameters
    ----------
    sample_size : int or sequence of int, default=32
        Side of square images, or (height, width); (length,) for sequences.
    in_channels : int, default=3
        Channels of samples.
    out_channels : int, optional
        Channels of the prediction, by default ``in_channels``; twice as many with a learned
        variance.
    patch_size : int, default=2
        Side of a patch.
    hidden_size : int, default=256
        Numbers of a token.
    num_layers : int, default=8
        Number of blocks.
    head_dim : int, default=32
        Numbers of a head, which share a decay; a divisor of 2 ``hidden_size``.
    state_size : int, default=16
        Rows of the state that a head carries along.
    num_class_embeds : int, optional
        Number of classes; the label ``num_class_embeds`` stands for no class.
    timestep_scale : float, default=1.0
        Factor of timesteps: 1 suits labels up to 1000, 250 those of ``EDMScheduler``.

    Raises
    ------
    TypeError, ValueError
        If an option is of the wrong kind, or out of its range.

    References
    ----------
    .. [1] Dao, Gu (2024), Transformers are SSMs, arXiv:2405.21060.
    .. [2] Zhu et al. (2024), Vision Mamba, arXiv:2401.09417, for the two ways.

    Examples
    --------
    >>> import torch
    >>> model = SSMDenoiser(sample_size=(64,), in_channels=1, hidden_size=16, num_layers=2)
    >>> model(torch.randn(4, 1, 64), 10).sample.shape
    torch.Size([4, 1, 64])
    """

    _no_split_modules = ["SSMBlock"]  # type: ignore[assignment]  # noqa: RUF012 - as diffusers states it
    _repeated_blocks = ["SSMBlock"]  # noqa: RUF012

    @register_to_config
    def __init__(  # noqa: PLR0917 - a config's words, as diffusers' models take them
        self,
        sample_size: int | Sequence[int] = 32,
        in_channels: int = 3,
        out_channels: int | None = None,
        patch_size: int = 2,
        hidden_size: int = 256,
        num_layers: int = 8,
        head_dim: int = 32,
        state_size: int = 16,
        num_class_embeds: int | None = None,
        timestep_scale: float = 1.0,
    ) -> None:
        super().__init__()
        shape, channels = self._start()
        self._check_heads()
        blocks = nn.ModuleList(
            SSMBlock(hidden_size, head_dim, state_size, i % len(shape)) for i in range(num_layers)
        )
        self._surround_patches(blocks, len(shape), channels)

    def _check_heads(self) -> None:
        config, owner = self.config, type(self).__name__
        for name in ("head_dim", "state_size"):
            check_integer(owner, name, config[name], low=1)
        if 2 * config["hidden_size"] % config["head_dim"]:
            allowed = f"a divisor of 2 hidden_size = {2 * config['hidden_size']}"
            raise ValueError(
                message(owner, "head_dim", allowed, config["head_dim"], "32 is usual.")
            )

    def _told(self, tokens: Tensor, grid: tuple[int, ...]) -> tuple[Any, ...]:
        return tokens, grid
