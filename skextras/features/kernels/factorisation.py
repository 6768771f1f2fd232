"""A factorisation machine whose fields share a table of vectors, by one row at a time.

Of a row, x holds items (codes with coefficients) in fields; v_f = Σ cᵢ V[codeᵢ] is the vector of
field f, s = Σ v_f, and the pairs of fields meet in h = Σ_{f<g} v_f∘v_g = ½(s∘s - Σ v_f∘v_f) [1]_.
Output k is b_k + U_k·s + P_k·h; its loss is the log loss or half the square.

References
----------
.. [1] S. Rendle, "Factorization Machines", ICDM 2010, lemma 3.1.
"""

import math

import numpy as np

from skextras.trees.compiling import compiled, inner

SMALL = 1e-8  # of Adagrad's root


@inner
def _descend(values: np.ndarray, squares: np.ndarray, at: int, slope: float, rate: float) -> None:
    """A step of Adagrad on one number."""
    squares[at] += slope * slope
    values[at] -= rate * slope / (math.sqrt(squares[at]) + SMALL)


@inner
def _add_fields(
    items: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    first: int,
    last: int,
    vectors: np.ndarray,
    fields: np.ndarray,
) -> None:
    """Vectors of a row's fields, of shape (n_fields, d)."""
    codes, owners, shares, _ = items
    d = vectors.shape[1]
    fields[:] = 0.0
    for item in range(first, last):
        for p in range(d):
            fields[owners[item], p] += shares[item] * vectors[codes[item], p]


@inner
def _meet(fields: np.ndarray, total: np.ndarray, pairs: np.ndarray) -> None:
    """Sum of the fields' vectors, and of their products by pairs."""
    total[:] = 0.0
    pairs[:] = 0.0
    for f in range(fields.shape[0]):
        for p in range(len(total)):
            pairs[p] += total[p] * fields[f, p]
            total[p] += fields[f, p]


@compiled
def train(
    order: np.ndarray,
    offsets: np.ndarray,
    items: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    y: np.ndarray,
    model: tuple[np.ndarray, np.ndarray, np.ndarray],
    squares: tuple[np.ndarray, np.ndarray, np.ndarray],
    options: tuple[int, bool, float, float],
) -> float:
    """One pass over the rows.

    Parameters
    ----------
    order : ndarray of int64 of shape (n,)
        Rows, in the order of the pass.
    offsets : ndarray of int64 of shape (n + 1,)
        Where each row's items start.
    items : tuple of ndarray
        Codes (int32), fields (int32) and coefficients (float64) of the items, and weights (float64)
        of the rows, by which loss and slopes are multiplied.
    y : ndarray of float64 of shape (n, k)
        Targets.
    model : tuple of ndarray
        Vectors V (m, d), U and P (2, k, d), b (k,); changed.
    squares : tuple of ndarray
        Of the same shapes: sums of squared slopes; changed.
    options : tuple
        Number of fields, whether y is 0 or 1, learning rate, L2 penalty of the vectors.

    Returns
    -------
    float
        Mean loss during the pass.
    """
    vectors, heads, biases = model
    vector_squares, head_squares, bias_squares = squares
    codes, owners, shares, weights = items
    n_fields, is_binary, rate, penalty = options
    d, n_outputs = vectors.shape[1], y.shape[1]
    fields, total, pairs = np.zeros((n_fields, d)), np.zeros(d), np.zeros(d)
    to_total, to_pairs = np.zeros(d), np.zeros(d)
    loss, n_seen = 0.0, 0.0
    for row in order:
        weight = weights[row]
        n_seen += weight
        first, last = offsets[row], offsets[row + 1]
        _add_fields(items, first, last, vectors, fields)
        _meet(fields, total, pairs)
        to_total[:] = 0.0
        to_pairs[:] = 0.0
        for k in range(n_outputs):
            raw = biases[k]
            for p in range(d):
                raw += heads[0, k, p] * total[p] + heads[1, k, p] * pairs[p]
            if is_binary:
                slope = 1.0 / (1.0 + math.exp(-raw)) - y[row, k]
                own_loss = max(raw, 0.0) - raw * y[row, k] + math.log1p(math.exp(-abs(raw)))
            else:
                slope = raw - y[row, k]
                own_loss = 0.5 * slope * slope
            loss += weight * own_loss
            slope *= weight
            for p in range(d):
                to_total[p] += slope * heads[0, k, p]
                to_pairs[p] += slope * heads[1, k, p]
            _descend(biases, bias_squares, k, slope, rate)
            for p in range(d):
                _descend(heads[0, k], head_squares[0, k], p, slope * total[p], rate)
                _descend(heads[1, k], head_squares[1, k], p, slope * pairs[p], rate)
        for item in range(first, last):
            code, own = codes[item], fields[owners[item]]
            for p in range(d):
                slope = shares[item] * (to_total[p] + to_pairs[p] * (total[p] - own[p]))
                slope += weight * penalty * vectors[code, p]
                _descend(vectors[code], vector_squares[code], p, slope, rate)
    return loss / (n_seen * n_outputs) if n_seen > 0.0 else 0.0


@compiled
def combine(
    offsets: np.ndarray,
    codes: np.ndarray,
    shares: np.ndarray,
    vectors: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add up the vectors of bags.

    Parameters
    ----------
    offsets : ndarray of int64 of shape (n + 1,)
        Where each row's codes start.
    codes : ndarray of int32
        None negative.
    shares : ndarray of float64
        Coefficient of each code.
    vectors : ndarray of float64 of shape (m, d)
        Of the codes.
    out : ndarray of float64 of shape (n, d)
        0; filled.
    """
    for row in range(len(out)):
        for item in range(offsets[row], offsets[row + 1]):
            for p in range(vectors.shape[1]):
                out[row, p] += shares[item] * vectors[codes[item], p]
