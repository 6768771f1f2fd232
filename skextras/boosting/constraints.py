"""What a user may ask of the trees' shape: rising or falling features, and which may interact."""

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np


def interaction_sets(constraints: Any, n_features: int) -> np.ndarray | None:
    """Sets of features that may stand on one path, from the host's ways to write them.

    Parameters
    ----------
    constraints : {"pairwise", "no_interactions"}, iterable of iterables of int, or None
        As in ``HistGradientBoostingClassifier``.
    n_features : int
        Of the data.

    Returns
    -------
    ndarray of bool of shape (n_sets, n_features) or None
        Features that no set names make one set more.

    Raises
    ------
    ValueError
        If a set is no set of places of features.
    """
    if constraints is None:
        return None
    named: Iterable[Any] = constraints
    if isinstance(constraints, str):
        size = 1 if constraints == "no_interactions" else 2
        named = itertools.combinations(range(n_features), size)
    try:
        groups = [set(group) for group in named]
    except TypeError as error:
        raise ValueError(
            f"Interaction constraints must be a sequence of tuples or lists, got: {constraints!r}."
        ) from error
    for group in groups:
        if not all(isinstance(i, (int, np.integer)) and 0 <= i < n_features for i in group):
            raise ValueError(
                "Interaction constraints must consist of integer indices in [0, n_features - 1]"
                f" = [0, {n_features - 1}], specifying the position of features, got invalid "
                f"indices: {group!r}"
            )
    rest = set(range(n_features)).difference(*groups)
    if rest:
        groups.append(rest)
    sets = np.zeros((len(groups), n_features), bool)
    for row, group in zip(sets, groups, strict=True):
        row[[int(i) for i in group]] = True
    return sets
