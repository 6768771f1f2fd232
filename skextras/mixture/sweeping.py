"""One pass over the rows: expectation and maximisation share each block while it is in the cache.

Responsibilities live in one block at a time. Rows are cut into chunks by their number alone; each
chunk is summed by itself and the sums are added in the order of the chunks, so that the result is
the same bit for bit for any number of threads.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skextras.mixture import kernels

__all__ = ["Block", "Rows", "Sweep", "in_threads", "padded"]

CACHE = 600_000  # bytes of a block and its table: the second-level cache of one core
MAX_CHUNKS = 64
AHEAD = 8  # sums of chunks kept until their turn
EMPTY, NO_LABELS = np.empty(0), np.empty(0, np.int64)


def padded(n: int) -> int:
    """Round up to a multiple of four.

    Parameters
    ----------
    n : int
        A count.

    Returns
    -------
    int
        At least n.
    """
    return -(-n // kernels.FOUR) * kernels.FOUR


@dataclass(frozen=True)
class Rows:
    """Rows in memory; a source of blocks of users brings several of them.

    Attributes
    ----------
    values : ndarray of shape (n, d)
        Rows, float32 or float64, C-contiguous.
    weight : ndarray of shape (n,) or (0,), float64
        Empty stands for ones.
    labels : ndarray of shape (n,) or (0,), int64
        Known components, -1 where unknown; empty stands for all unknown.
    n_complete : int
        Rows before it have no NaN, all others have one.
    """

    values: np.ndarray
    weight: np.ndarray = field(default_factory=lambda: EMPTY)
    labels: np.ndarray = field(default_factory=lambda: NO_LABELS)
    n_complete: int = -1

    def __len__(self) -> int:
        return len(self.values)

    def total(self) -> float:
        """Sum of the weights.

        Returns
        -------
        float
            Rows, where there are no weights.
        """
        return float(self.weight.sum()) if len(self.weight) else float(len(self.values))


@dataclass(frozen=True)
class Block:
    """A few rows of one kind, as kernels take them.

    Attributes
    ----------
    rows : ndarray of shape (n, d)
        As they are.
    turned : ndarray of shape (D, B)
        Centred, rows side by side, zero in the padding; stale where rows are incomplete.
    centre : ndarray of shape (d,)
        What was taken away.
    is_complete : bool
        Whether no value is missing.
    scratch : ndarray of shape (K, B)
        For the components' own use between density and moments.
    """

    rows: np.ndarray
    turned: np.ndarray
    centre: np.ndarray
    is_complete: bool
    scratch: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def in_threads(work: Callable[[Any], Any], items: Sequence[Any], n_threads: int) -> Iterator[Any]:
    """Do the work of each item.

    Parameters
    ----------
    work : callable
        Given an item.
    items : sequence
        Begun in their order.
    n_threads : int
        Threads at most.

    Yields
    ------
    object
        Results in the order of the items.
    """
    n_threads = min(n_threads, len(items))
    if n_threads <= 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        yield from pool.map(work, items)


class _Tally:
    """Adds the sums of chunks in the order of their numbers, however threads bring them.

    Sums that come early are kept, so that no thread waits for another that the machine holds up;
    it does wait where AHEAD of them are kept already, since they take memory.
    """

    def __init__(self, totals: list[np.ndarray]) -> None:
        self._totals, self._early = totals, dict[int, list[np.ndarray]]()
        self._next, self._has_failed, self._changed = 0, False, threading.Condition()

    def take(self, number: int, sums: list[np.ndarray]) -> None:
        with self._changed:
            self._early[number] = sums
            while self._next in self._early:
                for total, part in zip(self._totals, self._early.pop(self._next), strict=True):
                    total += part
                self._next += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._early) < AHEAD or self._has_failed)

    def give_up(self) -> None:
        """Let nobody wait for a chunk that failed."""
        with self._changed:
            self._has_failed = True
            self._changed.notify_all()


class Sweep:
    """Goes over rows with components of one family.

    Parameters
    ----------
    components : Components
        The family.
    k : int
        How many components.
    centre : ndarray of shape (d,)
        Taken from the rows before anything else.
    dtype : dtype
        In which blocks are computed; sums are double.
    n_threads : int
        Threads at most.
    """

    def __init__(
        self, components: Any, k: int, centre: np.ndarray, dtype: Any, n_threads: int
    ) -> None:
        self.components, self.k, self.centre = components, k, centre
        self.dtype, self.n_threads = np.dtype(dtype), n_threads
        d = len(centre)
        row_bytes = self.dtype.itemsize * (padded(d) + padded(k))
        self.block = int(np.clip(CACHE // row_bytes, 128, 8192)) // 128 * 128
        self._idle = list[tuple[np.ndarray, ...]]()

    def sums(self, ready: Any, log_weights: np.ndarray, source: Iterable[Rows]) -> list[np.ndarray]:
        """Expected sums at some parameters.

        Parameters
        ----------
        ready : object
            Prepared parameters of the components.
        log_weights : ndarray of shape (k,)
            Of the components.
        source : iterable of Rows
            The data.

        Returns
        -------
        list of ndarray
            The family's sums; the last one holds the weighted log-likelihood.
        """
        totals = self._zeros()
        for rows in source:
            self._add(ready, log_weights, rows, totals)
        return totals

    def posterior(
        self, ready: Any, log_weights: np.ndarray, rows: Rows
    ) -> Iterator[tuple[slice, Block, np.ndarray, np.ndarray]]:
        """Blocks with their responsibilities.

        Parameters
        ----------
        ready : object
            Prepared parameters of the components.
        log_weights : ndarray of shape (k,)
            Of the components.
        rows : Rows
            The data.

        Yields
        ------
        tuple
            Where the block stands, the block, its table (K, B) and log-likelihoods (B,); both are
            overwritten by the next.
        """
        buffers = self._buffers()
        for place in self._places(0, len(rows), rows.n_complete):
            block, _ = self._expect(ready, log_weights, rows, place, buffers)
            yield place, block, buffers[2], buffers[3]

    def relative(self, ready: Any, rows: Rows, out: np.ndarray, tops: np.ndarray) -> None:
        """Densities of all rows as shares of the largest of each row.

        Parameters
        ----------
        ready : object
            Prepared parameters of the components.
        rows : Rows
            The data.
        out : ndarray of shape (n, k), float64
            Relative densities go out.
        tops : ndarray of shape (n,), float64
            The largest log densities go out; 0 where none is finite.
        """

        def _fill(place: slice, block: Block, table: np.ndarray) -> None:
            self.components.relative(ready, block, table, out[place], tops[place])

        self._visit(rows, _fill)

    def densities(self, ready: Any, rows: Rows) -> np.ndarray:
        """Log densities of all rows.

        Parameters
        ----------
        ready : object
            Prepared parameters of the components.
        rows : Rows
            The data.

        Returns
        -------
        ndarray of shape (n, k), float64
            Where one array of them is wanted, as for sequences.
        """
        out = np.empty((len(rows), self.k))

        def _fill(place: slice, block: Block, table: np.ndarray) -> None:
            self.components.density(ready, block, table)
            out[place] = table[: self.k, : len(block)].T

        self._visit(rows, _fill)
        return out

    def assigned(
        self, ready: Any, rows: Rows, shares: np.ndarray, span: tuple[int, int] | None = None
    ) -> list[np.ndarray]:
        """Sums with given responsibilities.

        Parameters
        ----------
        ready : object
            Prepared parameters of the components.
        rows : Rows
            The data.
        shares : ndarray of shape (n, k), or more columns of zeros
            Responsibilities times weights.
        span : (int, int) or None, default=None
            Rows to add, of all.

        Returns
        -------
        list of ndarray
            The family's sums.
        """
        sums, buffers = self._zeros(), self._lent()
        for place in self._places(*(span or (0, len(rows))), rows.n_complete):
            block = self._load(rows, place, buffers)
            self.components.assign(ready, block, shares[place], buffers[2], sums)
        self._idle.append(buffers)
        return sums

    # ------------------------------------------------------------ parts
    def _zeros(self) -> list[np.ndarray]:
        return [*self.components.zeros(self.k, len(self.centre)), np.zeros(1)]

    def _buffers(self) -> tuple[np.ndarray, ...]:
        K, D = padded(self.k), padded(len(self.centre))
        turned, scratch = np.zeros((D, self.block), self.dtype), np.zeros((K, self.block))
        scratch = scratch if self.components.needs_scratch else scratch[:, :0].copy()
        return turned, scratch, np.zeros((K, self.block), self.dtype), np.zeros(self.block)

    def _lent(self) -> tuple[np.ndarray, ...]:
        """Buffers that nobody uses: fresh pages would cost more than what is done in them."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._buffers()

    def _visit(self, rows: Rows, fill: Callable[[slice, Block, np.ndarray], None]) -> None:
        """Call with each block's place, the block, and a table; in threads and in any order."""

        def _go(chunk: tuple[int, int]) -> None:
            buffers = self._lent()
            for place in self._places(*chunk, rows.n_complete):
                fill(place, self._load(rows, place, buffers), buffers[2])
            self._idle.append(buffers)

        for _ in in_threads(_go, self._chunks(len(rows)), self.n_threads):
            pass

    def _places(self, start: int, stop: int, n_complete: int) -> Iterator[slice]:
        """Blocks of a chunk; none holds both complete and incomplete rows."""
        split = stop if n_complete < 0 else min(max(n_complete, start), stop)
        for begin, end in ((start, split), (split, stop)):
            for first in range(begin, end, self.block):
                yield slice(first, min(first + self.block, end))

    def _load(self, rows: Rows, place: slice, buffers: tuple[np.ndarray, ...]) -> Block:
        values = rows.values[place]
        is_complete = rows.n_complete < 0 or place.stop <= rows.n_complete
        if is_complete:
            kernels.load(values, self.centre, buffers[0])
        return Block(values, buffers[0], self.centre, is_complete, buffers[1])

    def _expect(  # the state of one pass
        self,
        ready: Any,
        log_weights: np.ndarray,
        rows: Rows,
        place: slice,
        buffers: tuple[np.ndarray, ...],
    ) -> tuple[Block, float]:
        """Responsibilities of a block, and its log-likelihood."""
        block, (_, _, table, likelihood) = self._load(rows, place, buffers), buffers
        self.components.density(ready, block, table)
        weight, labels = rows.weight[place], rows.labels[place]
        value = kernels.posterior(table, len(block), log_weights, weight, labels, likelihood)
        return block, value

    def _chunks(self, n: int) -> list[tuple[int, int]]:
        n_blocks = -(-n // self.block)
        size = self.block * -(-n_blocks // MAX_CHUNKS)
        return [(first, min(first + size, n)) for first in range(0, n, size)]

    def _add(
        self, ready: Any, log_weights: np.ndarray, rows: Rows, totals: list[np.ndarray]
    ) -> None:
        chunks, tally = self._chunks(len(rows)), _Tally(totals)
        waiting, lock = iter(enumerate(chunks)), threading.Lock()

        def work() -> None:
            buffers = self._buffers()
            try:
                while True:
                    with lock:
                        number, chunk = next(waiting, (-1, (0, 0)))
                    if number < 0:
                        return
                    sums = self._zeros()
                    for place in self._places(*chunk, rows.n_complete):
                        block, value = self._expect(ready, log_weights, rows, place, buffers)
                        sums[-1] += value
                        self.components.accumulate(ready, block, buffers[2], sums)
                    tally.take(number, sums)
            except BaseException:
                tally.give_up()
                raise

        n_threads = min(self.n_threads, len(chunks))
        if n_threads <= 1:
            work()
            return
        with ThreadPoolExecutor(n_threads) as pool:
            for future in [pool.submit(work) for _ in range(n_threads)]:
                future.result()
