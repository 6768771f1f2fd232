"""A causal transformer run by kernels, on memory that they share with its parameters."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rlextras.host.backend import module_obstacles
from rlextras.host.compiling import load
from rlextras.host.memory import THETA, SharedMemory
from rlextras.sequences.reading import Reading
from rlextras.sequences.transformer import Block, CausalTransformer

MAX_PARAMETERS = 200_000
"""Beyond, torch's own products are as fast as ours; "numba" takes larger networks, too."""
LANES = 16
N_ROOMS = 2
"""Rooms that are kept: for what a reading computes, and for its gradient."""
_LAYERS = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.ModuleList, Block, CausalTransformer)


def obstacle(transformer: CausalTransformer, *, any_size: bool = False) -> str:
    """Why the kernels cannot stand in for a transformer.

    Parameters
    ----------
    transformer : CausalTransformer
        What they would stand in for.
    any_size : bool, default=False
        Whether large networks are welcome.

    Returns
    -------
    str
        A clause; empty if they can.
    """
    return next(_obstacles(transformer, any_size), "")


def _obstacles(transformer: CausalTransformer, any_size: bool) -> Iterator[str]:
    """Reasons."""
    for module in transformer.modules():
        if type(module) not in _LAYERS:
            yield f"one of its layers is a {type(module).__name__}"
    yield from module_obstacles(transformer)
    if transformer.has_checkpoints:
        yield "it computes its blocks anew, with gradient_checkpointing=True"
    width = transformer.embed.embedding_dim
    if width % LANES:
        yield f"its width {width} is not a multiple of {LANES}"
    n_parameters = sum(each.numel() for each in transformer.parameters())
    if n_parameters > MAX_PARAMETERS and not any_size:
        yield f"with {n_parameters} parameters, torch's own products are as fast"


class CompiledTransformer(SharedMemory):
    """A transformer whose logits, and their gradients, are computed by kernels.

    Every prefix of the sequences is computed once.

    Parameters
    ----------
    transformer : CausalTransformer
        One that ``obstacle`` has nothing against.
    """

    def __init__(self, transformer: CausalTransformer) -> None:
        self.kernels, self.trees = load("transformer"), load("prefix_tree")
        super().__init__(list(transformer.parameters()))
        block: Any = transformer.blocks[0]
        n_tokens, width = transformer.embed.weight.shape
        n_layers, n_actions = len(transformer.blocks), len(transformer.head.weight)
        shape = (n_tokens, transformer.n_positions, width, n_layers, block.n_heads, n_actions)
        self.shape = np.array(shape, np.int64)
        turn: Any = transformer.turn
        self.turn = np.ascontiguousarray(turn.numpy()).reshape(-1)
        self.turned = np.zeros(self.kernels.n_turned(self.shape), np.float32)
        self.n_actions, self.n_columns = n_actions, self.kernels.padded(n_actions)
        self.watch(transformer)
        self._rooms: list[np.ndarray] = []

    def knows(self, transformer: CausalTransformer) -> bool:
        """Whether a transformer is the one that it was made for, and nothing about it has changed.

        Parameters
        ----------
        transformer : CausalTransformer
            Perhaps changed.

        Returns
        -------
        bool
            Whether ``obstacle`` need not look again.
        """
        return (
            self.is_watched(transformer)
            and not transformer.has_checkpoints
            and all(
                p.requires_grad and p.dtype is torch.float32 and p.is_cpu and not p._backward_hooks
                for p in self.parameters
            )
        )

    @property
    def theta(self) -> np.ndarray:
        """The parameters.

        Returns
        -------
        ndarray of float32, shape (P,)
            Shared.
        """
        return self.memory[THETA]

    def lend(self, n: int) -> np.ndarray:
        """Lend room; fresh memory costs as much as what is computed in it.

        Parameters
        ----------
        n : int
            Numbers.

        Returns
        -------
        ndarray of float32, shape (n,)
            What was there before means nothing.
        """
        room = self._rooms.pop() if self._rooms else np.empty(0, np.float32)
        return room[:n] if len(room) >= n else np.empty(n + n // 4, np.float32)[:n]

    def take_back(self, room: np.ndarray) -> None:
        """Keep room for the next one who asks.

        Parameters
        ----------
        room : ndarray of float32
            What was lent.
        """
        if len(self._rooms) < N_ROOMS:
            self._rooms.append(room if room.base is None else room.base)

    def turn_weights(self) -> None:
        """Take note of the parameters as they stand."""
        self.refresh()
        self.kernels.turn_all(self.theta, self.shape, self.turned)

    def logits(self, tokens: Tensor, lengths: Tensor, row: Tensor, place: Tensor) -> Tensor:
        """Logits at some places of sequences, through which gradients pass.

        Parameters
        ----------
        tokens : LongTensor of shape (n, T)
            The sequences.
        lengths : LongTensor of shape (n,)
            Of each.
        row, place : LongTensor of shape (B,)
            Which sequences are asked, and where.

        Returns
        -------
        Tensor of shape (B, V)
            Of the next token.
        """
        given = (each.numpy() for each in (tokens, lengths, row, place))
        reading, asked, which = self.asked(*given)
        if torch.is_grad_enabled():
            found = _Logits.apply(self, reading, asked, *self.parameters)
        else:
            room = reading.read(0, asked)
            found = torch.from_numpy(reading.said(room, len(asked))[:, : self.n_actions].copy())
            self.take_back(room)
        return found.index_select(0, torch.from_numpy(which))

    def asked(
        self, tokens: np.ndarray, lengths: np.ndarray, row: np.ndarray, place: np.ndarray
    ) -> tuple[Reading, np.ndarray, np.ndarray]:
        """Find the prefixes whose logits are asked, for the parameters as they stand.

        Parameters
        ----------
        tokens : ndarray of int64, shape (n, T)
            The sequences.
        lengths : ndarray of int64, shape (n,)
            Of each.
        row, place : ndarray of int64, shape (B,)
            Which sequences are asked, and where.

        Returns
        -------
        reading : Reading
            Of the sequences.
        asked : ndarray of int64, shape (K,)
            The prefixes, in rising order.
        which : ndarray of int64, shape (B,)
            Each question's place among them.
        """
        self.turn_weights()
        reading = Reading(self)
        ends = reading.grown(tokens, lengths)
        nodes = np.empty(len(row), np.int64)
        where = map(np.ascontiguousarray, (row, place))
        self.trees.locate(reading.tree, ends, *where, nodes)
        is_asked = np.zeros(reading.n_nodes, bool)
        is_asked[nodes] = True
        return reading, np.flatnonzero(is_asked), (is_asked.cumsum() - 1)[nodes]


class _Logits(torch.autograd.Function):
    """Logits (K, V) of nodes, as one node of torch's graph."""

    @staticmethod
    def forward(
        ctx: Any,
        engine: CompiledTransformer,
        reading: Reading,
        asked: np.ndarray,
        *parameters: Tensor,
    ) -> Tensor:
        room = reading.read(0, asked)
        ctx.given, ctx.shapes = (engine, reading, asked, room), [p.shape for p in parameters]
        return torch.from_numpy(reading.said(room, len(asked))[:, : engine.n_actions].copy())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by: Tensor) -> tuple[Any, ...]:
        engine, reading, asked, room = ctx.given
        deltas, rows = reading.deltas(len(asked))
        rows[:, : engine.n_actions], rows[:, engine.n_actions :] = by.numpy(), 0.0
        gradient = np.empty_like(engine.theta)
        reading.gradient(room, asked, deltas, gradient)
        pieces = torch.from_numpy(gradient).split([shape.numel() for shape in ctx.shapes])
        return None, None, None, *map(Tensor.view, pieces, ctx.shapes)
