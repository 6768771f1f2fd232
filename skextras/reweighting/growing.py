"""ENGINE: trees as weak learners, grown on rows that are binned once."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from skextras.reweighting.learners import Answer, Learner
from skextras.reweighting.leaves import LeafRows
from skextras.trees.arrays import Tree
from skextras.trees.binning import Binned
from skextras.trees.growing import Grower
from skextras.trees.routing import Router
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth


@dataclass(frozen=True)
class GrownTree:
    """A tree that is kept.

    Attributes
    ----------
    tree : Tree
        Its value is the share of the second class, or the mean.
    said : ndarray of shape (n_nodes, n_classes) or (n_nodes,)
        What each node says.
    impurity : ndarray of shape (n_nodes,)
        Gini impurity, or variance.
    seed : int
        Decided which features its nodes chose from.
    """

    tree: Tree
    said: np.ndarray
    impurity: np.ndarray
    seed: int


class TreeAnswer(Answer):
    """What a tree says of the rows that it was grown on.

    Parameters
    ----------
    rows : LeafRows
        Rows of its leaves, until the next tree.
    nodes : GrownTree
        The tree.
    known : tuple of ndarray
        Weights, and their sums over classes in the leaves, that need not be summed again.
    """

    def __init__(
        self, rows: LeafRows, nodes: GrownTree, known: tuple[np.ndarray, np.ndarray] | None
    ) -> None:
        self._rows, self._known = rows, known
        self.kept = nodes
        self.said = nodes.said[rows.grown.leaves]

    def sums(self, weight: np.ndarray, label: np.ndarray, n_classes: int) -> np.ndarray:
        """Weight of each class in each leaf."""
        if self._known is not None and self._known[0] is weight:
            return self._known[1]
        return self._rows.class_sums(weight, label, n_classes)

    def scale(self, weight: np.ndarray, label: np.ndarray, factors: np.ndarray) -> None:
        """Multiply weights in place by the factors of their leaf and class."""
        self._rows.scale(weight, label, factors)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Value of each row's leaf."""
        return self._rows.spread(values)


class TreeLearner(Learner):
    """Grows trees on binned rows.

    Gini impurity of two classes and the variance of targets are the same up to a factor, so that
    one kind of tree serves both: gradient -w t, hessian w, and the Newton gain is theirs.

    Parameters
    ----------
    binned : Binned
        Training rows.
    validation : Binned or None
        Rows that are only looked at.
    growth : Growth
        How trees grow.
    threads : Threads
        Who works; entered by the caller.
    random : RandomState
        Gives each tree its seed.
    is_count : bool
        Whether weights are whole numbers that count repetitions.
    """

    def __init__(
        self,
        binned: Binned,
        validation: Binned | None,
        growth: Growth,
        threads: Threads,
        *,
        random: np.random.RandomState,
        is_count: bool,
    ) -> None:
        self._threads, self._random, self._is_count = threads, random, is_count
        self._seed = 0
        self._grower = Grower(binned, growth, threads)
        self._validation = validation
        self._signs: tuple[np.ndarray, np.ndarray] | None = None

    @cached_property
    def _router(self) -> Router:
        if self._validation is None:
            raise ValueError("TreeLearner: validation must be given, got None. Bin some rows.")
        return Router(self._validation, self._threads)

    def classify(self, weight: np.ndarray, label: np.ndarray) -> Answer:
        """Grow a tree for two classes."""
        if self._signs is None or self._signs[0] is not label:  # that of all rounds
            self._signs = label, (1 - 2 * label).astype(np.float32)
        hessian = weight.astype(np.float32)
        total = float(weight.sum())
        rows = self._grow(self._signs[1] * hessian, hessian, (total, total))
        sums = rows.class_sums(weight, label, 2)
        of_nodes = rows.of_nodes(sums)
        total = of_nodes.sum(axis=1)
        shares = of_nodes / np.maximum(total, np.finfo(np.float64).tiny)[:, None]
        tree = rows.grown.tree(shares[:, 1], total)
        nodes = GrownTree(tree, shares, 1 - np.square(shares).sum(axis=1), self._seed)
        return TreeAnswer(rows, nodes, (weight, sums))

    def regress(self, weight: np.ndarray, target: np.ndarray) -> Answer:
        """Grow a tree for numbers."""
        centre = float(target @ weight / weight.sum())
        hessian = weight.astype(np.float32)
        gradient = (centre - target).astype(np.float32) * hessian
        size = float(np.abs(gradient).sum(dtype=np.float64))
        rows = self._grow(gradient, hessian, (size, float(weight.sum())))
        of_nodes = rows.of_nodes(rows.moments(weight, target))
        total = np.maximum(of_nodes[:, 0], np.finfo(np.float64).tiny)
        mean = of_nodes[:, 1] / total
        variance = np.maximum(of_nodes[:, 2] / total - np.square(mean), 0)
        nodes = GrownTree(rows.grown.tree(mean, of_nodes[:, 0]), mean, variance, self._seed)
        return TreeAnswer(rows, nodes, None)

    def on_validation(self, kept: GrownTree) -> np.ndarray:
        """What a tree says of the validation rows."""
        tree, n = kept.tree, self._validation.n_rows if self._validation else 0
        leaf = np.zeros(n, np.float32)
        self._router.add(leaf, replace(tree, value=np.arange(tree.n_nodes)[:, None]))
        return kept.said[leaf.astype(np.int64)]

    def _grow(
        self, gradient: np.ndarray, hessian: np.ndarray, totals: tuple[float, float]
    ) -> LeafRows:
        self._seed = int(self._random.randint(np.iinfo(np.int32).max))
        grown = self._grower.grow(
            gradient, hessian, totals, has_constant_hessian=self._is_count, seed=self._seed
        )
        return LeafRows(grown, self._threads)
