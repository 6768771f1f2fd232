"""ENGINE: tables of counts of two codes, and what they say of dependence."""

from typing import Any

import numpy as np
from scipy.special import entr
from scipy.stats import chi2

from skextras.trees.compiling import compiled

ROUNDING = 1e-12  # share of a sum that is taken for 0


@compiled
def joint_counts(codes, features, other, weight, counts):  # type: ignore[no-untyped-def]
    """Weights of the rows by the codes of two features.

    Parameters
    ----------
    codes : ndarray of uint8 of shape (d, n)
        Codes of all features.
    features : ndarray of int64 of shape (m,)
        Which of them.
    other : ndarray of uint8 of shape (n,)
        What each is joined with.
    weight : ndarray of float64 of shape (n,)
        Of the rows.
    counts : ndarray of float64 of shape (m, a, b)
        0; filled.
    """
    n, width = codes.shape[1], counts.shape[2]
    for f in range(len(features)):
        own, table = codes[features[f]], counts[f].reshape(-1)
        for i in range(n):
            table[np.int64(own[i]) * width + np.int64(other[i])] += weight[i]


@compiled
def stored_counts(stored, features, other, weight, counts):  # type: ignore[no-untyped-def]
    """Weights of the rows by the codes of two features, of which the first holds few rows.

    Parameters
    ----------
    stored : tuple of (starts, rows, codes, rest)
        Where each feature's entries begin, (d + 1,) of int64; their rows, of int64, and codes, of
        uint8; and the code of all other rows, (d,) of uint8.
    features : ndarray of int64 of shape (m,)
        Which of them.
    other : ndarray of uint8 of shape (n,)
        What each is joined with.
    weight : ndarray of float64 of shape (n,)
        Of the rows.
    counts : ndarray of float64 of shape (m, a, b)
        0; filled.
    """
    starts, rows, codes, rest = stored
    total = np.zeros(counts.shape[2])
    for i in range(len(other)):
        total[other[i]] += weight[i]
    for f in range(len(features)):
        j = features[f]
        table = counts[f]
        left = total.copy()
        for p in range(starts[j], starts[j + 1]):
            b = other[rows[p]]
            left[b] -= weight[rows[p]]
            table[codes[p], b] += weight[rows[p]]
        for b in range(len(left)):
            if left[b] > ROUNDING * total[b]:  # weights that are no whole numbers leave some
                table[rest[j], b] += left[b]


def entropy(counts: np.ndarray) -> np.ndarray:
    """Plug-in entropy of counts.

    Parameters
    ----------
    counts : ndarray of shape (m, a)
        Weights by code.

    Returns
    -------
    ndarray of shape (m,), nats
        Not negative.
    """
    return np.asarray(entr(counts / counts.sum(axis=1, keepdims=True)).sum(axis=1))


def mutual_information(counts: np.ndarray) -> np.ndarray:
    """Plug-in mutual information of tables of counts.

    Parameters
    ----------
    counts : ndarray of shape (m, a, b)
        Weights by two codes.

    Returns
    -------
    ndarray of shape (m,), nats
        Not negative.
    """
    share = counts / counts.sum(axis=(1, 2), keepdims=True)
    apart = share.sum(axis=2, keepdims=True) * share.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(share > 0, share * np.log(share / apart), 0.0)
    return np.maximum(terms.sum(axis=(1, 2)), 0.0)


def independence_p_values(counts: np.ndarray) -> np.ndarray:
    """Chance of so much information between independent codes (G-test [1]_).

    Parameters
    ----------
    counts : ndarray of shape (m, a, b)
        Weights by two codes.

    Returns
    -------
    ndarray of shape (m,)
        From 0 to 1; 1 where one of the codes is constant.

    References
    ----------
    .. [1] R. Sokal and F. Rohlf, "Biometry", 3rd edition, 1995, section 17.2.
    """
    total = counts.sum(axis=(1, 2))
    rows = (counts.sum(axis=2) > 0).sum(axis=1) - 1
    columns = (counts.sum(axis=1) > 0).sum(axis=1) - 1
    freedom = rows * columns
    p_values: Any = chi2.sf(2 * total * mutual_information(counts), np.maximum(freedom, 1))
    return np.where(freedom > 0, p_values, 1.0)
