"""What sequences have in common: every beginning that occurs in them, once."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

NOTHING = -1
"""In place of a token behind the end of a sequence."""
LARGEST_TREE = 256
"""Prefixes of a tree, up to which attention by a mask is quicker than reading each sequence."""


@dataclass(frozen=True, kw_only=True)
class Prefixes:
    """The N different beginnings of n sequences, and where attention reads them.

    What a causal model says at a place depends on the tokens up to there alone: members of a group
    share their prompt, and what they wrote alike. Attention reads them in B trees of S places, a
    tree for each prompt; or sequence by sequence, where trees would be large.

    Attributes
    ----------
    tokens : LongTensor of shape (N,)
        The last token of each.
    places : LongTensor of shape (N,)
        Where it stands.
    rows : LongTensor of shape (n, T)
        The prefix at each place of each sequence; any behind its end.
    slots : LongTensor of shape (B, S)
        The prefixes of each tree, or of each sequence.
    homes : LongTensor of shape (N,)
        A slot of each, counted through all trees.
    mask : BoolTensor of shape (B, 1, S, S), or None
        Whether the second begins the first; None where slots are sequences.
    """

    tokens: Tensor
    places: Tensor
    rows: Tensor
    slots: Tensor
    homes: Tensor
    mask: Tensor | None


def prefixes_of(tokens: Tensor, lengths: Tensor, prompts: Tensor) -> Prefixes:
    """Find the prefixes of sequences.

    Parameters
    ----------
    tokens : LongTensor of shape (n, T)
        They stand on the left.
    lengths : LongTensor of shape (n,)
        Of each; what follows is not read.
    prompts : LongTensor of shape (n,)
        Tokens that make those sequences a tree that have them in common; 1 or more.

    Returns
    -------
    Prefixes
        On the same device.
    """
    n_places = int(lengths.max())
    places, n_asked = np.arange(n_places), prompts.cpu().numpy()
    given = tokens[:, :n_places].cpu().numpy()
    given = np.where(places < lengths.cpu().numpy()[:, None], given, NOTHING)
    order = np.lexsort((*given.T[::-1], n_asked))  # sequences of one prompt side by side
    given, n_asked = given[order], n_asked[order]
    differs = np.ones(given.shape, bool)  # from the sequence before, here or earlier
    np.logical_or.accumulate(given[1:] != given[:-1], axis=1, out=differs[1:])
    begins = differs[np.arange(len(given)), n_asked - 1]
    begins[1:] |= n_asked[1:] != n_asked[:-1]
    is_token = given != NOTHING
    tree = begins.cumsum() - 1
    sizes = np.bincount(tree, ((differs | begins[:, None]) & is_token).sum(axis=1)).astype(np.int64)
    largest = int(sizes.max())
    has_trees = largest <= LARGEST_TREE and len(sizes) * largest**2 <= given.size * n_places
    if has_trees:
        differs |= begins[:, None]
    is_new = differs & is_token
    nodes = np.zeros(given.shape, np.int64)
    nodes[is_new] = np.arange(np.count_nonzero(is_new))
    np.maximum.accumulate(nodes, axis=0, out=nodes)  # they grow down each column
    row, place = np.nonzero(is_new)
    rows = np.empty_like(nodes)
    rows[order] = nodes
    slots, homes, seen = nodes, row * n_places + place, None
    if has_trees:
        slots, homes, seen = _trees(nodes[row], place, sizes)
    arrays = {
        "tokens": given[is_new],
        "places": place,
        "rows": rows,
        "slots": slots,
        "homes": homes,
    }
    found = {name: torch.from_numpy(each).to(tokens.device) for name, each in arrays.items()}
    mask = None if seen is None else torch.from_numpy(seen).to(tokens.device)
    return Prefixes(mask=mask, **found)


def _trees(
    paths: np.ndarray, place: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slots, homes and mask of prefixes whose trees stand one behind the other."""
    n_trees, n_slots = len(sizes), int(sizes.max())
    tree = np.repeat(np.arange(n_trees), sizes)  # (N,)
    here = np.arange(len(paths)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # (N,), in its tree
    slots = np.zeros((n_trees, n_slots), np.int64)
    slots[tree, here] = np.arange(len(paths))
    mask = np.zeros((n_trees, 1, n_slots, n_slots), bool)
    mask[:, 0] = np.eye(n_slots, dtype=bool)  # no slot sees nothing, or its softmax is NaN
    node, step = np.nonzero(np.arange(paths.shape[1]) <= place[:, None])
    mask[tree[node], 0, here[node], here[paths[node, step]]] = True
    return slots, tree * n_slots + here, mask
