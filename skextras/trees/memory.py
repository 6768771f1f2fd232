"""Arrays by address: what compiled code needs to reach many arrays through one table of numbers.

A function that takes thirty arrays is compiled for thirty arrays wherever it is called; one that
takes the address of a table is compiled once. A table is an int64 array whose slots hold addresses
of other arrays, and counts. Whoever fills a table keeps its arrays alive.
"""

import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, cfunc, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

OPTIONS = {"nogil": True, "error_model": "numpy", "cache": True}
compiled = njit(**OPTIONS)

# What a pool of threads runs: (address of a table, number of the chunk, number of the thread).
OPERATION = types.void(types.int64, types.int64, types.int64)


def operation(function: Any) -> Any:
    """Compile a function of (table, chunk, thread) so that other compiled code calls its address.

    Parameters
    ----------
    function : callable
        Three integers in, nothing out; it must not raise.

    Returns
    -------
    CFunc
        Its ``address`` goes into a table.
    """
    return cfunc(OPERATION, error_model="numpy", cache=True)(function)


@intrinsic
def _pointer(typingctx: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


@intrinsic
def call(typingctx: Any, address: Any, table: Any, chunk: Any, thread: Any) -> Any:
    """Call the operation at an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        function = ir.FunctionType(ir.VoidType(), [word] * 3)
        builder.call(builder.inttoptr(args[0], function.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), generate


@intrinsic
def prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]``; nothing waits for it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@compiled
def word(table: int, slot: int) -> int:
    """Number in a slot of a table."""
    return carray(_pointer(table), (slot + 1,), np.int64)[slot]


@compiled
def int64s(address: int, n: int) -> Any:
    """View of n signed words."""
    return carray(_pointer(address), (n,), np.int64)


@compiled
def uint64s(address: int, n: int) -> Any:
    """View of n unsigned words."""
    return carray(_pointer(address), (n,), np.uint64)


@compiled
def int32s(address: int, n: int) -> Any:
    """View of n signed half words."""
    return carray(_pointer(address), (n,), np.int32)


@compiled
def uint32s(address: int, n: int) -> Any:
    """View of n unsigned half words."""
    return carray(_pointer(address), (n,), np.uint32)


@compiled
def bytes_(address: int, n: int) -> Any:
    """View of n bytes."""
    return carray(_pointer(address), (n,), np.uint8)


@compiled
def float64s(address: int, n: int) -> Any:
    """View of n double-precision numbers."""
    return carray(_pointer(address), (n,), np.float64)


@compiled
def float32s(address: int, n: int) -> Any:
    """View of n single-precision numbers."""
    return carray(_pointer(address), (n,), np.float32)


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
