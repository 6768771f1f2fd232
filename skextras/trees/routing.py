"""Adding a tree's values to scores of rows that are binned, whether or not they grew it."""

from functools import cached_property

import numpy as np

from skextras.trees import workspace as at
from skextras.trees.arrays import Tree
from skextras.trees.binning import Binned
from skextras.trees.grown import records_of
from skextras.trees.leaves import BLOCK, route
from skextras.trees.memory import address_of
from skextras.trees.threads import Threads


class Router:
    """Leads rows through trees of the same bins.

    Parameters
    ----------
    binned : Binned
        The rows.
    threads : Threads
        Who works; entered by the caller.
    """

    def __init__(self, binned: Binned, threads: Threads) -> None:
        self._threads, self._words, self._places = threads, binned.words, binned.columns.places
        self._n_rows = binned.n_rows
        self._table = np.zeros(at.N_TABLE, np.int64)
        self._table[at.N_ROWS], self._table[at.N_GROUPS] = binned.n_rows, len(binned.words)
        self._table[at.WORDS] = address_of(self._words)
        self._table[at.PLACES] = address_of(self._places)

    @cached_property
    def _order(self) -> np.ndarray:
        """All rows as they come, made once some are led: of many rows, each byte counts."""
        return np.arange(self._n_rows, dtype=np.uint32)

    def add(self, scores: np.ndarray, tree: Tree) -> None:
        """Add the values of a tree to the scores of all rows.

        Parameters
        ----------
        scores : ndarray of float32 of shape (n_rows,)
            Changed in place; the values are rounded to float32 first, as the grower does.
        tree : Tree
            Of the same bins.
        """
        records, values = records_of(tree), tree.value[:, 0].astype(np.float32)
        table = self._table
        table[at.ORDER] = address_of(self._order)
        table[at.SCORES], table[at.LEAVES] = address_of(scores), address_of(records)
        table[at.LEAF_VALUES], table[at.N_LEAVES] = address_of(values), len(records)
        self._threads.run(route, table, -(-self._n_rows // BLOCK))
