"""Slow twins of the tree engine: bins, histograms, splits and growth by the plainest means."""

from dataclasses import dataclass, field

import numpy as np

MISSING = 255
NEGLIGIBLE = 1e-10  # of a node's own reduction, as documented in skextras.trees.nodes
EASE = 0.25  # of the hessian that as many rows have on average
SUPPORT = 10.0  # rows of a category that may be told apart


def bin_of(x, edges, is_categorical):
    """Bin of one value, by counting edges."""
    if np.isnan(x):
        return MISSING
    if not is_categorical:
        return sum(1 for edge in edges if edge < x)
    known = list(edges)
    return known.index(x) if x in known else MISSING


def bins_of(X, mapper):
    """Bins of a table, (n_rows, n_features)."""
    columns = zip(X.T.astype(np.float64), mapper.edges, mapper.is_categorical, strict=True)
    return np.array([[bin_of(x, e, c) for x in column] for column, e, c in columns], np.uint8).T


def unpacked(words, n_features):
    """Bins out of the words that hold eight of them, (n_rows, n_features)."""
    columns = [
        (words[j // 8] >> np.uint64(8 * (j % 8))) & np.uint64(255) for j in range(n_features)
    ]
    return np.array(columns, np.uint8).T


def histogram(bins, payload):
    """Sum of the payloads of each feature's bins, (n_features, 256), in Python's integers."""
    sums = [[0] * 256 for _ in range(bins.shape[1])]
    for row, p in zip(bins, payload, strict=True):
        for own, b in zip(sums, row, strict=True):
            own[b] += int(p)
    return sums


@dataclass
class Node:
    """A node of the slow tree: its rows, bounds, features, and the best split that was found."""

    rows: np.ndarray
    depth: int
    lower: float
    upper: float
    sets: tuple
    split: tuple | None = None  # gain, feature, set of left bins, bin or None, missing left
    children: tuple = ()
    counts_exactly: bool = False
    value: float = 0.0


@dataclass
class SlowTree:
    """Best-first or depth-wise growth by sorting all waiting nodes each time.

    Gradients and hessians must be sums that floating point holds exactly (small integers).
    """

    bins: np.ndarray
    is_categorical: np.ndarray
    n_bins: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    growth: object
    nodes: list = field(default_factory=list)
    n_second_looks: int = 0

    # ------------------------------------------------------------ values and gains
    def leaf_value(self, g, h, node):
        size = max(abs(g) - self.growth.l1, 0)
        v = -np.sign(g) * size / (h + self.growth.l2) if size else 0.0
        return float(np.clip(v, node.lower, node.upper))

    def fall(self, g, h, v):
        """Twice what the loss falls when rows of sums g, h move to v."""
        growth = self.growth
        return -(2 * g * v + (h + growth.l2) * v * v + 2 * growth.l1 * abs(v))

    def gain(self, left, node, monotonic):
        """Gain of sending some of a node's rows left, None where it is not allowed."""
        growth, right = self.growth, ~left
        g, h = self.gradient[node.rows], self.hessian[node.rows]
        n_least = growth.min_samples_leaf
        share = (1.0 if h.sum() == len(h) else EASE) * n_least * h.sum() / len(h)
        if n_least <= 1:
            share = 0.0
        floor = max(growth.min_hessian, share)
        if min(h[left].sum(), h[right].sum()) < max(floor, 0.5):
            return None
        if node.counts_exactly and min(left.sum(), right.sum()) < max(1, n_least):
            return None
        sums = [(g[side].sum(), h[side].sum()) for side in (left, right)]
        v_left, v_right = (self.leaf_value(*pair, node) for pair in sums)
        if (v_right - v_left) * monotonic < 0:
            return None
        own = self.fall(g.sum(), h.sum(), node.value)
        return self.fall(*sums[0], v_left) + self.fall(*sums[1], v_right) - own

    # ------------------------------------------------------------ candidates
    def number_splits(self, feature, b):
        """(left bins, threshold, missing left): missing right first, then missing left."""
        has_missing = np.any(b == MISSING)
        n = int(self.n_bins[feature])
        for missing_left in (False, True) if has_missing else (False,):
            last = n if has_missing and not missing_left else n - 1
            for threshold in range(last):
                left = set(range(threshold + 1)) | ({MISSING} if missing_left else set())
                yield left, threshold, missing_left

    def category_splits(self, node, b):
        """Prefixes of the categories in the order of their shrunken means, from both ends."""
        g, h = self.gradient[node.rows], self.hessian[node.rows]
        per_hessian = len(h) / h.sum()
        keys = []
        for one in sorted(set(b.tolist())):
            weight = h[b == one].sum() * per_hessian
            if weight >= SUPPORT:
                keys.append((g[b == one].sum() * per_hessian / (weight + SUPPORT), one))
        order = [one for _, one in sorted(keys)]
        for direction in (order, order[::-1]):
            for k in range(1, (len(order) + 1) // 2 + 1):
                left = set(direction[:k])
                yield left, None, MISSING in left

    def find(self, node, features):
        """Best split of a node; the first of equals."""
        growth, best = self.growth, None
        for feature in features:
            b = self.bins[node.rows, feature]
            monotonic = 0 if growth.monotonic is None else growth.monotonic[feature]
            is_category = self.is_categorical[feature]
            splits = (
                self.category_splits(node, b) if is_category else self.number_splits(feature, b)
            )
            for left, threshold, missing_left in splits:
                gain = self.gain(np.isin(b, list(left)), node, monotonic)
                if gain is not None and gain > 0 and (best is None or gain > best[0]):
                    best = (gain, feature, left, threshold, missing_left)
        g, h = self.gradient[node.rows].sum(), self.hessian[node.rows].sum()
        least = max(growth.min_gain, NEGLIGIBLE * abs(self.fall(g, h, node.value)))
        node.split = best if best is not None and best[0] > least else None

    # ------------------------------------------------------------ growth
    def features_of(self, node):
        sets, n = self.growth.interactions, self.bins.shape[1]
        if sets is None:
            return range(n)
        return [f for f in range(n) if any(sets[s][f] for s in node.sets)]

    def born(self, rows, depth, bounds, sets):
        node = Node(rows, depth, *bounds, sets)
        node.value = self.leaf_value(self.gradient[rows].sum(), self.hessian[rows].sum(), node)
        self.nodes.append(node)
        return node

    def open(self, node):
        growth = self.growth
        deep = growth.max_depth is not None and node.depth >= growth.max_depth
        if not deep and len(node.rows) >= max(2, 2 * growth.min_samples_leaf):
            self.find(node, self.features_of(node))

    def grow(self):
        growth = self.growth
        n_sets = 0 if growth.interactions is None else len(growth.interactions)
        root = self.born(np.arange(len(self.bins)), 0, (-np.inf, np.inf), tuple(range(n_sets)))
        self.open(root)
        n_leaves, limit = 1, growth.max_leaves or np.inf
        while n_leaves < limit:
            waiting = [i for i, node in enumerate(self.nodes) if node.split and not node.children]
            if not waiting:
                break
            by_gain = growth.order == "best" and growth.max_leaves is not None
            number = min(waiting, key=lambda i: (-self.nodes[i].split[0] if by_gain else 0, i))
            n_leaves += self.part(self.nodes[number])
        return self

    def part(self, node):
        """Split a node if its split keeps enough rows on both sides; how many leaves that adds."""
        growth, (_, feature, left_bins, threshold, _) = self.growth, node.split
        left = np.isin(self.bins[node.rows, feature], list(left_bins))
        if min(left.sum(), (~left).sum()) < max(1, growth.min_samples_leaf):
            self.n_second_looks += 1
            node.counts_exactly = True
            self.find(node, self.features_of(node))
            return 0
        sets = growth.interactions
        kept = tuple(s for s in node.sets if sets[s][feature])
        bounds = (node.lower, node.upper)
        node.children = tuple(
            self.born(node.rows[side], node.depth + 1, bounds, kept) for side in (left, ~left)
        )
        direction = 0 if growth.monotonic is None else growth.monotonic[feature]
        if direction and threshold is not None:
            middle = (node.children[0].value + node.children[1].value) / 2
            below, above = node.children[:: 1 if direction > 0 else -1]
            below.upper = above.lower = middle
        for child in node.children:
            self.open(child)
        return 1


def goes_left(tree, node, b):
    """Whether a bin goes left at a node of a kept tree."""
    if tree.category_set[node] >= 0:
        return bool(
            int(tree.left_categories[tree.category_set[node]][b // 64]) >> (int(b) % 64) & 1
        )
    return bool(tree.missing_left[node]) if b == MISSING else b <= tree.bin[node]


def leaf_of(tree, bins):
    """Leaf that a row of bins ends in."""
    node = 0
    while tree.feature[node] >= 0:
        left = goes_left(tree, node, bins[tree.feature[node]])
        node = tree.left[node] + (0 if left else 1)
    return node


def scores(tree, bins):
    """What a kept tree says of each row."""
    return np.array([tree.value[leaf_of(tree, row), 0] for row in bins])
