"""Growing trees whole: options and targets in, one tree a call out, a call a thread."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Literal, TypeVar

import numpy as np

from skextras.trees import forest_slots as at
from skextras.trees.binning import Binned
from skextras.trees.edges import BinMapper
from skextras.trees.forest_growing import EPSILON, grow_tree
from skextras.trees.forest_rows import whole_weights
from skextras.trees.forest_scores import table_of_xlogx
from skextras.trees.forest_targets import Targets
from skextras.trees.memory import address_of

Criterion = Literal["gini", "entropy", "squared_error", "absolute_error", "poisson"]
CRITERIA = {
    "gini": at.SQUARES,
    "entropy": at.ENTROPY,
    "squared_error": at.SQUARES,
    "absolute_error": at.SQUARES,  # not asked: medians have sums of their own
    "poisson": at.POISSON,
}
NEVER = 1 << 40  # a limit that no tree meets
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class WholeGrowth:
    """How trees grow.

    Attributes
    ----------
    criterion : {"gini", "entropy", "squared_error", "absolute_error", "poisson"}
        What a split makes small.
    max_features : int or None
        Features that a node looks at, and more until one of them is not constant; None for all.
    max_depth, max_leaves : int or None
        Limits; with a limit of leaves the node of the greatest gain is split first.
    min_samples_split, min_samples_leaf : int
        Rows of a node that is split, and of a leaf.
    min_weight_leaf : float
        Weight of a leaf.
    min_gain : float
        Weight times the impurity that a split must take away.
    is_random : bool
        Whether a feature's cut is drawn rather than searched (extremely randomised trees).
    monotonic : ndarray of int64 of shape (n_features,) or None
        1 for rising, -1 for falling, 0 for free; two classes or one number only.
    """

    criterion: Criterion
    max_features: int | None = None
    max_depth: int | None = None
    max_leaves: int | None = None
    min_samples_split: int = 2
    min_samples_leaf: int = 1
    min_weight_leaf: float = 0.0
    min_gain: float = 0.0
    is_random: bool = False
    monotonic: np.ndarray | None = None


@dataclass(frozen=True)
class GrownTree:
    """A tree as the kernel left it.

    Attributes
    ----------
    records : ndarray of int64 of shape (n_nodes, 9)
        A node a row.
    values : ndarray of float64 of shape (n_nodes, n_lanes)
        Shares of the classes (of the second alone where there are two), or means.
    sets : ndarray of uint64 of shape (n_nodes, 4)
        Bins that go left, where a node's split is a set; empty if none is.
    unit : float
        Weight that stands for 1 in the records.
    """

    records: np.ndarray
    values: np.ndarray
    sets: np.ndarray
    unit: float


def codes_of(binned: Binned, places: np.ndarray) -> np.ndarray:
    """Bins of some rows feature by feature.

    Parameters
    ----------
    binned : Binned
        A feature a column: none shares its byte.
    places : ndarray of int64
        Rows.

    Returns
    -------
    ndarray of uint8 of shape (n_features, n)
        A copy.
    """
    n_features = binned.mapper.n_features
    codes = np.empty((n_features, len(places)), np.uint8)
    for feature in range(n_features):
        column = binned.words[feature // 8].view(np.uint8)[feature % 8 :: 8]
        np.take(column, places, out=codes[feature], mode="clip")
    return codes


def centres_of(mapper: BinMapper) -> tuple[np.ndarray, np.ndarray]:
    """A value in the middle of each bin, as far beyond the last edge as the last bin is wide.

    Parameters
    ----------
    mapper : BinMapper
        The bins.

    Returns
    -------
    centres : ndarray of float64
        Those of a feature side by side.
    first : ndarray of int64 of shape (n_features,)
        Where each feature begins.
    """
    parts, sizes = [], []
    for edges in mapper.edges:
        middles = (edges[1:] + edges[:-1]) / 2
        half = np.diff(edges)[[0, -1]] / 2 if len(edges) > 1 else np.array([1.0, 1.0])
        ends = (edges[:1] - half[0], edges[-1:] + half[1])
        parts += [ends[0], middles, ends[1]]
        sizes.append(len(edges) + 1 if len(edges) else 0)
    return np.concatenate([*parts, np.zeros(256)]), np.cumsum([0, *sizes])[:-1]


class _Room:
    """Memory of one thread, and its table."""

    def __init__(self, shared: np.ndarray, n_rows: int, n_nodes: int) -> None:
        self.table = shared.copy()
        n_features, n_lanes = int(shared[at.N_FEATURES]), int(shared[at.N_LANES])
        self.nodes = np.empty((n_nodes, at.N_RECORD), np.int64)
        self.values = np.empty((n_nodes, n_lanes))
        self.sets = np.empty((n_nodes, 4), np.uint64)
        self.order = np.empty(n_rows, np.uint32)
        wide = n_lanes + 1
        self._held: dict[int, np.ndarray] = {
            at.SPARE: np.empty(n_rows + 1, np.uint32),
            at.PAYLOADS: np.empty(n_rows, np.int64),
            at.DIFFERENCES: np.empty(n_rows),
            at.HISTOGRAM: np.zeros(257, np.int64),
            at.SUMS: np.zeros(256, np.int64),
            at.LANES: np.zeros(256 * wide),
            at.SEEN: np.zeros(257, np.int64),
            at.SIDES: np.zeros(max(257, 2 * wide)),
            at.GOES_LEFT: np.zeros(256, np.uint8),
            at.PERMUTATION: np.arange(n_features, dtype=np.int32),
            at.SWAPS: np.zeros(n_features, np.int32),
            at.OPEN: np.empty((n_nodes // 2 + 1, at.N_OPEN), np.int64),
            at.FACTS: np.zeros(at.N_FACTS),
            at.FOUND: np.zeros(at.N_OPEN, np.int64),
            at.SPLIT: np.zeros(at.N_OPEN, np.int64),
            at.NODES: self.nodes,
            at.VALUES: self.values,
            at.SETS: self.sets,
            at.ORDER: self.order,
        }
        if shared[at.KIND] == at.MEDIANS:
            self._held |= {
                at.RANKS: np.empty((n_lanes, n_rows), np.int32),
                at.SORTED: np.empty(n_rows, np.int64),
                at.LOCAL_TARGETS: np.empty(n_rows),
                at.SORTED_TARGETS: np.empty(n_rows),
                at.FENWICK: np.empty(2 * (n_rows + 1)),
                at.SIDE_MEDIANS: np.zeros(2 * at.MAX_GAPS),
            }
        for slot, array in self._held.items():
            self.table[slot] = address_of(array)


class TreeGrower:
    """Grows trees on the same rows; several threads may grow one each.

    Parameters
    ----------
    codes : ndarray of uint8 of shape (n_features, n)
        Bins feature by feature, 255 for missing ones.
    mapper : BinMapper
        What they mean.
    targets : Targets
        Of the rows.
    growth : WholeGrowth
        Options.
    """

    def __init__(
        self, codes: np.ndarray, mapper: BinMapper, targets: Targets, growth: WholeGrowth
    ) -> None:
        self.codes, self.targets, self.growth = codes, targets, growth
        n_features, n_rows = codes.shape
        self._n_rows = n_rows
        monotonic = np.zeros(n_features, np.int64)
        if growth.monotonic is not None:
            monotonic[:] = growth.monotonic
        centres, centre_starts = centres_of(mapper)
        self._held: dict[int, np.ndarray] = {
            at.CODES: codes,
            at.ROW_CODES: np.ascontiguousarray(codes.T),
            at.CATEGORICAL: mapper.is_categorical.astype(np.uint8),
            at.MONOTONIC: monotonic,
            at.CENTRES: centres,
            at.CENTRE_STARTS: centre_starts,
            at.TARGETS: targets.numbers,
            at.LABELS: targets.labels,
            at.XLOGX: table_of_xlogx(),
        }
        self._shared = np.zeros(at.N_TABLE, np.int64)
        for slot, array in self._held.items():
            self._shared[slot] = address_of(array)
        limits = {
            at.N_ROWS: n_rows,
            at.N_FEATURES: n_features,
            at.N_OUTPUTS: targets.n_outputs,
            at.N_LANES: targets.n_lanes,
            at.KIND: at.MEDIANS if growth.criterion == "absolute_error" else targets.kind,
            at.CRITERION: CRITERIA[growth.criterion],
            at.MAX_DEPTH: growth.max_depth or NEVER,
            at.MAX_LEAVES: growth.max_leaves or 0,
            at.MIN_SPLIT: growth.min_samples_split,
            at.MIN_LEAF: growth.min_samples_leaf if growth.min_samples_leaf > 1 else 0,
            at.N_CHOSEN: growth.max_features or n_features,
            at.IS_RANDOM: growth.is_random,
            at.IS_MONOTONIC: monotonic.any(),
        }
        for slot, number in limits.items():
            self._shared[slot] = number
        self._pure = EPSILON
        if (
            targets.kind == at.NUMBER or growth.criterion == "absolute_error"
        ):  # equal targets leave nothing
            self._pure = 0.0
        elif targets.kind == at.NUMBERS:  # they leave what rounding does
            self._pure = (4 * EPSILON) ** 2 * float(np.square(targets.numbers).mean())
        self._rooms: SimpleQueue[_Room] = SimpleQueue()

    def grow(
        self, weights: np.ndarray, *, seed: int = 0, counts: np.ndarray | None = None
    ) -> GrownTree:
        """Grow a tree.

        Parameters
        ----------
        weights : ndarray of shape (n,)
            Of the rows; one of weight 0 is not there.
        seed : int, default=0
            Decides what the nodes draw.
        counts : ndarray of int32 of shape (n,), default=None
            Rows that each row stands for in the limits of samples; None for one.

        Returns
        -------
        GrownTree
            Its nodes.
        """
        whole, unit = whole_weights(np.asarray(weights, np.float64))
        if counts is None:
            counts = np.ones(self._n_rows, np.int32)
        counts = np.ascontiguousarray(counts, np.int32)
        rows = np.flatnonzero(whole)
        if self.targets.kind == at.CLASSES_2:  # weight of the second class above, of all below
            whole += (whole << 32) * self.targets.labels[:, 0]
        room = self._room()
        options = self._options(unit)
        room.order[: len(rows)] = rows
        room.table[at.WEIGHTS], room.table[at.COUNTS] = address_of(whole), address_of(counts)
        room.table[at.OPTIONS] = address_of(options)
        room.table[at.SEED] = np.array(seed, np.uint64).view(np.int64)
        n_nodes = grow_tree(address_of(room.table), len(rows))
        records = room.nodes[:n_nodes].copy()
        has_sets = bool(self._held[at.CATEGORICAL].any())
        grown = GrownTree(
            records,
            room.values[:n_nodes].copy(),
            room.sets[: n_nodes if has_sets else 0].copy(),
            unit,
        )
        self._rooms.put(room)
        return grown

    def _room(self) -> _Room:
        """Memory that no other thread is using; enough for any sample of the rows."""
        try:
            return self._rooms.get_nowait()
        except Empty:
            leaves = min(self._n_rows, self.growth.max_leaves or self._n_rows)
            return _Room(self._shared, self._n_rows, 2 * max(leaves, 1))

    def _options(self, unit: float) -> np.ndarray:
        growth, targets = self.growth, self.targets
        factor = {"gini": 1.0, "entropy": 1.0 / np.log(2.0)}.get(growth.criterion, 1.0)
        if targets.kind == at.CLASSES_2 and growth.criterion == "gini":
            factor = 2.0
        options = np.zeros(at.N_OPTIONS)
        options[at.MIN_WEIGHT] = growth.min_weight_leaf / unit * (1 - 1e-9)
        options[at.MIN_GAIN] = growth.min_gain / unit
        options[at.GAIN_UNIT] = factor / targets.n_outputs
        options[at.PURE] = self._pure
        return options


def in_threads(work: Callable[[Any], Result], items: Sequence[Any], n: int) -> Iterator[Result]:
    """Do something with each item, side by side; results come in their order.

    Parameters
    ----------
    work : callable
        What to do; compiled code in it lets go of the interpreter.
    items : sequence
        With what.
    n : int
        Threads.

    Yields
    ------
    object
        What came out.
    """
    if n == 1 or len(items) < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(n) as executor:
        yield from executor.map(work, items)
