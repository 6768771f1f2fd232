"""Threads that share the pieces of a phase: who is there takes the next one.

A phase is over when its pieces are done, not when all threads have come by: a thread that the
machine has not scheduled holds up nothing but the piece it has begun. Which thread runs a piece
does not change what it computes.

The one who leads opens a round of phases and goes when they are over, whoever is still about. Each
round has its number in all of its words, so that a thread that comes late finds nothing to take:
the words are of another round. Helpers stand by for some time between two rounds, and then leave.
"""

import sys
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from rlextras.kernels.compiler import kernel

_intrinsic: Any = intrinsic  # its type hides that callers leave out the typing context
WORDS = 16
"""Words of a phase: what is claimed and what is done, a cache line each. As many stand before the
first phase: the number of the last round, and the number of the last one that calls for help."""
ALONE, LEAD, HELP = range(3)
"""What a thread does: a round by itself; one that calls the helpers; or help, round after round."""
CLOSED = -1
"""In place of a round's number: helpers are to leave."""
PATIENCE = 5_000  # polls before a thread yields its core
LINGER = 4_000  # times that a helper yields before it leaves: some milliseconds of a core
ROUND = 1 << 32  # a word is this times its round, and a count
BELL = WORDS // 2
"""The word that helpers watch."""
_LAST = 0
_YIELD = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
_yield_core: Any = types.ExternalFunction(_YIELD, types.int32())


@_intrinsic
def _add(typingctx: Any, words: Any, index: Any) -> Any:
    """Count one more, and return what was counted before."""

    def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        one = context.get_constant(types.int64, 1)
        return builder.atomic_rmw("add", builder.gep(data, [arguments[1]]), one, "acq_rel")

    return types.int64(words, types.int64), _emit


@_intrinsic
def _swap(typingctx: Any, words: Any, index: Any, old: Any, new: Any) -> Any:
    """Write a word if it is what it was, and return what it is."""

    def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(data, [arguments[1]])
        found = builder.cmpxchg(place, arguments[2], arguments[3], "acq_rel", "acquire")
        return builder.extract_value(found, 0)

    return types.int64(words, types.int64, types.int64, types.int64), _emit


@_intrinsic
def _load(typingctx: Any, words: Any, index: Any) -> Any:
    """Read a word that another thread may write."""

    def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(builder.gep(data, [arguments[1]]), "acquire", 8)

    return types.int64(words, types.int64), _emit


@_intrinsic
def _store(typingctx: Any, words: Any, index: Any, value: Any) -> Any:
    """Write a word that another thread may read, after all that was written before."""

    def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(data, [arguments[1]])
        builder.store_atomic(arguments[2], place, "release", 8)
        return context.get_dummy_value()

    return types.void(words, types.int64, types.int64), _emit


@kernel()
def begin(words: np.ndarray, role: np.int64, n_phases: np.int64, last: np.int64) -> np.int64:
    """Open a round, or wait for one.

    Parameters
    ----------
    words : ndarray of int64
        ``WORDS``, and as many for each phase; zero at first.
    role : int64
        ALONE, LEAD or HELP.
    n_phases : int64
        Phases of a round.
    last : int64
        For a helper the round that it was in; 0 at first.

    Returns
    -------
    int64
        The number of the round; CLOSED if a helper was told to leave or has waited for long.
    """
    if role == HELP:
        return _listen(words, last)
    number = words[_LAST] + 1
    words[_LAST] = number
    _write_all(words, n_phases, number * ROUND)
    if role == LEAD:
        _store(words, BELL, number)
    return number


@kernel()
def end(words: np.ndarray, n_phases: np.int64) -> None:
    """Close a round whose phases are over: nothing can be taken from those that it left out.

    Parameters
    ----------
    words : ndarray of int64
        As for ``begin``.
    n_phases : int64
        Phases of a round.
    """
    _write_all(words, n_phases, (words[_LAST] + 1) * ROUND - 1)


@kernel()
def _write_all(words: np.ndarray, n_phases: np.int64, value: np.int64) -> None:
    for phase in range(1, n_phases + 1):
        _store(words, phase * WORDS, value)
        _store(words, phase * WORDS + WORDS // 2, value)


@kernel()
def _listen(words: np.ndarray, last: np.int64) -> np.int64:
    """Wait for a round with another number."""
    for n_polls in range(PATIENCE + LINGER):
        number = _load(words, BELL)
        if number != last:
            return number
        if n_polls >= PATIENCE:
            _yield_core()
    return np.int64(CLOSED)


@kernel()
def claim(words: np.ndarray, at: tuple, n_pieces: np.int64) -> np.int64:
    """Take the next piece of a phase.

    Parameters
    ----------
    words : ndarray of int64
        As for ``begin``.
    at : tuple of (int64, int64)
        Round and phase.
    n_pieces : int64
        How many it has.

    Returns
    -------
    int64
        The number of the piece; ``n_pieces`` if none is left, or the round is over.
    """
    number, phase = at
    first, place = number * ROUND, (phase + 1) * WORDS
    seen = _load(words, place)
    while first <= seen < first + n_pieces:
        found = _swap(words, place, seen, seen + 1)
        if found == seen:
            return seen - first
        seen = found
    return n_pieces


@kernel()
def finish(words: np.ndarray, at: tuple) -> None:
    """Say that a piece is done.

    Parameters
    ----------
    words : ndarray of int64
        As for ``begin``.
    at : tuple of (int64, int64)
        Round and phase.
    """
    _add(words, (at[1] + 1) * WORDS + WORDS // 2)


@kernel()
def wait(words: np.ndarray, at: tuple, n_pieces: np.int64) -> None:
    """Wait until all pieces of a phase are done, or the round is over.

    Parameters
    ----------
    words : ndarray of int64
        As for ``begin``.
    at : tuple of (int64, int64)
        Round and phase.
    n_pieces : int64
        How many it has.
    """
    number, phase = at
    first, place = number * ROUND, (phase + 1) * WORDS + WORDS // 2
    n_polls = 0
    while first <= _load(words, place) < first + n_pieces:
        n_polls += 1
        if n_polls > PATIENCE:
            _yield_core()
