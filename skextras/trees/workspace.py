"""Memory of one fit: every array that growing a tree reads or writes, and the table of them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from skextras.trees import splitting
from skextras.trees.binning import Binned
from skextras.trees.histogram import AHEAD, GROUP_STRIDE, STRIP
from skextras.trees.memory import address_of
from skextras.trees.splitting import N_FACTS, N_FOUND, N_SCRATCH
from skextras.trees.threads import Threads

POOL_BYTES = 1 << 29  # histograms that wait for their leaf's turn; beyond it they are built again
EXTRA_SLOTS = 3  # for two children without a slot of their own, and for exact counts
LANES_PER_THREAD = 1  # nodes that are split side by side
ROW_BYTES = 1 << 27  # of bins at most, for a copy of them row by row
FEW_LEAVES = 8  # whose rows lie so near to each other that such a copy saves nothing

# Slots of the table. Counts and options first, then addresses, last what each lane has of its own.
(CONTROL, N_ROWS, N_ROOT, N_FEATURES, N_GROUPS, N_SLOTS, MAX_LEAVES, MAX_DEPTH) = range(8)
(MIN_SAMPLES, ORDER_OF_GROWTH, N_CHOSEN, N_SETS, SEED, IS_MASKED, N_LANES) = range(8, 15)
(WORDS, GRADIENT, HESSIAN, PAYLOAD, ORDER, SPARE, POOL, LOCAL, TOUCHED) = range(15, 24)
(N_BINS, CATEGORICAL, MONOTONIC, SETS, ACTIVE, OPTIONS, NODES, KEPT, GROWN) = range(24, 33)
(OPEN, FREE, STATE, LANES, BATCH) = range(33, 38)
(OP_SUM, OP_GATHER, OP_PARTITION, OP_MOVE, OP_SCAN, OP_EXPAND, OP_LANE) = range(38, 45)
(SCORES, N_LEAVES, LEAVES, LEAF_VALUES) = range(45, 49)
(N_COLUMNS, PLACES, FEATURE_BINS, MEMBERS, MEMBER_STARTS) = range(49, 54)
(ROW_WORDS, TO_NEXT_ROW, TO_NEXT_GROUP, OP_PACK) = range(54, 58)
(N_THREADS, ALLOWED, PERMUTATION, FACTS, SCRATCH, FOUND, JOB, LEFT_COUNTS, PICKED) = range(58, 67)
N_SHARED, N_TABLE = N_THREADS, 67

# A node's record: the split that was found for it, then what it is: its left child once its rows
# are parted, its number in the tree, the turn at which it was split, its rows and depth, the slots
# of its histogram and of its smaller child's, sums, bounds, value, and the seed of its features.
(LEFT, NUMBER, TURN, START, END, DEPTH, SLOT, CHILD_SLOT) = range(N_FOUND, N_FOUND + 8)
(SUM, LOWER, UPPER, VALUE, PATH) = range(N_FOUND + 8, N_FOUND + 13)
N_RECORD = N_FOUND + 13
WAITS, IS_UNEVEN = 0, -1  # turns of nodes that are not split: not yet, or not by the split at hand

# State of a tree that grows, and floating-point options.
N_OPEN, N_FREE, N_NODES, N_KEPT, N_AHEAD, FREE_PAIR, HAS_WEIGHTLESS, N_STATE = range(8)
MIN_HESSIAN, MIN_GAIN, N_OPTIONS = range(3)
BEST_FIRST, DEPTH_WISE, ALL_OF_THEM = range(3)
# What an operation is told beside the table: places of rows, the node that is parted, rows of a
# chunk, the place of the first right row; the nodes that are scanned, two at most, how many, and
# the slots of a histogram and the part to subtract from it first (or -1); where and what is summed.
(FROM, TO, PARTED, SIZE, PLACE, SCANNED, SCANNED_SLOT) = (0, 1, 2, 3, 4, 5, 7)
(N_SCANNED, WHOLE, PART, TARGET, WHAT, N_JOB) = range(9, 15)
ALL_ROWS, LEAF_ROWS = range(2)  # what is summed


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How trees grow.

    Attributes
    ----------
    max_leaves : int or None
        At most so many; None leaves it to the other limits.
    max_depth : int or None
        Edges from the root to the deepest leaf.
    min_samples_leaf : int
        Rows of a leaf, counted exactly. A side with less than a quarter of the hessian that so
        many rows of its parent have on average is taken for smaller, and not counted; but where
        1 is enough, every row is.
    min_hessian : float
        Sum of hessians of a leaf.
    l2, l1 : float
        Penalties λ and α on the values of leaves.
    min_gain : float
        A split must gain more.
    order : {"best", "depth"}
        Which leaf is split next: that of the greatest gain, or the oldest.
    max_features : float
        Share of the features that each node may choose from.
    monotonic : ndarray of int8 of shape (n_features,) or None
        1 for rising, -1 for falling, 0 for free.
    interactions : ndarray of bool of shape (n_sets, n_features) or None
        Sets of features that may stand on one path.
    """

    max_leaves: int | None = 31
    max_depth: int | None = None
    min_samples_leaf: int = 20
    min_hessian: float = 1e-3
    l2: float = 0.0
    l1: float = 0.0
    min_gain: float = 0.0
    order: Literal["best", "depth"] = "best"
    max_features: float = 1.0
    monotonic: np.ndarray | None = None
    interactions: np.ndarray | None = None


class Workspace:
    """Arrays of one fit, by name, and their table.

    Parameters
    ----------
    binned : Binned
        The rows.
    growth : Growth
        Options.
    threads : Threads
        Who works.
    """

    def __init__(self, binned: Binned, growth: Growth, threads: Threads) -> None:
        self.binned, self.growth, self.threads = binned, growth, threads
        n, n_features = binned.n_rows, binned.mapper.n_features
        n_groups, n_threads = len(binned.words), threads.n_threads
        self.max_leaves = _leaf_limit(growth, n)
        slot = n_groups * GROUP_STRIDE
        n_lanes = LANES_PER_THREAD * n_threads if n_threads > 1 else 0
        # Nodes that may be split before their turn: as many as half the turns, at any time.
        n_ahead = self.max_leaves // 2 if n_lanes else 0
        n_slots = max(2, min(self.max_leaves + n_ahead, POOL_BYTES // (8 * slot)))
        n_nodes = 2 * (self.max_leaves + n_ahead)
        order = np.zeros(n + AHEAD, np.uint32)  # the sums look ahead in it
        self.order = order[:n]
        self.nodes = np.zeros((2 * self.max_leaves, N_RECORD), np.int64)
        self.facts = np.zeros((1 + n_lanes, 2, N_FACTS))
        self.options, self.state = np.zeros(N_OPTIONS), np.zeros(N_STATE, np.int64)
        self.lanes = np.zeros((n_lanes, N_TABLE), np.int64)
        members, member_starts = binned.columns.members
        sets = growth.interactions
        n_sets = 0 if sets is None else len(sets)
        self._arrays = {
            WORDS: binned.words,
            PAYLOAD: np.empty(n, np.int64),
            ORDER: order,
            SPARE: np.empty(n, np.uint32),
            POOL: np.empty((n_slots + EXTRA_SLOTS, slot), np.int64),
            LOCAL: np.empty((n_threads if n_threads > 1 else 0, slot), np.int64),
            TOUCHED: np.zeros(n_threads, np.int64),
            N_BINS: binned.columns.n_bins,
            PLACES: binned.columns.places,
            FEATURE_BINS: binned.mapper.n_bins,
            MEMBERS: members,
            MEMBER_STARTS: member_starts,
            CATEGORICAL: binned.mapper.is_categorical.astype(np.uint8),
            MONOTONIC: _or_zeros(growth.monotonic, n_features).astype(np.int64),
            SETS: np.ascontiguousarray(sets if n_sets else np.zeros((1, 1)), dtype=np.uint8),
            ACTIVE: np.ones((n_nodes, n_sets), np.uint8),
            OPTIONS: self.options,
            NODES: np.zeros((n_nodes, N_RECORD), np.int64),
            KEPT: np.zeros(self.max_leaves, np.int64),
            GROWN: self.nodes,
            OPEN: np.zeros(n_nodes, np.int64),
            FREE: np.zeros(n_slots, np.int64),
            STATE: self.state,
            LANES: self.lanes,
            BATCH: np.zeros(n_lanes, np.int64),
        }
        self.table = np.zeros(N_TABLE, np.int64)
        self.address = address_of(self.table)
        _enter(self.table, self._arrays)
        n_chosen = max(1, int(np.ceil(growth.max_features * n_features)))
        limit = np.iinfo(np.int64).max
        self.table[: N_LANES + 1] = (
            threads.address,
            n,
            n,
            n_features,
            n_groups,
            n_slots,
            self.max_leaves,
            limit if growth.max_depth is None else growth.max_depth,
            growth.min_samples_leaf,
            _order(growth),
            n_chosen,
            n_sets,
            0,
            n_chosen < n_features or n_sets > 0,
            n_lanes,
        )
        self.table[N_COLUMNS] = len(binned.columns.n_bins)
        self._hold_rows(binned.words)
        self._arrays |= self._own(self.table, self.facts[0], (n_features, n_groups), n_threads)
        self._arrays_of_lanes = [
            self._own(lane, facts, (n_features, n_groups), 1)
            for lane, facts in zip(self.lanes, self.facts[1:], strict=True)
        ]
        self.options[MIN_HESSIAN], self.options[MIN_GAIN] = growth.min_hessian, growth.min_gain
        self.facts[..., splitting.L2], self.facts[..., splitting.L1] = growth.l2, growth.l1
        is_bounded = growth.monotonic is not None and bool(np.any(growth.monotonic))
        self.facts[..., splitting.IS_PLAIN] = growth.l1 == 0 and not is_bounded

    def _hold_rows(self, words: np.ndarray) -> None:
        """Bins row by row for sums over leaves, if there is room for a copy.

        Of a small leaf each row is in a cache line of its own: all its groups in one, rather than
        each in another, is half of the time.
        """
        n_groups, n = words.shape
        if n_groups > 1 and words.nbytes <= ROW_BYTES and self.max_leaves > FEW_LEAVES:
            self.hold(ROW_WORDS, np.ascontiguousarray(words.T))
            self.table[TO_NEXT_ROW], self.table[TO_NEXT_GROUP] = n_groups, 1
        else:
            self.hold(ROW_WORDS, words)
            self.table[TO_NEXT_ROW], self.table[TO_NEXT_GROUP] = 1, n

    @staticmethod
    def _own(
        table: np.ndarray, facts: np.ndarray, sizes: tuple[int, int], n_threads: int
    ) -> dict[int, np.ndarray]:
        """Put into a table what it shares with no other."""
        n_features, n_groups = sizes
        arrays: dict[int, np.ndarray] = {
            ALLOWED: np.ones((2, n_features), np.uint8),
            PERMUTATION: np.arange(n_features),
            FACTS: facts,
            SCRATCH: np.empty((n_groups, N_SCRATCH, 256), np.int64),
            FOUND: np.zeros((2 * n_groups, N_FOUND), np.int64),
            JOB: np.full(N_JOB, -1),
            LEFT_COUNTS: np.zeros(4 * n_threads + 2, np.int64),
            PICKED: np.empty((n_threads, STRIP), np.int64),
        }
        table[N_THREADS] = n_threads
        _enter(table, arrays)
        return arrays

    def hold(self, place: int, array: np.ndarray) -> None:
        """Put an array into the table, and keep it alive.

        Parameters
        ----------
        place : int
            Slot.
        array : ndarray
            C-contiguous.
        """
        self._arrays[place] = array
        self.table[place] = address_of(array)


def _enter(table: np.ndarray, arrays: dict[int, np.ndarray]) -> None:
    """Write addresses into a table."""
    for place, array in arrays.items():
        table[place] = address_of(array)


def _or_zeros(values: np.ndarray | None, n: int) -> np.ndarray:
    return np.zeros(n) if values is None else np.asarray(values)


def _order(growth: Growth) -> int:
    if growth.max_leaves is None:
        return (
            ALL_OF_THEM  # whichever comes first, the tree is the same; a stack needs least memory
        )
    return BEST_FIRST if growth.order == "best" else DEPTH_WISE


def _leaf_limit(growth: Growth, n: int) -> int:
    limit = max(1, n // max(1, growth.min_samples_leaf))
    if growth.max_leaves is not None:
        limit = min(limit, growth.max_leaves)
    if growth.max_depth is not None and growth.max_depth < 31:
        limit = min(limit, 2**growth.max_depth)
    return max(1, limit)
