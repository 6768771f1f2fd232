"""What kernels read of sequences, and remember: every beginning once."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from rlextras.sequences.compiled import CompiledTransformer

MAX_NODES = 1 << 16
"""Prefixes that are remembered at a time."""


class Reading:
    """What was read of sequences, and is remembered: a tree of prefixes, their keys and values.

    Parameters
    ----------
    engine : CompiledTransformer
        Who reads. Its parameters must stay as they are.
    """

    def __init__(self, engine: "CompiledTransformer") -> None:
        self._engine = engine
        self._forget()

    def _forget(self) -> None:
        self.tree = np.empty((5, 0), np.int64)
        self.counts = np.array([0, -1])
        self.heads = np.empty((int(self._engine.shape[3]), 0), np.float32)
        self._logits = np.empty((0, self._engine.n_actions), np.float32)
        self._is_said = np.zeros(0, bool)  # whether the logits of a prefix are known

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
            new = ends[ends >= before]
            self._say(self, before, new, new)
        is_unsaid = ~self._is_said[ends]
        if is_unsaid.any():  # prefixes of what was read: too few to be worth a way back to them
            other = Reading(self._engine)
            again = other.grown(tokens.numpy()[is_unsaid], lengths.numpy()[is_unsaid])
            self._say(other, 0, again, ends[is_unsaid])
        return torch.from_numpy(self._logits[ends])

    def _say(self, reader: "Reading", first: int, asked: np.ndarray, nodes: np.ndarray) -> None:
        """Let some nodes of a tree, here or there, tell logits, and keep them under ours."""
        if len(self._logits) < self.n_nodes:
            self._logits = _longer(self._logits.T, self.tree.shape[1]).T
            self._is_said = _longer(self._is_said[None], self.tree.shape[1])[0]
        asked, where = np.unique(asked, return_index=True)
        room = reader.read(first, asked)
        self._logits[nodes[where]] = reader.said(room, len(asked))[:, : self._engine.n_actions]
        self._is_said[nodes[where]] = True
        self._engine.take_back(room)

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

        Raises
        ------
        ValueError
            If a sequence is empty, or holds a token that there is no embedding of.
        """
        before = self.n_nodes
        n_most = self.n_nodes + int(lengths.sum())
        if self.tree.shape[1] < n_most:
            self.tree = _longer(self.tree, n_most + n_most // 2)
        ends = np.empty(len(tokens), np.int64)
        tokens, lengths = np.ascontiguousarray(tokens), np.ascontiguousarray(lengths)
        self._engine.trees.grow(tokens, lengths, self.tree, self.counts, ends)
        self._check(self.tree[0, before : self.n_nodes], ends)
        return ends

    def _check(self, tokens: np.ndarray, ends: np.ndarray) -> None:
        """Refuse what the kernels would look up beyond their memory."""
        n_tokens = int(self._engine.shape[0])
        if len(tokens) and not 0 <= tokens.min() <= tokens.max() < n_tokens:
            raise ValueError(
                f"CausalTransformerPolicy: observation['tokens'] must be in [0, {n_tokens - 1}], "
                f"got {tokens.min()} to {tokens.max()}. Let the observation space name them all."
            )
        if ends.min() < 0:
            raise ValueError(
                "CausalTransformerPolicy: observation['mask'] must be 1 at one place or more, from "
                f"the left, got none in row {int(ends.argmin())}. Begin each sequence with a "
                "token, and set norm_obs=False in a VecNormalize."
            )

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
        """Logits that were asked, each row padded to the engine's ``n_columns``, C.

        Parameters
        ----------
        room : ndarray of float32
            What ``read`` returned.
        n_asked : int
            K.

        Returns
        -------
        ndarray of float32, shape (K, C)
            A view of the room.
        """
        n_columns = self._engine.n_columns
        return room[len(room) - n_asked * n_columns :].reshape(n_asked, n_columns)

    def deltas(self, n_asked: int) -> tuple[np.ndarray, np.ndarray]:
        """Room for a gradient by logits, and what follows from it.

        Parameters
        ----------
        n_asked : int
            K.

        Returns
        -------
        deltas : ndarray of float32
            The room.
        rows : ndarray of float32, shape (K, C)
            The part of it that ``gradient`` finds filled in.
        """
        engine = self._engine
        n_said = n_asked * engine.n_columns
        deltas = engine.lend(engine.kernels.room_back(engine.shape, self.n_nodes, n_asked))
        return deltas, deltas[:n_said].reshape(n_asked, -1)

    def gradient(
        self, room: np.ndarray, asked: np.ndarray, deltas: np.ndarray, out: np.ndarray
    ) -> None:
        """Gradient by the parameters, of a reading from the first node on.

        Parameters
        ----------
        room : ndarray of float32
            What ``read`` returned; it is taken back.
        asked : ndarray of int64, shape (K,)
            What it was given.
        deltas : ndarray of float32
            Of ``deltas``, the gradient by the logits filled in; it is taken back.
        out : ndarray of float32, shape (P,)
            Becomes the gradient.
        """
        engine = self._engine
        out[:] = 0.0
        given = (engine.theta, engine.shape, engine.turn, self.tree, np.arange(self.n_nodes), asked)
        engine.kernels.backward(*given, self.heads.reshape(-1), room, deltas, out)
        engine.take_back(room)
        engine.take_back(deltas)


def _longer(rows: np.ndarray, n: int) -> np.ndarray:
    """Rows with room for n numbers each, zeros at first."""
    found = np.zeros((len(rows), n), rows.dtype)
    found[:, : rows.shape[1]] = rows
    return found
