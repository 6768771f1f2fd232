"""ENGINE: one matrix from the blocks of all columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from skextras.features.blocks import Bags, Block, Codes, Dense
from skextras.features.kernels.rows import (
    BAGS,
    CODES,
    FLOAT32,
    FLOAT64,
    add_bags,
    add_codes,
    row_lengths,
    write_rows,
)
from skextras.trees.memory import address_of

INT32_MAX = 2**31 - 1
TILE = 2**16  # entries of a dense matrix that are written together, while they are in the cache


def to_csr(blocks: Sequence[Block], dtype: Any) -> sparse.csr_array:
    """Put blocks side by side as a sparse matrix.

    Parameters
    ----------
    blocks : sequence of Block
        Of the same rows.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    csr_array of shape (n, sum of widths)
        Indices of int32 where they fit, sorted. Each number of a dense block is stored, 0 too.
    """
    n = len(blocks[0]) if blocks else 0
    rows: list[list[int]] = []
    kept: list[np.ndarray] = []  # alive as long as their addresses are used
    is_full, first = True, 0
    for block in blocks:
        is_full &= isinstance(block, Dense) or (isinstance(block, Codes) and block.is_full)
        _add_slots(block, first, rows, kept)
        first += block.width
    slots = np.array(rows, np.int64).reshape(-1, 5)
    starts = _starts(slots, n, is_full)
    kind = np.int32 if max(int(starts[-1]), first) <= INT32_MAX else np.int64
    starts = starts.astype(kind, copy=False)
    indices, data = np.empty(starts[-1], kind), np.empty(starts[-1], dtype)
    write_rows(slots, starts, indices, data)
    return sparse.csr_array((data, indices, starts), shape=(n, first))


def _add_slots(block: Block, first: int, rows: list[list[int]], kept: list[np.ndarray]) -> None:
    if isinstance(block, Codes):
        arrays = [np.ascontiguousarray(block.codes)]
        rows.append([CODES, first, address_of(arrays[0]), 0, 0])
    elif isinstance(block, Dense):
        is_single = block.values.dtype == np.float32
        values = block.values if is_single else block.values.astype(np.float64, copy=False)
        arrays = [np.ascontiguousarray(values[:, k]) for k in range(block.width)]
        kind = FLOAT32 if is_single else FLOAT64
        rows.extend([kind, first + k, address_of(own), 0, 0] for k, own in enumerate(arrays))
    else:
        tidy = block.tidy()
        arrays = [tidy.offsets, tidy.codes, np.asarray(tidy.weights)]
        rows.append([BAGS, first, *map(address_of, arrays)])
    kept += arrays


def _starts(slots: np.ndarray, n: int, is_full: bool) -> np.ndarray:
    if is_full:
        k = len(slots)
        kind = np.int32 if n * k <= INT32_MAX else np.int64
        return np.arange(0, n * k + 1, k, dtype=kind) if k else np.zeros(n + 1, kind)
    starts = np.zeros(n + 1, np.int64)
    row_lengths(slots, starts[1:])
    return np.cumsum(starts, out=starts)


def to_dense(blocks: Sequence[Block], dtype: Any) -> np.ndarray:
    """Put blocks side by side as an array.

    Parameters
    ----------
    blocks : sequence of Block
        Of the same rows.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray of shape (n, sum of widths)
        C order.
    """
    n = len(blocks[0]) if blocks else 0
    out = np.zeros((n, sum(block.width for block in blocks)), dtype)
    n_tile = max(TILE // max(out.shape[1], 1), 1)
    for start in range(0, n, n_tile):
        first, rows = 0, slice(start, start + n_tile)
        for block in blocks:
            own = out[rows, first : first + block.width]
            if isinstance(block, Dense):
                own[:] = block.values[rows]
            elif isinstance(block, Codes):
                add_codes(block.codes[rows], own)
            first += block.width
    _add_bags(blocks, out)
    return out


def _add_bags(blocks: Sequence[Block], out: np.ndarray) -> None:
    first = 0
    for block in blocks:
        if isinstance(block, Bags):
            tidy, own = block.tidy(), out[:, first : first + block.width]
            add_bags(tidy.offsets, tidy.codes, tidy.weights, own)
        first += block.width


def codes_of(matrix: Any, first: int, width: int) -> np.ndarray:
    """Which column of a block has the largest entry in each row.

    Parameters
    ----------
    matrix : ndarray or sparse matrix of shape (n, k)
        What ``to_csr`` or ``to_dense`` made.
    first, width : int
        The block.

    Returns
    -------
    ndarray of int32 of shape (n,)
        The code, -1 where all entries are 0.
    """
    own = matrix[:, first : first + width]
    if sparse.issparse(own):
        own = own.tocsr()
        own.eliminate_zeros()
        codes = np.full(own.shape[0], -1, np.int32)
        rows = np.repeat(np.arange(own.shape[0]), np.diff(own.indptr))
        codes[rows] = own.indices
        return codes
    return np.where(own.any(axis=1), own.argmax(axis=1), -1).astype(np.int32)


def bags_of(matrix: Any, first: int, width: int) -> Bags:
    """Entries of a block that are not 0, row by row.

    Parameters
    ----------
    matrix : ndarray or sparse matrix of shape (n, k)
        What ``to_csr`` or ``to_dense`` made.
    first, width : int
        The block.

    Returns
    -------
    Bags
        With weights.
    """
    own = sparse.csr_array(matrix[:, first : first + width])
    own.eliminate_zeros()
    offsets, codes = own.indptr.astype(np.int64), own.indices.astype(np.int32)
    return Bags(offsets, codes, own.data.astype(np.float64), width)
