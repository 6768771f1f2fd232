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
from rlextras.sequences.transformer import Block, CausalTransformer

MAX_PARAMETERS = 200_000
"""Beyond, torch's own products are as fast as ours; "numba" takes larger networks, too."""
LANES = 16
N_ROOMS = 2
"""Rooms that are kept: for what a reading computes, and for its gradient."""
MAX_NODES = 1 << 16
"""Prefixes that are remembered at a time."""
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
        self.turn_weights()
        reading = Reading(self)
        ends = reading.grown(tokens.numpy(), lengths.numpy())
        nodes = np.empty(len(row), np.int64)
        where = map(np.ascontiguousarray, (row.numpy(), place.numpy()))
        self.trees.locate(reading.tree, ends, *where, nodes)
        asked, which = np.unique(nodes, return_inverse=True)
        given = self, reading, asked
        if torch.is_grad_enabled():
            found = _Logits.apply(*given, *self.parameters)
        else:
            room = reading.read(0, asked)
            found = torch.from_numpy(reading.said(room, len(asked)).copy())
            self.take_back(room)
        return found.index_select(0, torch.from_numpy(which.reshape(-1)))


class Reading:
    """What was read of sequences, and is remembered: a tree of prefixes, their keys and values.

    Parameters
    ----------
    engine : CompiledTransformer
        Who reads. Its parameters must stay as they are.
    """

    def __init__(self, engine: CompiledTransformer) -> None:
        self._engine = engine
        self._forget()

    def _forget(self) -> None:
        self.tree = np.empty((5, 0), np.int64)
        self.counts = np.array([0, -1])
        self.heads = np.empty((int(self._engine.shape[3]), 0), np.float32)
        self._logits = np.empty((0, self._engine.n_actions), np.float32)

    @property
    def n_nodes(self) -> int:
        """How many prefixes.

        Returns
        -------
        int
            A count.
        """
        return int(self.counts[0])

    def next_logits(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Logits behind whole sequences, no part of which is read twice.

        Parameters
        ----------
        tokens : LongTensor of shape (n, T)
            Any sequences.
        lengths : LongTensor of shape (n,)
            Of each.

        Returns
        -------
        Tensor of shape (n, V)
            Of the next token.
        """
        if self.n_nodes > MAX_NODES:
            self._forget()
        before = self.n_nodes
        ends = self.grown(tokens.numpy(), lengths.numpy())
        n_new = self.n_nodes - before
        if n_new:
            if len(self._logits) < self.n_nodes:
                self._logits = _longer(self._logits.T, self.tree.shape[1]).T
            room = self.read(before, np.arange(before, self.n_nodes))
            self._logits[before : self.n_nodes] = self.said(room, n_new)
            self._engine.take_back(room)
        return torch.from_numpy(self._logits[ends])

    def grown(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Add sequences to the tree.

        Parameters
        ----------
        tokens : ndarray of int64, shape (n, T)
            They stand on the left.
        lengths : ndarray of int64, shape (n,)
            Of each.

        Returns
        -------
        ndarray of int64, shape (n,)
            The node of each.
        """
        n_most = self.n_nodes + int(lengths.sum())
        if self.tree.shape[1] < n_most:
            self.tree = _longer(self.tree, n_most + n_most // 2)
        ends = np.empty(len(tokens), np.int64)
        tokens, lengths = np.ascontiguousarray(tokens), np.ascontiguousarray(lengths)
        self._engine.trees.grow(tokens, lengths, self.tree, self.counts, ends)
        return ends

    def read(self, first: int, asked: np.ndarray) -> np.ndarray:
        """Read the nodes from some first on.

        Parameters
        ----------
        first : int
            Those before have been read.
        asked : ndarray of int64, shape (K,)
            Those whose logits are asked, in rising order.

        Returns
        -------
        ndarray of float32
            The room that was worked in.
        """
        engine, everyone = self._engine, np.arange(first, self.n_nodes)
        step = 3 * int(engine.shape[2])
        if self.heads.shape[1] < self.n_nodes * step:
            n_most = self.n_nodes if first == 0 else self.tree.shape[1]
            self.heads = _longer(self.heads, n_most * step)
        room = engine.lend(engine.kernels.room(engine.shape, len(everyone), len(asked)))
        given = (engine.theta, engine.turned, engine.shape, engine.turn, self.tree)
        heads = self.heads.reshape(-1)
        capacity = self.heads.shape[1] // step
        engine.kernels.forward(*given, everyone, asked, heads, room, first, capacity)
        return room

    def said(self, room: np.ndarray, n_asked: int) -> np.ndarray:
        """Logits that were asked.

        Parameters
        ----------
        room : ndarray of float32
            What ``read`` returned.
        n_asked : int
            K.

        Returns
        -------
        ndarray of float32, shape (K, V)
            A view of the room.
        """
        n_columns = self._engine.n_columns
        rows = room[len(room) - n_asked * n_columns :].reshape(n_asked, n_columns)
        return rows[:, : self._engine.n_actions]

    def gradient(self, room: np.ndarray, asked: np.ndarray, by: np.ndarray) -> np.ndarray:
        """Gradient by the parameters, of a reading from the first node on.

        Parameters
        ----------
        room : ndarray of float32
            What ``read`` returned.
        asked : ndarray of int64, shape (K,)
            What it was given.
        by : ndarray of float32, shape (K, V)
            The gradient by the logits.

        Returns
        -------
        ndarray of float32, shape (P,)
            Of its own memory.
        """
        engine, n, n_columns = self._engine, self.n_nodes, self._engine.n_columns
        n_said = len(asked) * n_columns
        deltas = engine.lend(n_said + 12 * n * int(engine.shape[2]))
        rows = deltas[:n_said].reshape(-1, n_columns)
        rows[:, : engine.n_actions], rows[:, engine.n_actions :] = by, 0.0
        gradient = np.zeros_like(engine.theta)
        given = (engine.theta, engine.shape, engine.turn, self.tree, np.arange(n), asked)
        engine.kernels.backward(*given, self.heads.reshape(-1), room, deltas, gradient)
        engine.take_back(deltas)
        return gradient


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
        return torch.from_numpy(reading.said(room, len(asked)).copy())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by: Tensor) -> tuple[Any, ...]:
        engine, reading, asked, room = ctx.given
        gradient = torch.from_numpy(reading.gradient(room, asked, by.numpy()))
        pieces = gradient.split([shape.numel() for shape in ctx.shapes])
        engine.take_back(room)
        return None, None, None, *map(Tensor.view, pieces, ctx.shapes)


def _longer(rows: np.ndarray, n: int) -> np.ndarray:
    """Rows with room for n numbers each."""
    found = np.empty((len(rows), n), rows.dtype)
    found[:, : rows.shape[1]] = rows
    return found
