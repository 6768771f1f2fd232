"""Where bins begin: at midpoints between distinct values, or at quantiles of a sample of rows."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from skextras.trees.arrays import MISSING

LARGEST = 1e300  # of an edge: above it stands +inf alone


@dataclass(frozen=True)
class BinMapper:
    """Where the bins of each feature begin.

    Attributes
    ----------
    edges : tuple of ndarray of float64
        Of a number: ascending edges, bin(x) = how many of them are below x, so that
        bin(x) <= b says x <= edges[b]. Of a category: the known codes, ascending, bin = place.
    is_categorical : ndarray of bool of shape (n_features,)
        Which is which.
    """

    edges: tuple[np.ndarray, ...]
    is_categorical: np.ndarray

    @property
    def n_features(self) -> int:
        """Columns of the data.

        Returns
        -------
        int
            How many.
        """
        return len(self.edges)

    @property
    def n_bins(self) -> np.ndarray:
        """Bins of each feature, without that of the missing values.

        Returns
        -------
        ndarray of int64 of shape (n_features,)
            1 to 255; 0 for a category of which nothing is known.
        """
        n_edges = np.array([len(edges) for edges in self.edges], np.int64)
        return np.where(self.is_categorical, n_edges, n_edges + 1)

    def greatest(self) -> tuple[np.ndarray, np.ndarray]:
        """Greatest value of each bin, infinite for the last of a feature.

        Returns
        -------
        values : ndarray of float64
            Those of a feature side by side.
        first : ndarray of int64 of shape (n_features,)
            Where each feature begins.
        """
        sizes = [len(edges) + 1 for edges in self.edges]
        values = [part for edges in self.edges for part in (edges, [np.inf])]
        return np.concatenate([*values, []]), np.cumsum([0, *sizes])[:-1]

    def part(self, features: np.ndarray) -> "BinMapper":
        """Bins of some features.

        Parameters
        ----------
        features : ndarray of int64
            Which.

        Returns
        -------
        BinMapper
            In the order given.
        """
        return BinMapper(tuple(self.edges[j] for j in features), self.is_categorical[features])


def edges_of(values: np.ndarray, weights: np.ndarray | None, max_bins: int) -> np.ndarray:
    """Edges between the bins of one number.

    Midpoints between the distinct values when there are few, else quantiles (the averaged inverse
    of the distribution function, under which a weight is a repetition).

    Parameters
    ----------
    values : ndarray of shape (n,)
        A sample; NaN is missing.
    weights : ndarray of shape (n,) or None
        A row of weight 0 is not there.
    max_bins : int
        2 to 255.

    Returns
    -------
    ndarray of float64 of shape (at most max_bins - 1,)
        Ascending, all different.
    """
    is_there = ~np.isnan(values)
    if weights is not None:
        is_there &= weights != 0
        weights = weights[is_there]
    values = values[is_there]
    if weights is None:
        values = np.sort(values)
    else:
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order]
    last = np.flatnonzero(values[1:] != values[:-1])  # of each distinct value but the greatest
    if len(last) < max_bins:
        left, right = last, last + 1
    elif weights is None:
        right, rest = np.divmod(np.arange(1, max_bins) * len(values), max_bins)
        left = np.where(rest == 0, right - 1, right)
    else:
        left, right = _weighted_quantiles(weights, max_bins)
    return np.unique(_middles(values[left].astype(np.float64), values[right].astype(np.float64)))


def _middles(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Edges that part below from above, where these differ."""
    with np.errstate(invalid="ignore"):
        middle = below / 2 + above / 2
    middle = np.where(np.isnan(middle), 0.0, middle)  # between -inf and +inf
    # Between neighbours among the numbers the middle is one of them: it must not be the upper.
    middle = np.where(np.isfinite(above) & (middle >= above), below, middle)
    return np.minimum(middle, LARGEST)


def _weighted_quantiles(weights: np.ndarray, max_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the values on both sides of each quantile."""
    total = np.cumsum(weights, dtype=np.float64)
    share = np.arange(1, max_bins) * (total[-1] / max_bins)
    # A sum that meets the share up to rounding ends exactly there: its value and the next share it.
    slack = 1e-12 * total[-1]
    left = np.searchsorted(total, share - slack)
    return left, np.minimum(np.searchsorted(total, share + slack), len(weights) - 1)


def fit_mapper(
    column: Callable[[int], np.ndarray],
    categories: Sequence[np.ndarray | None],
    *,
    weights: np.ndarray | None,
    max_bins: int,
    n_threads: int,
) -> BinMapper:
    """Find the bins of every feature.

    Parameters
    ----------
    column : callable
        Gives the sampled values of a feature, as an array of shape (n,).
    categories : sequence of (ndarray of float64 or None), one a feature
        Known codes of a categorical feature, ascending and at most ``max_bins``; None for a number.
    weights : ndarray of shape (n,) or None
        Repetitions of each row.
    max_bins : int
        2 to 255.
    n_threads : int
        NumPy sorts without holding the interpreter.

    Returns
    -------
    BinMapper
        The bins.
    """

    def _find(feature: int) -> np.ndarray:
        return edges_of(column(feature), weights, max_bins)

    return mapper_by(_find, categories, n_threads=n_threads)


def mapper_by(
    find: Callable[[int], np.ndarray],
    categories: Sequence[np.ndarray | None],
    *,
    n_threads: int,
) -> BinMapper:
    """Bins of every feature, of which those of numbers are still to be found.

    Parameters
    ----------
    find : callable
        Gives the edges of a number.
    categories : sequence of (ndarray of float64 or None), one a feature
        Known codes of a categorical feature; None for a number.
    n_threads : int
        NumPy sorts without holding the interpreter.

    Returns
    -------
    BinMapper
        The bins.
    """

    def _edges(feature: int) -> np.ndarray:
        known = categories[feature]
        return find(feature) if known is None else known

    features = range(len(categories))
    if n_threads == 1 or not features:
        found = tuple(map(_edges, features))
    else:
        with ThreadPoolExecutor(n_threads) as executor:
            found = tuple(executor.map(_edges, features))
    is_categorical = np.array([known is not None for known in categories], bool)
    return BinMapper(found, is_categorical)


def rounded_down(edges: np.ndarray) -> np.ndarray:
    """Nearest single-precision numbers not above: x <= edge keeps its truth for every float32 x.

    Parameters
    ----------
    edges : ndarray of float64
        Any numbers.

    Returns
    -------
    ndarray of float32
        The same, rounded down.
    """
    with np.errstate(over="ignore"):  # beyond the last float32 stands infinity
        single = edges.astype(np.float32)
        return np.where(single > edges, np.nextafter(single, np.float32(-np.inf)), single)


def edge_table(mapper: BinMapper, dtype: Any) -> np.ndarray:
    """Edges of all features side by side, filled up with what no number is above: +inf or NaN.

    Parameters
    ----------
    mapper : BinMapper
        The bins.
    dtype : {numpy.float32, numpy.float64}
        That of the data.

    Returns
    -------
    ndarray of shape (n_features, 256)
        Edges of numbers are rounded down; codes of categories are exact, and NaN, which equals
        nothing, follows them.
    """
    table = np.empty((mapper.n_features, 256), dtype)
    for row, edges, categorical in zip(table, mapper.edges, mapper.is_categorical, strict=True):
        exact = categorical or dtype == np.float64
        row[: len(edges)] = edges if exact else rounded_down(edges)
        row[len(edges) :] = np.nan if categorical else np.inf
    return table


def bins_of(values: np.ndarray, mapper: BinMapper, feature: int) -> np.ndarray:
    """Bins of some values of one feature, for those that do not lie in a table.

    Parameters
    ----------
    values : ndarray of float32 or float64 of shape (n,)
        NaN is missing.
    mapper : BinMapper
        The bins.
    feature : int
        Whose values they are.

    Returns
    -------
    ndarray of uint8 of shape (n,)
        255 is missing, and a category that is not known.
    """
    edges, is_categorical = mapper.edges[feature], mapper.is_categorical[feature]
    exact = is_categorical or values.dtype == np.float64
    edges = edges.astype(values.dtype) if exact else rounded_down(edges)
    places = np.searchsorted(edges, values)
    is_missing = np.isnan(values)
    if is_categorical:
        is_known = places < len(edges)
        is_known[is_known] = edges[places[is_known]] == values[is_known]
        is_missing |= ~is_known
    return np.where(is_missing, MISSING, places).astype(np.uint8)
