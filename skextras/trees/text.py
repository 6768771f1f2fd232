"""A tree as text, and where its nodes stand in a picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skextras.trees.arrays import MISSING, Tree


def conditions(
    tree: Tree,
    node: int,
    names: Sequence[str] | None = None,
    categories: Sequence[Sequence[Any] | None] | None = None,
) -> tuple[str, str]:
    """What goes left at a split, and what goes right.

    Parameters
    ----------
    tree : Tree
        The tree.
    node : int
        Not a leaf.
    names : sequence of str, optional
        Of the features.
    categories : sequence, optional
        For each categorical feature its categories in the order of the bins; None for numbers.

    Returns
    -------
    tuple of str
        Left and right.
    """
    feature = int(tree.feature[node])
    name = names[feature] if names is not None else f"x[{feature}]"
    missing = " or missing"
    to_left, to_right = (missing, "") if tree.missing_left[node] else ("", missing)
    if tree.category_set[node] >= 0:
        left, right = _categories(tree, node, categories[feature] if categories else None)
        return f"{name} in {left}{to_left}", f"{name} in {right}{to_right}"
    if np.isinf(tree.threshold[node]):
        return f"{name} is there{to_left}", f"{name} is missing" if to_right else "nothing"
    threshold = f"{tree.threshold[node]:.6g}"
    return f"{name} <= {threshold}{to_left}", f"{name} > {threshold}{to_right}"


def _categories(tree: Tree, node: int, names: Sequence[Any] | None) -> tuple[str, str]:
    words = tree.left_categories[tree.category_set[node]].astype("<u8")
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")[:MISSING].astype(bool)
    if names is None:
        return _listed(np.flatnonzero(bits)), "others"
    left = [name for name, bit in zip(names, bits, strict=False) if bit]
    return _listed(left), _listed([name for name in names if name not in left])


def _listed(items: Sequence[Any] | np.ndarray) -> str:
    return "{" + ", ".join(str(item) for item in items) + "}"


def tree_text(
    tree: Tree,
    names: Sequence[str] | None = None,
    categories: Sequence[Sequence[Any] | None] | None = None,
) -> str:
    """The tree, a line for each turn; leaves with their value, splits with their gain.

    Parameters
    ----------
    tree : Tree
        The tree.
    names : sequence of str, optional
        Of the features.
    categories : sequence, optional
        For each categorical feature its categories in the order of the bins; None for numbers.

    Returns
    -------
    str
        Lines, the left branch first.
    """
    lines = []
    stack = [(0, 0, "all")]
    while stack:
        node, depth, condition = stack.pop()
        cover = f"n={tree.count[node]}, weight={tree.weight[node]:.6g}"
        if tree.is_leaf[node]:
            value = ", ".join(f"{number:.6g}" for number in tree.value[node])
            lines.append(f"{'|   ' * depth}{condition}: value={value} ({cover})")
            continue
        lines.append(f"{'|   ' * depth}{condition}: gain={tree.gain[node]:.6g} ({cover})")
        left, right = conditions(tree, node, names, categories)
        child = int(tree.left[node])
        stack += [(child + 1, depth + 1, right), (child, depth + 1, left)]
    return "\n".join(lines)


def layout(tree: Tree) -> np.ndarray:
    """Places of the nodes in a picture without crossings.

    Parameters
    ----------
    tree : Tree
        The tree.

    Returns
    -------
    ndarray of float64 of shape (n_nodes, 2)
        Leaves at x = 0, 1, 2, ... from left to right, a split midway between its children;
        y is minus the depth.
    """
    positions = np.zeros((tree.n_nodes, 2))
    positions[:, 1] = -tree.depth
    n_leaves = 0
    stack = [0]
    while stack:  # leaves from left to right
        node = stack.pop()
        if tree.is_leaf[node]:
            positions[node, 0] = n_leaves
            n_leaves += 1
        else:
            stack += [int(tree.left[node]) + 1, int(tree.left[node])]
    for node in np.flatnonzero(~tree.is_leaf)[::-1]:  # children come after their parent
        left = tree.left[node]
        positions[node, 0] = positions[left : left + 2, 0].mean()
    return positions
