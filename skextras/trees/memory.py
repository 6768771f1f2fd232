"""Arrays by address: what compiled code needs to reach many arrays through one table of numbers.

A function that takes thirty arrays is compiled for thirty arrays wherever it is called; one that
takes the address of a table is compiled once. A table is an int64 array whose slots hold addresses
of other arrays, and counts. Whoever fills a table keeps its arrays alive.
"""

import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from skextras.trees.compiling import Operation, compiled, inner, operation, view

__all__ = [
    "Operation",
    "address_of",
    "bytes_",
    "call",
    "compiled",
    "float32s",
    "float64s",
    "inner",
    "int32s",
    "int64s",
    "operation",
    "prefetch",
    "uint32s",
    "uint64s",
    "view",
    "word",
]


@intrinsic
def _pointer(typingctx: Any, address: Any) -> Any:
    def _emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), _emit


@intrinsic
def call(typingctx: Any, address: Any, table: Any, chunk: Any, thread: Any) -> Any:
    """Call the operation at an address."""

    def _emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        function = ir.FunctionType(ir.VoidType(), [word] * 3)
        builder.call(builder.inttoptr(args[0], function.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), _emit


@intrinsic
def prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]``; nothing waits for it."""

    def _emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), _emit


# Reading a table and looking at memory are instructions rather than functions: each function costs
# a tenth of a second to compile.
@intrinsic
def word(typingctx: Any, table: Any, slot: Any) -> Any:
    """Number in a slot of a table."""

    def _emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.load(builder.gep(first, [args[1]]))

    return types.int64(types.int64, types.int64), _emit


def _view(dtype: Any, size: int) -> Any:
    kind = types.Array(dtype, 1, "C")

    @intrinsic
    def made(typingctx: Any, address: Any, n: Any) -> Any:
        def _emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array = context.make_array(kind)(context, builder)
            item = context.get_constant(types.intp, size)
            populate_array(
                array,
                data=builder.inttoptr(args[0], array.data.type),
                shape=(args[1],),
                strides=(item,),
                itemsize=item,
                meminfo=None,
            )
            return array._getvalue()

        return kind(types.int64, types.int64), _emit

    return made


# Views of n numbers at an address, (address, n) -> array.
int64s = _view(types.int64, 8)
uint64s = _view(types.uint64, 8)
int32s = _view(types.int32, 4)
uint32s = _view(types.uint32, 4)
bytes_ = _view(types.uint8, 1)
float64s = _view(types.float64, 8)
float32s = _view(types.float32, 4)


def address_of(array: np.ndarray) -> int:
    """Address of an array's first element.

    Parameters
    ----------
    array : ndarray
        C-contiguous; the caller keeps it alive.

    Returns
    -------
    int
        The address.

    Raises
    ------
    ValueError
        If the elements do not stand side by side.
    """
    if not array.flags.c_contiguous:
        raise ValueError("memory: array must be C-contiguous, got a strided one. Copy it first.")
    return int(array.__array_interface__["data"][0])


if sys.platform == "win32":  # the same two calls under their names there
    _yield_core = types.ExternalFunction("SwitchToThread", types.int32())
    _sleep = types.ExternalFunction("Sleep", types.void(types.uint32))
    NAP = 1  # ms
else:
    _yield_core = types.ExternalFunction("sched_yield", types.int32())
    _sleep = types.ExternalFunction("usleep", types.int32(types.uint32))
    NAP = 50  # µs
