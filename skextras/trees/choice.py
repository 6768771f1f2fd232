"""Features that a node may choose from: interaction constraints, and a sample of them."""

from typing import Any

import numpy as np

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.leaves import record_of
from skextras.trees.memory import bytes_, inner, int64s, word


@inner
def _next_random(state: Any) -> Any:
    """SplitMix64 (Steele, Lea and Flood 2014)."""
    state += np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state, z ^ (z >> np.uint64(31))


@inner
def allow(table: int, node: int, child: int) -> None:
    """Features that a node may choose from: those of its interaction sets, and of them a sample."""
    n_features, n_sets = word(table, at.N_FEATURES), word(table, at.N_SETS)
    allowed = bytes_(word(table, at.ALLOWED) + n_features * child, n_features)
    permutation = int64s(word(table, at.PERMUTATION), n_features)
    active = bytes_(word(table, at.ACTIVE) + n_sets * node, n_sets)
    sets = bytes_(word(table, at.SETS), n_sets * n_features)
    n = 0
    for feature in range(n_features):
        is_allowed = n_sets == 0
        for one in range(n_sets):
            if active[one] and sets[one * n_features + feature]:
                is_allowed = True
        allowed[feature] = is_allowed
        if is_allowed:
            permutation[n] = feature
            n += 1
    n_chosen = word(table, at.N_CHOSEN)
    if n_chosen == n_features:
        return
    # The share is of the features that are allowed here.
    n_chosen = max(1, (n_chosen * n + n_features - 1) // n_features)
    state = np.uint64(record_of(table, node)[at.PATH])
    for i in range(n):
        if i < n_chosen:
            state, z = _next_random(state)
            j = i + np.int64((z >> np.uint64(32)) * np.uint64(n - i) >> np.uint64(32))
            permutation[i], permutation[j] = permutation[j], permutation[i]
        else:
            allowed[permutation[i]] = 0


@inner
def restrict(table: int, node: int, child: int) -> None:
    """A child keeps the interaction sets of its parent that hold the feature just used."""
    n_features, n_sets = word(table, at.N_FEATURES), word(table, at.N_SETS)
    feature = record_of(table, node)[splitting.FEATURE]
    sets = bytes_(word(table, at.SETS), n_sets * n_features)
    parent = bytes_(word(table, at.ACTIVE) + n_sets * node, n_sets)
    own = bytes_(word(table, at.ACTIVE) + n_sets * child, n_sets)
    for one in range(n_sets):
        own[one] = parent[one] and sets[one * n_features + feature]


@inner
def seed_children(record: Any, left: Any, right: Any) -> None:
    """What a node's sample of features begins with goes by its path from the root."""
    state, z = _next_random(np.uint64(record[at.PATH]))
    left[at.PATH] = np.int64(z)
    state, z = _next_random(state)
    right[at.PATH] = np.int64(z)
