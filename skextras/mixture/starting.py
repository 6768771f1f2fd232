"""Where EM starts: assignments of a sample of the rows to the components.

Rows that are equal are joined and sorted first, so that a start depends neither on the order of the
rows nor on whether a row is repeated or weighted.
"""

import warnings
from typing import Any

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from skextras.mixture.sweeping import EMPTY, NO_LABELS, Rows

__all__ = ["Starter", "soft"]

SOFT = 0.2  # of a row's first assignment, where features are discrete


class Starter:
    """Draws starts from a sample.

    Parameters
    ----------
    sample : Rows
        Some of the data, or all.
    centre : ndarray of shape (d,)
        Taken away; it stands in for missing values.
    n_components : int
        Components.
    owner : str
        Whose warnings they are.
    """

    def __init__(self, sample: Rows, centre: np.ndarray, n_components: int, owner: str) -> None:
        self.k, self.owner = n_components, owner
        self.rows = _joined_equals(sample)
        values = self.rows.values.astype(np.float64) - centre
        self.values = np.where(np.isnan(values), 0.0, values)
        self.weight = self.rows.weight
        self._has_warned = False

    def assign(self, kind: str, rng: np.random.RandomState) -> np.ndarray:
        """Draw one assignment.

        Parameters
        ----------
        kind : {"kmeans", "k-means++", "random", "random_from_data"}
            How.
        rng : RandomState
            Draws.

        Returns
        -------
        ndarray of shape (n_rows, k)
            Shares of the components; rows may sum to 0.
        """
        with threadpool_limits(1):  # so few rows: threads that wait for one another take longer
            return self._assigned(kind, rng)

    def _assigned(self, kind: str, rng: np.random.RandomState) -> np.ndarray:
        n = len(self.values)
        if n < self.k:
            self._warn_of_few(n)
        if kind == "random":
            shares = rng.uniform(size=(n, self.k))
            shares /= shares.sum(axis=1, keepdims=True)
        elif kind == "kmeans":
            shares = self._one_hot(np.arange(n), self._kmeans(rng))
        else:
            shares = self._one_hot(self._seeds(kind, rng), np.arange(self.k))
        if len(self.rows.labels):
            known = np.flatnonzero(self.rows.labels >= 0)
            shares[known] = np.eye(self.k)[self.rows.labels[known]]
        return shares

    def _one_hot(self, rows: np.ndarray, components: np.ndarray) -> np.ndarray:
        shares = np.zeros((len(self.values), self.k))
        shares[rows, components] = 1.0
        return shares

    def _seeds(self, kind: str, rng: np.random.RandomState) -> np.ndarray:
        """One row for each component; some twice where there are too few."""
        n = len(self.values)
        if n < self.k:
            return np.arange(self.k) % n
        if kind == "random_from_data":
            return rng.choice(n, self.k, replace=False)
        _, seeds = kmeans_plusplus(self.values, self.k, sample_weight=self.weight, random_state=rng)
        return seeds

    def _kmeans(self, rng: np.random.RandomState) -> np.ndarray:
        if len(self.values) < self.k:
            return np.arange(len(self.values))
        model = KMeans(self.k, n_init=1, random_state=rng, init=self._centres(rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(self.values, sample_weight=self.weight).labels_

    def _centres(self, rng: np.random.RandomState) -> Any:
        """Means of the labelled rows; drawn rows where a component has none."""
        labels = self.rows.labels
        if not len(labels) or labels.max() < 0:
            return "k-means++"
        centres = self.values[self._seeds("k-means++", rng)]
        for j in np.unique(labels[labels >= 0]):
            own = labels == j
            centres[j] = np.average(self.values[own], axis=0, weights=self.weight[own])
        return centres

    def _warn_of_few(self, n: int) -> None:
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{self.owner}: n_components must be at most the number of distinct rows to be "
                f"of use, got {self.k} for {n}. Some components will be equal or empty; lower "
                "n_components.",
                ConvergenceWarning,
                stacklevel=3,
            )


def soft(shares: np.ndarray) -> np.ndarray:
    """Give a part of each row to all components alike.

    Parameters
    ----------
    shares : ndarray of shape (n, k)
        Of the components.

    Returns
    -------
    ndarray of shape (n, k)
        None is zero where the row is not.
    """
    return (1 - SOFT) * shares + SOFT * shares.mean(axis=1, keepdims=True)


def _joined_equals(sample: Rows) -> Rows:
    """Distinct rows in order, with the sums of their weights."""
    weight = sample.weight if len(sample.weight) else np.ones(len(sample))
    columns = sample.values
    if len(sample.labels):
        columns = np.column_stack([columns, sample.labels.astype(columns.dtype)])
    order = np.argsort(columns[:, 0], kind="stable")
    if len(np.unique(columns[:, 0])) < len(columns):  # the first column does not tell them apart
        order = np.lexsort(columns.T[::-1])
    ordered = columns[order]
    same = (ordered[1:] == ordered[:-1]) | (np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    first = np.flatnonzero(np.r_[True, ~same.all(axis=1)])
    kept = order[first]
    labels = sample.labels[kept] if len(sample.labels) else NO_LABELS
    joined = np.add.reduceat(weight[order], first) if len(order) else EMPTY
    return Rows(np.ascontiguousarray(sample.values[kept]), joined, labels)
