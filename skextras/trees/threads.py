"""A pool of threads without barriers: who is there takes the next chunk, nobody waits for others.

One job runs at a time: an operation over chunks 0..n-1. The caller and its helpers claim chunks by
compare-and-swap on one word; the caller works too, and at the end waits only for chunks that a
helper has begun. A helper that the machine has not scheduled costs nothing, which is where OpenMP's
barriers lose tenfold beside a busy neighbour. Numba's own layers abort with two calling threads, or
in a forked child; this pool belongs to one fit and is gone after it.

Operations must give the same result whichever thread runs a chunk.
"""

import threading
import weakref
from types import TracebackType
from typing import Any, Self

import numpy as np
from numba import types
from numba.extending import intrinsic

from skextras.trees.memory import (
    NAP,
    _sleep,
    _yield_core,
    address_of,
    call,
    compiled,
    inner,
    int64s,
)

# Words of the control block, a cache line each.
CLAIM, DONE, STOP, FUNCTION, TABLE, N_WORDS = 0, 8, 16, 24, 32, 40
SPIN, YIELD = 20_000, 400  # empty polls before a helper yields its core, then sleeps
FIELD = (1 << 20) - 1  # chunks of a job: 20 bits, as the number of the next one


def _place(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


@intrinsic
def _load(typingctx: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(array, types.int64), generate


@intrinsic
def _store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], args[0], args[1])
        builder.store_atomic(args[2], place, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


@intrinsic
def _add(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("add", place, args[2], "acq_rel")

    return types.int64(array, types.int64, types.int64), generate


@intrinsic
def _exchange(typingctx: Any, array: Any, index: Any, old: Any, new: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], args[0], args[1])
        pair = builder.cmpxchg(place, args[2], args[3], "acq_rel", "acquire")
        return builder.extract_value(pair, 1)

    return types.boolean(array, *[types.int64] * 3), generate


@inner
def _claim(control: Any) -> Any:
    """Number of a chunk that is now ours, or -1."""
    while True:
        now = _load(control, CLAIM)  # job number : 24 | chunks : 20 | next chunk : 20
        chunk = now & FIELD
        if chunk >= (now >> 20) & FIELD:
            return np.int64(-1)
        if _exchange(control, CLAIM, now, now + 1):
            return chunk


@inner
def _idle(n_polls: int) -> None:
    if n_polls >= SPIN + YIELD:
        _sleep(np.uint32(NAP))
    elif n_polls >= SPIN:
        _yield_core()


@compiled
def _work(address: int, thread: int) -> None:
    """Claim and run chunks; the caller (thread 0) until none is left, others until told to stop."""
    control = int64s(address, N_WORDS)
    n_polls = 0
    while True:
        chunk = _claim(control)
        if chunk < 0:
            if thread == 0 or _load(control, STOP) != 0:
                return
            _idle(n_polls)
            n_polls += 1
            continue
        n_polls = 0
        # The job cannot change under us: it is not done before this chunk is.
        call(_load(control, FUNCTION), _load(control, TABLE), chunk, thread)
        _add(control, DONE, 1)


@compiled
def run(address: int, function: int, table: int, n_chunks: int) -> None:
    """Run an operation over all chunks, and return when the last one is done."""
    if n_chunks == 1:
        call(function, table, 0, 0)
        return
    control = int64s(address, N_WORDS)
    _store(control, FUNCTION, function)
    _store(control, TABLE, table)
    _store(control, DONE, 0)
    job = (_load(control, CLAIM) >> 40) + 1
    _store(control, CLAIM, ((job & 0x3FFFFF) << 40) | (n_chunks << 20))
    _work(address, 0)
    n_polls = 0
    while _load(control, DONE) < n_chunks:
        n_polls += 1
        if n_polls > SPIN // 5:
            _yield_core()


def _help(control: np.ndarray, thread: int) -> None:
    """Work until told to stop; the control block lives as long as its last helper."""
    _work(address_of(control), thread)


def _stop(control: np.ndarray) -> None:
    control[STOP] = 1


class Threads:
    """Threads of one fit; a context manager.

    Parameters
    ----------
    n_threads : int
        The caller included.
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        if n_threads > 1:  # here, not in a helper: nothing else runs, a fork finds no lock taken
            _work.compile((types.int64, types.int64))
        self._control = np.zeros(N_WORDS, np.int64)
        self.address = address_of(self._control)
        self._helpers = [
            threading.Thread(target=_help, args=(self._control, thread), daemon=True)
            for thread in range(1, n_threads)
        ]
        # An interrupt may come between a helper's start and the block, or in the block's last step.
        weakref.finalize(self, _stop, self._control)

    def __enter__(self) -> Self:
        for helper in self._helpers:
            helper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _stop(self._control)
        for helper in self._helpers:
            helper.join()

    def run(self, function: Any, table: np.ndarray, n_chunks: int) -> None:
        """Run an operation over chunks.

        Parameters
        ----------
        function : CFunc
            Made by ``memory.operation``.
        table : ndarray of int64
            What the operation works on.
        n_chunks : int
            At most 2^20 - 1.
        """
        run(self.address, function.address, address_of(table), n_chunks)
