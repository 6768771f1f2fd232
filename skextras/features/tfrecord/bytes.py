"""Reading and writing whole words at any place of a byte array, and the crc32 instruction.

A load at ``array[i]`` in Numba asks whether i is negative, and reads one byte; these read up to
eight, as little-endian numbers on every machine. They check no bounds: their callers do.
"""

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from skextras.trees.compiling import inner

# What the code is compiled for (NUMBA_CPU_NAME may choose less than the machine has). It is part of
# the key of Numba's cache, so that code for one machine is not run on another.
TARGET_FEATURES = cpu_target.target_context.codegen().magic_tuple()[2]
HAS_CRC_INSTRUCTION = "+sse4.2" in TARGET_FEATURES


def _place(context: Any, builder: Any, array: Any, kind: Any, index: Any, bits: int) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    byte = builder.bitcast(data, ir.IntType(8).as_pointer())
    return builder.bitcast(builder.gep(byte, [index]), ir.IntType(bits).as_pointer())


def _little(builder: Any, value: Any, bits: int) -> Any:
    return builder.bswap(value) if bits > 8 and sys.byteorder == "big" else value


def _loader(bits: int) -> Any:
    kind = {8: types.uint8, 16: types.uint16, 32: types.uint32, 64: types.uint64}[bits]

    @intrinsic
    def load(typingctx: Any, array: Any, index: Any) -> Any:
        """The number that starts at a byte, least byte first."""

        def _emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = _place(context, builder, args[0], signature.args[0], args[1], bits)
            return _little(builder, builder.load(place, align=1), bits)

        return kind(array, types.int64), _emit

    return load


def _storer(bits: int) -> Any:
    kind = {8: types.uint8, 32: types.uint32, 64: types.uint64}[bits]

    @intrinsic
    def store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
        """Write a number from a byte on, least byte first."""

        def _emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = _place(context, builder, args[0], signature.args[0], args[1], bits)
            builder.store(_little(builder, args[2], bits), place, align=1)
            return context.get_dummy_value()

        return types.void(array, types.int64, kind), _emit

    return store


# (array of bytes, index in bytes) -> number; (array, index in bytes, number) -> nothing
load8, load16, load32, load64 = map(_loader, (8, 16, 32, 64))
store8, store32, store64 = _storer(8), _storer(32), _storer(64)


@intrinsic
def trailing_zeros(typingctx: Any, word: Any) -> Any:
    """Number of zero bits below the lowest one of a 64-bit word; 64 for 0."""

    def _emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), _emit


def _crc_instruction(bits: int) -> Any:
    width = {8: types.uint8, 64: types.uint64}[bits]
    state = {8: types.uint32, 64: types.uint64}[bits]

    @intrinsic
    def extend(typingctx: Any, crc: Any, value: Any) -> Any:
        """The checksum of some bytes, from that of what stands before them."""

        def _emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            own, word = context.get_value_type(state), ir.IntType(bits)
            kind = ir.FunctionType(own, [own, word])
            name = f"llvm.x86.sse42.crc32.{own.width}.{bits}"
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

        return state(state, width), _emit

    return extend


crc_byte, crc_word = _crc_instruction(8), _crc_instruction(64)


@inner
def copy_bytes(source: Any, start: int, out: Any, to: int, n: int) -> None:
    """Copy source[start : start + n] to out[to:], eight bytes a step; the last may overlap."""
    if n >= 8:
        for i in range(0, n - 8, 8):
            store64(out, to + i, load64(source, start + i))
        store64(out, to + n - 8, load64(source, start + n - 8))
    elif n >= 4:
        first, last = load32(source, start), load32(source, start + n - 4)
        store32(out, to, first)
        store32(out, to + n - 4, last)
    else:
        for i in range(n):
            store8(out, to + i, load8(source, start + i))


@inner
def is_same(one: Any, start: int, other: Any, first: int, n: int) -> bool:
    """Whether one[start : start + n] equals other[first : first + n]."""
    if n >= 8:
        for i in range(0, n - 8, 8):
            if load64(one, start + i) != load64(other, first + i):
                return False
        return load64(one, start + n - 8) == load64(other, first + n - 8)
    if n >= 4:
        is_so = load32(one, start) == load32(other, first)
        return is_so and load32(one, start + n - 4) == load32(other, first + n - 4)
    is_so = True
    for i in range(n):
        is_so &= load8(one, start + i) == load8(other, first + i)
    return is_so
