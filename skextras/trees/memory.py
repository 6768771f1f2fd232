"""Arrays by address: what compiled code needs to reach many arrays through one table of numbers.

A function that takes thirty arrays is compiled for thirty arrays wherever it is called; one that
takes the address of a table is compiled once. A table is an int64 array whose slots hold addresses
of other arrays, and counts. Whoever fills a table keeps its arrays alive.
"""

import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

OPTIONS = {"nogil": True, "error_model": "numpy", "cache": True}


def _once_for_constants(dispatcher: Any) -> Any:
    """Numba would compile f(table, 0) and f(table, 1) apart: each constant has a type of its own."""
    template = dispatcher.get_call_template

    def without_constants(args: Any, kws: Any) -> Any:
        kinds = {name: types.unliteral(kind) for name, kind in kws.items()}
        return template(tuple(map(types.unliteral, args)), kinds)

    dispatcher.get_call_template = without_constants
    return dispatcher


def compiled(function: Any) -> Any:
    """Compile a function when it is first called, from Python or from compiled code.

    Parameters
    ----------
    function : callable
        It must not raise.

    Returns
    -------
    Dispatcher
        Compiled code; it holds no interpreter lock.
    """
    return _once_for_constants(njit(**OPTIONS)(function))


def inner(function: Any) -> Any:
    """Compile a function that compiled code alone calls, as a part of its callers.

    It has no entry from Python, and no place of its own in the cache, which holds its callers.

    Parameters
    ----------
    function : callable
        It must not raise.

    Returns
    -------
    Dispatcher
        Compiled code.
    """
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _once_for_constants(njit(**options, **{**OPTIONS, "cache": False})(function))


# What a pool of threads runs: (address of a table, number of the chunk, number of the thread).
OPERATION = types.void(types.int64, types.int64, types.int64)


class Operation:
    """A function of (table, chunk, thread) that other compiled code calls by its address.

    Parameters
    ----------
    function : callable
        Three integers in, nothing out; it must not raise.
    """

    def __init__(self, function: Callable[[int, int, int], None]) -> None:
        self._function = function

    @cached_property
    def address(self) -> int:
        """Where the compiled code stands; it is compiled, or loaded, when first asked for.

        Returns
        -------
        int
            What goes into a table.
        """
        compile_it = cfunc(OPERATION, error_model="numpy", cache=True)
        self._compiled = compile_it(self._function)  # kept: its memory holds the code
        return int(self._compiled.address)


operation = Operation  # as a decorator


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


# Reading a table and looking at memory are instructions rather than functions: each function costs
# a tenth of a second to compile.
@intrinsic
def word(typingctx: Any, table: Any, slot: Any) -> Any:
    """Number in a slot of a table."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.load(builder.gep(first, [args[1]]))

    return types.int64(types.int64, types.int64), generate


def _view(dtype: Any, size: int) -> Any:
    kind = types.Array(dtype, 1, "C")

    @intrinsic
    def view(typingctx: Any, address: Any, n: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
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

        return kind(types.int64, types.int64), generate

    return view


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
