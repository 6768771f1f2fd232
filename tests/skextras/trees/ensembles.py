"""Random ensembles: numbers, missing values, categories, one output or many, trees of any size."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from skextras.trees.arrays import Ensemble, Tree


@dataclass(frozen=True)
class Bins:
    """Edges as a bin mapper has them."""

    edges: tuple
    is_categorical: np.ndarray


@dataclass(frozen=True)
class Shape:
    """What a random ensemble is like."""

    n_features: int = 4
    n_trees: int = 5
    n_leaves: int = 8
    n_outputs: int = 1
    is_joint: bool = False
    n_edges: int = 20
    categorical: float = 0.3
    average: bool = False


def random_bins(rng, shape):
    """Edges and categories; a code is any float, the first feature is a number."""
    is_categorical = rng.random(shape.n_features) < shape.categorical
    is_categorical[0] = False
    n_edges = rng.integers(1, shape.n_edges + 1, shape.n_features)
    edges = [
        np.unique(rng.integers(-50, 200, n).astype(float))
        if own
        else np.unique(rng.normal(size=n).round(2))
        for own, n in zip(is_categorical, n_edges, strict=True)
    ]
    return Bins(tuple(edges), is_categorical)


def random_tree(rng, bins, n_leaves, n_values):
    """Split a random leaf until there are enough."""
    rows = [blank(rng, n_values)]
    sets = []
    leaves = [0]
    while len(leaves) < n_leaves:
        node = leaves.pop(int(rng.integers(len(leaves))))
        rows[node] |= random_split(rng, bins, sets) | {"left": len(rows), "gain": rng.random()}
        leaves += [len(rows), len(rows) + 1]
        share = rng.uniform(0.1, 0.9)
        for part in (share, 1 - share):
            weight = rows[node]["weight"] * part
            rows.append(blank(rng, n_values) | {"weight": weight, "count": int(weight) + 1})
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Tree(**columns, left_categories=np.array(sets, np.uint64).reshape(-1, 4))


def blank(rng, n_values):
    """A leaf."""
    return {
        "feature": -1,
        "bin": 0,
        "threshold": np.nan,
        "missing_left": False,
        "category_set": -1,
        "left": 0,
        "value": rng.normal(size=n_values),
        "gain": 0.0,
        "weight": 1000.0,
        "count": 1000,
    }


def random_split(rng, bins, sets):
    """Any feature, any of its bins, the split of real from missing values included."""
    feature = int(rng.integers(len(bins.edges)))
    missing_left = bool(rng.integers(2))
    split = {"feature": feature, "missing_left": missing_left}
    edges = bins.edges[feature]
    if bins.is_categorical[feature]:
        words = rng.integers(0, 2**64, 4, np.uint64)
        words[3] = words[3] & np.uint64(2**63 - 1) | np.uint64(missing_left << 63)
        sets.append(words)
        return split | {"category_set": len(sets) - 1}
    place = int(rng.integers(len(edges) + 1))
    if place == len(edges):
        return split | {"bin": place, "threshold": np.inf, "missing_left": False}
    return split | {"bin": place, "threshold": edges[place]}


def random_ensemble(rng, shape):
    """An ensemble and its bins."""
    bins = random_bins(rng, shape)
    n_values = shape.n_outputs if shape.is_joint else 1
    sizes = rng.integers(1, shape.n_leaves + 1, shape.n_trees)
    ensemble = Ensemble(
        trees=tuple(random_tree(rng, bins, n, n_values) for n in sizes),
        output=np.arange(shape.n_trees) % shape.n_outputs,
        n_outputs=shape.n_outputs,
        start=rng.normal(size=shape.n_outputs),
        average=shape.average,
    )
    return ensemble, bins


def random_rows(rng, bins, n, dtype=np.float64):
    """Rows that hit edges, missing values, infinities and unknown categories."""
    columns = []
    for edges, own in zip(bins.edges, bins.is_categorical, strict=True):
        column = rng.choice(edges, n).astype(dtype)
        if not own:
            column = np.where(rng.random(n) < 0.5, rng.normal(size=n), column)
            column[rng.random(n) < 0.05] = np.inf
            column[rng.random(n) < 0.05] = -np.inf
        column[rng.random(n) < 0.1] = 777.0
        column[rng.random(n) < 0.1] = np.nan
        columns.append(column.astype(dtype))
    return np.stack(columns, axis=1)


shapes = st.builds(
    Shape,
    n_features=st.integers(1, 6),
    n_trees=st.integers(1, 20),
    n_leaves=st.sampled_from([1, 4, 32, 50, 64, 90]),
    n_outputs=st.integers(1, 3),
    is_joint=st.booleans(),
    n_edges=st.sampled_from([1, 5, 60]),
    categorical=st.sampled_from([0.0, 0.5]),
    average=st.booleans(),
)
seeds = st.integers(0, 2**32 - 1)
