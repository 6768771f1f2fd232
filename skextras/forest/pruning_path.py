"""The subtrees that cost-complexity pruning leaves, one after the other, as the price rises.

Breiman et al., "Classification and Regression Trees", 1984, chapter 3: the weakest link is the node
whose subtree takes away least impurity for each leaf beyond the first.
"""

import heapq
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Nodes:
    """What pruning reads of a tree, node by node; children have greater numbers than parents.

    Attributes
    ----------
    left, right : ndarray of shape (n_nodes,)
        Children, -1 for those of a leaf.
    risk : ndarray of shape (n_nodes,), float64
        Impurity times the node's share of the weight.
    """

    left: np.ndarray
    right: np.ndarray
    risk: np.ndarray


class _Links:
    """Nodes that are split, and what it costs to make leaves of them."""

    def __init__(self, nodes: Nodes) -> None:
        n = len(nodes.risk)
        self.nodes, self.parent = nodes, np.full(n, -1)
        self.below, self.n_leaves = nodes.risk.copy(), np.ones(n, np.int64)
        self.heap = list[tuple[float, int]]()
        for node in range(n - 1, -1, -1):
            left, right = nodes.left[node], nodes.right[node]
            if left >= 0:
                self.parent[[left, right]] = node
                self.below[node] = self.below[left] + self.below[right]
                self.n_leaves[node] = self.n_leaves[left] + self.n_leaves[right]
                self.push(node)

    def price(self, node: int) -> float:
        """Price of a leaf at which this node may as well be one."""
        return float((self.nodes.risk[node] - self.below[node]) / (self.n_leaves[node] - 1))

    def push(self, node: int) -> None:
        heapq.heappush(self.heap, (self.price(node), node))

    def cut(self, node: int) -> None:
        """Make a leaf of a node, and drop what is below it."""
        gained = self.nodes.risk[node] - self.below[node]
        lost = self.n_leaves[node] - 1
        waiting = [node]
        while waiting:
            own = waiting.pop()
            if self.n_leaves[own] > 1:
                waiting += [self.nodes.left[own], self.nodes.right[own]]
            self.n_leaves[own] = 1  # what the heap holds of it is void
        self.below[node] = self.nodes.risk[node]
        above = self.parent[node]
        while above >= 0:
            self.below[above] += gained
            self.n_leaves[above] -= lost
            self.push(above)
            above = self.parent[above]


def pruning_path(nodes: Nodes) -> tuple[np.ndarray, np.ndarray]:
    """Prices at which one more node becomes a leaf, and what impurity is left then.

    Parameters
    ----------
    nodes : Nodes
        Of a tree that is not pruned.

    Returns
    -------
    ccp_alphas : ndarray of shape (n_subtrees,)
        Rising; the first is 0, for the whole tree.
    impurities : ndarray of shape (n_subtrees,)
        Of the leaves of each subtree together; the last is that of the root.
    """
    links = _Links(nodes)
    prices, left = [0.0], [float(links.below[0])]
    while links.heap:
        price, node = heapq.heappop(links.heap)
        if links.n_leaves[node] > 1 and price == links.price(node):
            links.cut(int(node))
            prices.append(max(price, prices[-1]))
            left.append(float(links.below[0]))
    return np.array(prices), np.array(left)
