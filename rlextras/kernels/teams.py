"""Threads that share the pieces of a phase: who is there takes the next one.

A phase is over when its pieces are done, not when all threads have come by: a thread that the
machine has not scheduled holds up nothing but the piece it has begun. Which thread runs a piece
does not change what it computes.
"""

import sys
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from rlextras.kernels.compiler import kernel

_intrinsic: Any = intrinsic  # its type hides that callers leave out the typing context
WORDS = 16
"""Words of a phase: what is claimed and what is done, a cache line each."""
PATIENCE = 5_000  # polls before a thread yields its core
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
def _load(typingctx: Any, words: Any, index: Any) -> Any:
    """Read a word that another thread may write."""

    def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(builder.gep(data, [arguments[1]]), "acquire", 8)

    return types.int64(words, types.int64), _emit


@kernel()
def claim(words: np.ndarray, phase: np.int64) -> np.int64:
    """Take the next piece of a phase.

    Parameters
    ----------
    words : ndarray of int64
        ``WORDS`` for each phase, zero at first.
    phase : int64
        Which.

    Returns
    -------
    int64
        The number of the piece; beyond the last one if none is left.
    """
    return _add(words, phase * WORDS)


@kernel()
def finish(words: np.ndarray, phase: np.int64) -> None:
    """Say that a piece is done.

    Parameters
    ----------
    words : ndarray of int64
        As for ``claim``.
    phase : int64
        Which.
    """
    _add(words, phase * WORDS + WORDS // 2)


@kernel()
def wait(words: np.ndarray, phase: np.int64, n_pieces: np.int64) -> None:
    """Wait until all pieces of a phase are done.

    Parameters
    ----------
    words : ndarray of int64
        As for ``claim``.
    phase : int64
        Which.
    n_pieces : int64
        How many it has.
    """
    n_polls = 0
    while _load(words, phase * WORDS + WORDS // 2) < n_pieces:
        n_polls += 1
        if n_polls > PATIENCE:
            _yield_core()
