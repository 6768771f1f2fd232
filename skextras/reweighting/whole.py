"""ENGINE: whole trees as weak learners: several classes, entropy, drawn cuts, limits of splits.

Where there are two classes and the usual limits, or numbers, ``growing`` is faster: it shares the
rows of a leaf among threads, and needs no search for the leaf of each row.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from skextras.reweighting.growing import GrownTree
from skextras.reweighting.learners import Answer, Learner
from skextras.trees import forest_slots as at
from skextras.trees.arrays import Tree
from skextras.trees.binning import Binned
from skextras.trees.forest_targets import Targets
from skextras.trees.routing import Router
from skextras.trees.threads import Threads
from skextras.trees.whole_trees import GrownTree as Records
from skextras.trees.whole_trees import TreeGrower, WholeGrowth, codes_of


class RoutedAnswer(Answer):
    """What a tree says of rows that were led to its nodes.

    Parameters
    ----------
    kept : GrownTree
        The tree.
    node : ndarray of int64 of shape (n_rows,)
        Where each row ends.
    """

    def __init__(self, kept: GrownTree, node: np.ndarray) -> None:
        self.kept, self.said, self._node = kept, kept.said, node

    def sums(self, weight: np.ndarray, label: np.ndarray, n_classes: int) -> np.ndarray:
        """Weight of each class in each node; 0 in those with children."""
        cell, n = self._node * n_classes + label, len(self.said) * n_classes
        return np.bincount(cell, weight, n).reshape(-1, n_classes)

    def scale(self, weight: np.ndarray, label: np.ndarray, factors: np.ndarray) -> None:
        """Multiply weights in place by the factors of their node and class."""
        weight *= factors.ravel()[self._node * factors.shape[1] + label]

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Value of each row's node."""
        return values[self._node]


class WholeTreeLearner(Learner):
    """Grows whole trees on binned rows.

    Parameters
    ----------
    binned : Binned
        Training rows, a feature a column.
    validation : Binned or None
        Rows that are only looked at.
    growth : WholeGrowth
        How trees grow.
    threads : Threads
        Who leads rows to leaves; entered by the caller.
    random : RandomState
        Gives each tree its seed.
    n_classes : int
        Of the labels.
    is_count : bool
        Whether weights are whole numbers that count repetitions, in limits of samples, too.
    """

    def __init__(
        self,
        binned: Binned,
        validation: Binned | None,
        growth: WholeGrowth,
        threads: Threads,
        *,
        random: np.random.RandomState,
        n_classes: int,
        is_count: bool,
    ) -> None:
        self._binned, self._validation, self._growth = binned, validation, growth
        self._threads, self._random, self._is_count = threads, random, is_count
        self._n_classes = n_classes
        self._codes = codes_of(binned, np.arange(binned.n_rows))
        self._router = Router(binned, threads)
        self._grower: tuple[np.ndarray, TreeGrower] | None = None

    @cached_property
    def _validation_router(self) -> Router:
        if self._validation is None:
            raise ValueError("WholeTreeLearner: validation must be given, got None. Bin some rows.")
        return Router(self._validation, self._threads)

    def classify(self, weight: np.ndarray, label: np.ndarray) -> Answer:
        """Grow a tree for classes."""
        records, seed = self._grow(weight, label)
        said = records.values
        if self._n_classes == 2:  # one lane: the share of the second
            said = np.concatenate([1 - said, said], axis=1)
        return self._answer(records, said, seed)

    def regress(self, weight: np.ndarray, target: np.ndarray) -> Answer:
        """Grow a tree for numbers."""
        records, seed = self._grow(weight, target)
        return self._answer(records, records.values[:, 0], seed)

    def on_validation(self, kept: GrownTree) -> np.ndarray:
        """What a tree says of the validation rows."""
        n = self._validation.n_rows if self._validation else 0
        return kept.said[_nodes_of(self._validation_router, kept.tree, n)]

    def _grow(self, weight: np.ndarray, target: np.ndarray) -> tuple[Records, int]:
        seed = int(self._random.randint(np.iinfo(np.int32).max))
        if self._grower is None or self._grower[0] is not target:  # labels are those of all rounds
            targets = (
                Targets.of_classes(target[:, None], [self._n_classes])
                if target.dtype.kind == "i"
                else Targets.of_numbers(target[:, None])
            )
            grower = TreeGrower(self._codes, self._binned.mapper, targets, self._growth)
            self._grower = target, grower
        counts = weight.astype(np.int32) if self._is_count else None
        return self._grower[1].grow(weight, seed=seed, counts=counts), seed

    def _answer(self, records: Records, said: np.ndarray, seed: int) -> Answer:
        tree = _tree_of(records, self._binned)
        impurity = records.records.view(np.float64)[:, at.R_IMPURITY].copy()
        node = _nodes_of(self._router, tree, self._binned.n_rows)
        return RoutedAnswer(GrownTree(tree, said, impurity, seed), node)


def _nodes_of(router: Router, tree: Tree, n: int) -> np.ndarray:
    """Node in which each row ends."""
    node = np.zeros(n, np.float32)
    router.add(node, replace(tree, value=np.arange(tree.n_nodes)[:, None]))
    return node.astype(np.int64)


def _tree_of(grown: Records, binned: Binned) -> Tree:
    """The nodes as they are kept; numbers alone."""
    records, floats = grown.records, grown.records.view(np.float64)
    edges, first = binned.mapper.greatest()
    is_leaf = records[:, at.R_FEATURE] < 0
    feature, cut = records[:, at.R_FEATURE], records[:, at.R_BIN]
    n_last = np.diff(np.append(first, len(edges))) - 1
    place = np.maximum(feature, 0)
    threshold = edges[first[place] + np.minimum(cut, n_last[place])]
    return Tree(
        feature=np.where(is_leaf, -1, feature),
        bin=np.where(is_leaf, 0, cut),
        threshold=np.where(is_leaf, np.nan, threshold),
        missing_left=(records[:, at.R_MISSING_LEFT] == 1) & ~is_leaf,
        category_set=np.full(len(records), -1),
        left_categories=np.empty((0, 4)),
        left=np.where(is_leaf, 0, records[:, at.R_LEFT]),
        value=np.zeros((len(records), 1)),
        gain=np.where(is_leaf, 0.0, floats[:, at.R_GAIN] * grown.unit),
        weight=floats[:, at.R_WEIGHT] * grown.unit,
        count=records[:, at.R_COUNT],
    )
