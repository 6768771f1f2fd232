"""ENGINE: vectors of categories, learned from targets or from what stands together.

With targets, by a factorisation machine over the fields of a row (``kernels/factorisation.py``).
Without, by the singular vectors of the positive pointwise mutual information of categories in the
same row, scaled by the roots of the singular values [1]_.

References
----------
.. [1] O. Levy and Y. Goldberg, "Neural Word Embedding as Implicit Matrix Factorization", NeurIPS
   2014, sections 4 and 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from skextras.features.blocks import Bags, Codes
from skextras.features.kernels.factorisation import train

COMBINERS = ("mean", "sqrtn", "sum")
START_DEVIATION = 0.1  # of the vectors before training
PENALTY = 1e-4  # L2, on the vectors of a row
DENSE = 500  # rows or columns up to which all singular vectors are computed


def shares_of(bags: Bags, combiner: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Known codes of bags, and by how much each counts.

    Parameters
    ----------
    bags : Bags
        Codes with weights.
    combiner : {"mean", "sqrtn", "sum"}
        Sum of the weighted vectors by the sum of the weights, by the root of the sum of their
        squares, or by 1.

    Returns
    -------
    offsets : ndarray of int64 of shape (n + 1,)
        Where each row's codes start.
    codes : ndarray of int32
        None negative.
    shares : ndarray of float64
        Coefficients.
    """
    is_known = bags.codes >= 0
    rows, codes = bags.rows[is_known], bags.codes[is_known]
    weights = np.ones(len(codes)) if bags.weights is None else bags.weights[is_known]
    offsets = np.zeros(len(bags) + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=len(bags)), out=offsets[1:])
    if combiner == "sum":
        return offsets, codes, weights.astype(np.float64)
    power = 1 if combiner == "mean" else 2
    norm = np.bincount(rows, weights**power, len(bags)) ** (1 / power)
    return offsets, codes, weights / np.where(norm == 0, 1.0, norm)[rows]


@dataclass(frozen=True)
class Items:
    """What stands in each row.

    Attributes
    ----------
    offsets : ndarray of int64 of shape (n + 1,)
        Where each row's items start.
    codes : ndarray of int32
        Places in the table of vectors.
    fields : ndarray of int32
        Field of each.
    shares : ndarray of float64
        Coefficients.
    n_fields : int
        Fields.
    weights : ndarray of float64 of shape (n,)
        How often each row counts.
    """

    offsets: np.ndarray
    codes: np.ndarray
    fields: np.ndarray
    shares: np.ndarray
    n_fields: int
    weights: np.ndarray

    @classmethod
    def of(
        cls,
        blocks: Sequence[Codes | Bags],
        firsts: Sequence[int],
        combiner: str,
        weights: np.ndarray | None = None,
    ) -> "Items":
        """Put the fields of rows side by side.

        Parameters
        ----------
        blocks : sequence of (Codes or Bags)
            A field each.
        firsts : sequence of int
            Where each field's vectors start in the table.
        combiner : str
            How several codes of a field become one vector.
        weights : ndarray of float64 of shape (n,), default=None
            How often each row counts; None for once.

        Returns
        -------
        Items
            Of all rows.
        """
        rows, codes, fields, shares = [], [], [], []
        for number, (block, first) in enumerate(zip(blocks, firsts, strict=True)):
            bags = block if isinstance(block, Bags) else block.bags()
            offsets, own, share = shares_of(bags, combiner)
            rows.append(np.repeat(np.arange(len(bags)), np.diff(offsets)))
            codes.append(own.astype(np.int32) + np.int32(first))
            fields.append(np.full(len(own), number, np.int32))
            shares.append(share)
        all_rows = np.concatenate(rows)
        order = np.argsort(all_rows, kind="stable")
        starts = np.zeros(len(blocks[0]) + 1, np.int64)
        np.cumsum(np.bincount(all_rows, minlength=len(blocks[0])), out=starts[1:])
        return cls(
            starts,
            np.concatenate(codes)[order],
            np.concatenate(fields)[order],
            np.concatenate(shares)[order],
            len(blocks),
            np.ones(len(blocks[0])) if weights is None else weights,
        )

    @classmethod
    def joined(cls, parts: Sequence["Items"]) -> "Items":
        """Rows of batches, one after the other.

        Parameters
        ----------
        parts : sequence of Items
            At least one.

        Returns
        -------
        Items
            Of all rows.
        """
        if len(parts) == 1:
            return parts[0]
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(
            offsets,
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.fields for part in parts]),
            np.concatenate([part.shares for part in parts]),
            parts[0].n_fields,
            np.concatenate([part.weights for part in parts]),
        )

    @property
    def n_rows(self) -> int:
        """How many rows there are.

        Returns
        -------
        int
            Those without items too.
        """
        return len(self.offsets) - 1


@dataclass(frozen=True)
class Training:
    """How a factorisation machine is trained.

    Attributes
    ----------
    n_epochs : int
        Passes over the rows.
    learning_rate : float
        Of Adagrad.
    seed : int
        Draws the order of the rows and the heads.
    """

    n_epochs: int
    learning_rate: float
    seed: int


def trained(
    vectors: np.ndarray, items: Items, y: np.ndarray, *, is_binary: bool, how: Training
) -> list[float]:
    """Let vectors learn what tells the targets.

    Parameters
    ----------
    vectors : ndarray of float64 of shape (m, d)
        Where to start; changed.
    items : Items
        Of the rows.
    y : ndarray of float64 of shape (n, k)
        Targets: 0 and 1, or numbers, which are standardised first.
    is_binary : bool
        Whether they are 0 and 1.
    how : Training
        Options.

    Returns
    -------
    list of float
        Mean loss of each pass.
    """
    random = np.random.default_rng(how.seed)
    k, d = y.shape[1], vectors.shape[1]
    if not is_binary:
        centred = y - np.average(y, axis=0, weights=items.weights)
        deviation = np.sqrt(np.average(centred**2, axis=0, weights=items.weights))
        y = centred / np.where(deviation == 0, 1.0, deviation)
    # Products of half of the coordinates raise the output at first, of the others lower it.
    signs = np.where(np.arange(d) % 2 == 0, 1.0, -1.0)
    heads = np.stack([random.normal(0, d**-0.5, (k, d)), np.tile(signs, (k, 1))])
    share = np.clip(np.average(y, axis=0, weights=items.weights), 1e-6, 1 - 1e-6)
    model = vectors, heads, np.log(share / (1 - share)) if is_binary else np.zeros(k)
    squares = tuple(np.zeros_like(part) for part in model)
    columns = items.codes, items.fields, items.shares, items.weights
    options = items.n_fields, is_binary, how.learning_rate, PENALTY
    y = np.ascontiguousarray(y, np.float64)
    return [
        train(random.permutation(items.n_rows), items.offsets, columns, y, model, squares, options)
        for _ in range(how.n_epochs)
    ]


def association(items: Items, n_own: int, n_all: int) -> sparse.csr_array:
    """Positive pointwise mutual information of categories that stand in the same row.

    Parameters
    ----------
    items : Items
        Of the rows.
    n_own, n_all : int
        Categories that are wanted (the first), and all.

    Returns
    -------
    csr_array of shape (n_own, n_all), nats
        Without entries where two never meet.
    """
    ones = np.ones(len(items.codes))
    table = sparse.csr_array((ones, items.codes, items.offsets), shape=(items.n_rows, n_all))
    table.sum_duplicates()
    weighted = sparse.diags_array(items.weights) @ table
    counts = sparse.coo_array(table.T[:n_own] @ weighted)
    once = items.weights @ table
    row, column = counts.coords
    # a category meets itself where it stands again: a² - a times
    pairs = counts.data - np.where(row == column, once[row], 0.0)
    is_there = pairs > 0
    row, column, pairs = row[is_there], column[is_there], pairs[is_there]
    of_rows = np.bincount(row, pairs, n_own)
    of_columns = np.bincount(column, pairs, n_all)
    information = np.log(pairs * pairs.sum() / (of_rows[row] * of_columns[column]))
    return sparse.csr_array((np.maximum(information, 0.0), (row, column)), shape=(n_own, n_all))


def singular_vectors(matrix: sparse.csr_array, dimension: int) -> np.ndarray:
    """Left singular vectors, times the roots of the singular values.

    Parameters
    ----------
    matrix : csr_array of shape (m, n)
        Any.
    dimension : int
        How many; those beyond min(m, n) are 0.

    Returns
    -------
    ndarray of float64 of shape (m, dimension)
        By falling singular value; the largest entry of each is positive.
    """
    m, n = matrix.shape
    k = min(dimension, m, n)
    if min(m, n) <= max(DENSE, 2 * k):
        left, values, _ = np.linalg.svd(matrix.toarray(), full_matrices=False)
    else:
        left, values, _ = svds(matrix, k=k, v0=np.ones(min(m, n)))
        left, values = left[:, ::-1], values[::-1]
    left, values = left[:, :k], values[:k]
    sign = np.sign(left[np.abs(left).argmax(axis=0), np.arange(k)])
    out = np.zeros((m, dimension))
    out[:, :k] = left * (np.where(sign == 0, 1.0, sign) * np.sqrt(values))
    return out
