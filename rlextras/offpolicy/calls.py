"""Calls of the kernel for updates of one shape: arguments made once, and threads that stand by."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import numpy as np

from rlextras.host.compiling import load
from rlextras.kernels.room import cleared

Storage = tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]
SLOW = 2.0
"""Times the quickest call that help brought nothing: half of them would be as quick alone."""
FEWEST, MOST = 8, 256
"""Calls without help after some that were slow, at first and after many."""
WEIGHT, LIMIT = 4, 8
"""What a slow call counts, beside 1 for a quick one that makes up for it, and what is too much."""


class Call:
    """The kernel's arguments for some shapes; what changes is written into them.

    Parameters
    ----------
    networks : tuple of ndarray
        Memory, table and ends, as the kernel reads them.
    storage : tuple
        Matrices and columns of transitions.
    shapes : tuple of tuple of int
        Of indices and noise.
    room : tuple
        Deltas and inputs; and a work for each thread.
    pace : Pace
        Of calls of this kind.
    is_arranged : bool
        Whether the samples of a batch are put into an order.
    """

    def __init__(
        self,
        networks: tuple[np.ndarray, ...],
        storage: Storage,
        shapes: tuple[tuple[int, ...], tuple[int, ...]],
        room: tuple[tuple[np.ndarray, ...], Sequence[np.ndarray]],
        pace: "Pace",
        *,
        is_arranged: bool,
    ) -> None:
        kernels, teams = load("deterministic"), load("teams")
        self._run, self._teams = kernels.update, teams
        (n_updates, n), (field, works) = shapes[0], room
        n_panels = -(-n // load("panels").PANEL)
        self.storage, self._shapes, self._n_panels = storage, shapes, n_panels
        self.indices = np.empty(shapes[0], np.int64)
        self.noise = np.empty(shapes[1], np.float32)
        self.settings = np.empty(kernels.N_SETTINGS)
        self.told = np.zeros((n_updates, n_panels, 2))
        self.errors = np.empty((n_updates, n), np.float32)
        self._words = cleared(kernels.count_words(n_updates), np.int64)
        given = (*networks, *storage, self.indices, self.noise, self.settings)
        order = np.empty(shapes[0] if is_arranged else (0, 0), np.int64)
        told = (self._words, self.told, self.errors, order)
        self._given = [(*given, (*field, work), *told) for work in works]
        self._helpers: list[Future[None]] = []
        self._pool: ThreadPoolExecutor | None = None
        self._pace, self._n_updates = pace, n_updates

    def fits(self, storage: Storage, shapes: tuple[tuple[int, ...], ...], n_threads: int) -> bool:
        """Whether these are the arguments of another call, too.

        Parameters
        ----------
        storage : tuple
            Matrices and columns.
        shapes : tuple of tuple of int
            Of indices and noise.
        n_threads : int
            That are wanted.

        Returns
        -------
        bool
            Storage is compared by identity.
        """
        has_room = n_threads <= len(self._given) or len(self._given) == self._n_panels
        return storage is self.storage and shapes == self._shapes and has_room

    def run(self, n_threads: int) -> None:
        """Run the updates.

        Parameters
        ----------
        n_threads : int
            At most; help that was of no use lately is not asked for.
        """
        n_threads = min(n_threads, len(self._given))
        if n_threads < 2 or not self._pace.is_worth_it():
            self._run(*self._given[0], self._teams.ALONE)
            return
        self._stand_by(n_threads)
        start = time.perf_counter()
        self._run(*self._given[0], self._teams.LEAD)
        self._pace.note((time.perf_counter() - start) / self._n_updates)

    def close(self) -> None:
        """Let the helpers go; the next call finds others."""
        self._words[self._teams.BELL] = self._teams.CLOSED

    def _stand_by(self, n_threads: int) -> None:
        """See to it that helpers are there; those that waited for long have left."""
        pool = _pool()
        if pool is not self._pool:  # a process that was forked has none of the threads
            self._pool, self._helpers = pool, []
        for i in range(1, n_threads):
            if i > len(self._helpers):
                self._helpers.append(self._helper(pool, i))
            elif self._helpers[i - 1].done():
                self._helpers[i - 1] = self._helper(pool, i)

    def _helper(self, pool: ThreadPoolExecutor, i: int) -> "Future[None]":
        given, role = self._given[i], self._teams.HELP
        return pool.submit(lambda: self._run(*given, role))


class Pace:
    """Whether help is worth its call: not while another program has the cores of the helpers.

    A call takes as long as its slowest thread needs for the piece that it has begun. After a few
    calls that were slow beside the quickest one, calls are done alone for some time, and for a
    longer one if the next with help is slow again. One slow call among many changes nothing.
    """

    def __init__(self) -> None:
        self._quickest, self._n_alone, self._n_next, self._score = float("inf"), 0, FEWEST, 0

    def is_worth_it(self) -> bool:
        """Whether to call the helpers now.

        Returns
        -------
        bool
            False for some calls after slow ones.
        """
        self._n_alone -= self._n_alone > 0
        return self._n_alone == 0

    def note(self, seconds: float) -> None:
        """Note how long a call with helpers took.

        Parameters
        ----------
        seconds : float
            For each of its updates.
        """
        self._quickest = min(seconds, 1.001 * self._quickest)  # what never comes back is forgotten
        if seconds <= SLOW * self._quickest:
            self._score = max(0, self._score - 1)
            self._n_next = max(FEWEST, self._n_next - 1)
            return
        self._score += WEIGHT
        if self._score > LIMIT:
            self._score = LIMIT
            self._n_alone, self._n_next = self._n_next, min(2 * self._n_next, MOST)


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads that help; they are made when the first one is needed."""
    return ThreadPoolExecutor(thread_name_prefix="rlextras")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
