"""A tree as a linear model on its stumps, and what each feature's part of it explains (MDI+).

Each split is a column: 0 for rows that do not pass it, else one number left and another right, such
that the rows that the tree was grown on sum to 0 and their squares to the node's weight ([1]_,
section 3). These columns are orthogonal on those rows, so that ridge regression has a closed form:
at a split the step from the node's mean to a child's shrinks by weight / (weight + penalty).

References
----------
.. [1] A. Agarwal, A. M. Kenney, Y. S. Tan, T. M. Tang and B. Yu, "MDI+: A Flexible Random
   Forest-Based Feature Importance Framework", 2023.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PENALTIES = np.array([0.0, *10.0 ** np.arange(-1, 6)])  # in rows
FEATURES_AT_ONCE = 32  # a number for each node and feature is held


@dataclass(frozen=True, eq=False, kw_only=True)
class Stumps:
    """The linear model of one tree, fitted to the rows that it was grown on.

    Attributes
    ----------
    left : ndarray of int of shape (n_nodes,)
        Left child, the right one follows it; 0 for a leaf.
    feature : ndarray of int of shape (n_nodes,)
        Of splits.
    weight : ndarray of float64 of shape (n_nodes,)
        Of rows in each node; above 0.
    mean : ndarray of float64 of shape (n_nodes,)
        Of their targets.
    """

    left: np.ndarray
    feature: np.ndarray
    weight: np.ndarray
    mean: np.ndarray

    @cached_property
    def levels(self) -> list[np.ndarray]:
        """Splits by their depth.

        Returns
        -------
        list of ndarray of int64
            The root first.
        """
        return _levels(self.left)

    def steps(self, penalties: np.ndarray) -> np.ndarray:
        """How far predictions go from a node to its children.

        Parameters
        ----------
        penalties : ndarray of float64 of shape (n_penalties,)
            Of the ridge, in rows.

        Returns
        -------
        ndarray of float64 of shape (n_nodes, n_penalties)
            Stands at the child; 0 for the root.
        """
        found = np.zeros((len(self.left), len(penalties)))
        split = np.flatnonzero(self.left)
        shrunk = self.weight[split, None] / (self.weight[split, None] + penalties)
        for child in (self.left[split], self.left[split] + 1):
            found[child] = (self.mean[child] - self.mean[split])[:, None] * shrunk
        return found

    def penalty(self, leaves: np.ndarray, targets: np.ndarray) -> float:
        """The penalty under which the whole model is least wrong about other rows.

        Parameters
        ----------
        leaves : ndarray of int64 of shape (n,)
            Of these rows.
        targets : ndarray of float64 of shape (n,)
            Theirs.

        Returns
        -------
        float
            One of ``PENALTIES``.
        """
        said = self.steps(PENALTIES)
        said[0] = self.mean[0]
        for split in self.levels:
            for side in (0, 1):
                said[self.left[split] + side] += said[split]
        n = np.bincount(leaves, minlength=len(said))
        sums = np.bincount(leaves, targets, len(said))
        errors = n @ said**2 - 2 * sums @ said  # but for the sum of squared targets
        return float(PENALTIES[np.argmin(errors)])

    def partial(self, leaves: np.ndarray, features: np.ndarray, penalty: float) -> np.ndarray:
        """Predictions by the splits of one feature alone, those of the others at their mean.

        Parameters
        ----------
        leaves : ndarray of int64 of shape (n,)
            Of rows.
        features : ndarray of int64 of shape (n_some,)
            Which; a range.
        penalty : float
            Of the ridge.

        Returns
        -------
        ndarray of float64 of shape (n, n_some)
            The mean of all plus the feature's steps on the way to the leaf.
        """
        step = self.steps(np.array([penalty]))[:, 0]
        said = np.zeros((len(self.left), len(features)))
        said[0] = self.mean[0]
        for split in self.levels:
            own = self.feature[split] - features[0]
            is_own = (own >= 0) & (own < len(features))
            for side in (0, 1):
                child = self.left[split] + side
                said[child] = said[split]
                said[child[is_own], own[is_own]] += step[child[is_own]]
        return said[leaves]


def _levels(left: np.ndarray) -> list[np.ndarray]:
    found, nodes = [], np.zeros(1, np.int64)
    while len(nodes := nodes[left[nodes] > 0]):
        found.append(nodes)
        nodes = np.concatenate([left[nodes], left[nodes] + 1]).astype(np.int64)
    return found


def fit_stumps(
    left: np.ndarray,
    feature: np.ndarray,
    *,
    leaves: np.ndarray,
    counts: np.ndarray,
    targets: np.ndarray,
) -> Stumps:
    """Fit a tree's linear model.

    Parameters
    ----------
    left, feature : ndarray of int of shape (n_nodes,)
        The tree.
    leaves : ndarray of int64 of shape (n,)
        Of training rows.
    counts : ndarray of shape (n,)
        How often the tree saw each.
    targets : ndarray of float64 of shape (n,)
        Theirs.

    Returns
    -------
    Stumps
        Means by the rows that were seen.
    """
    left = left.astype(np.int64)
    weight = np.bincount(leaves, counts, len(left))
    total = np.bincount(leaves, counts * targets, len(left))
    for split in reversed(_levels(left)):
        for sums in (weight, total):
            sums[split] = sums[left[split]] + sums[left[split] + 1]
    mean = total / np.maximum(weight, np.finfo(float).tiny)
    return Stumps(left=left, feature=feature.astype(np.int64), weight=weight, mean=mean)


def r_squared(targets: np.ndarray, said: np.ndarray) -> float:
    """Share of the variance that predictions explain.

    Parameters
    ----------
    targets, said : ndarray of float64 of shape (n,)
        What is, and what was predicted.

    Returns
    -------
    float
        1 at best; 0 where the targets do not differ.
    """
    variance = ((targets - targets.mean()) ** 2).sum()
    return float(1.0 - ((targets - said) ** 2).sum() / variance) if variance > 0 else 0.0


def stump_scores(
    stumps: Stumps,
    leaves: np.ndarray,
    targets: np.ndarray,
    n_features: int,
    score: Callable[[np.ndarray, np.ndarray], float],
) -> np.ndarray:
    """How well each feature's part of the model predicts rows that the tree did not see.

    Parameters
    ----------
    stumps : Stumps
        The model.
    leaves : ndarray of int64 of shape (n,)
        Of these rows.
    targets : ndarray of float64 of shape (n,)
        Theirs.
    n_features : int
        Of the table.
    score : callable
        Takes targets and predictions; the greater, the more alike.

    Returns
    -------
    ndarray of float64 of shape (n_features,)
        That of a constant for a feature that was never split on.
    """
    penalty = stumps.penalty(leaves, targets)
    found = np.empty(n_features)
    for first in range(0, n_features, FEATURES_AT_ONCE):
        own = np.arange(first, min(first + FEATURES_AT_ONCE, n_features))
        said = stumps.partial(leaves, own, penalty)
        found[own] = [score(targets, column) for column in said.T]
    return found
