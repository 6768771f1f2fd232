"""Machine words at any byte of a buffer, and the little arithmetic that hashes are made of."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from skextras.trees.compiling import inner


def _load(bits: int, kind: Any) -> Any:
    @intrinsic
    def word(typingctx: Any, data: Any, place: Any) -> Any:
        """The bits that start at a byte, least byte first."""

        def _emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            first = context.make_array(signature.args[0])(context, builder, args[0]).data
            integer = ir.IntType(bits)
            at = builder.bitcast(builder.gep(first, [args[1]]), integer.as_pointer())
            loaded = builder.load(at)
            loaded.align = 1  # text starts anywhere
            return loaded if bits == 64 else builder.zext(loaded, ir.IntType(64))

        return kind(data, types.int64), _emit

    return word


# (uint8 array, index) -> the little-endian word that starts there, as uint64.
word64 = _load(64, types.uint64)
word32 = _load(32, types.uint64)


@inner
def rotated(word: np.uint64, by: np.uint64) -> np.uint64:
    """The word with its bits turned right."""
    return (word >> by) | (word << (np.uint64(64) - by))


@inner
def mixed(word: np.uint64) -> np.uint64:
    """SplitMix64's step: a bijection in which each bit moves each other with a chance of a half."""
    word += np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@inner
def folded(word: np.uint64) -> np.uint64:
    """Mix the high bits into the low ones."""
    return word ^ (word >> np.uint64(47))
