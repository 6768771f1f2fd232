"""Pieces of LLVM's own code for kernels whose sums have to stay in vector registers.

Numba has no vector types, and LLVM itself fills vectors of half the width that AVX-512 has. What is
written with these pieces runs on any machine: LLVM cuts the vectors into what it has.
"""

from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils

__all__ = ["IS_WIDE", "WORD", "at", "loaded", "multiply_add", "splat"]

IS_WIDE = bool(binding.get_host_cpu_features().get("avx512f", False))  # 32 registers of 64 bytes
WORD = ir.IntType(64)
_INT = ir.IntType(32)


def at(context: Any, builder: Any, kind: Any, array: Any, index: Any, to: Any) -> Any:
    """Address of an entry of a contiguous array, as one of another type.

    Parameters
    ----------
    context, builder : object
        Numba's and LLVM's.
    kind : numba type
        Of the array.
    array, index : LLVM value
        The array, and the number of the entry.
    to : LLVM type
        What stands there.

    Returns
    -------
    LLVM value
        A pointer.
    """
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), to.as_pointer())


def splat(builder: Any, value: Any, to: Any) -> Any:
    """Put a number into all lanes of a vector.

    Parameters
    ----------
    builder : object
        LLVM's.
    value : LLVM value
        The number.
    to : LLVM type
        The vector's.

    Returns
    -------
    LLVM value
        The vector.
    """
    one = builder.insert_element(ir.Constant(to, ir.Undefined), value, ir.Constant(_INT, 0))
    zeros = ir.Constant(ir.VectorType(_INT, to.count), [0] * to.count)
    return builder.shuffle_vector(one, ir.Constant(to, ir.Undefined), zeros)


def loaded(builder: Any, start: Any, count: int) -> list[Any]:
    """Load vectors that follow one another in memory.

    Parameters
    ----------
    builder : object
        LLVM's.
    start : LLVM value
        Pointer to the first; entries are at addresses divisible by four.
    count : int
        How many.

    Returns
    -------
    list of LLVM value
        The vectors.
    """
    return [builder.load(builder.gep(start, [WORD(i)]), align=4) for i in range(count)]


def multiply_add(builder: Any, kind: Any) -> Any:
    """A function of three vectors: a b + c.

    Parameters
    ----------
    builder : object
        LLVM's.
    kind : LLVM type
        Of the vectors, float or double.

    Returns
    -------
    LLVM value
        The function, for ``builder.call``.
    """
    name = f"v{kind.count}f{32 if kind.element == ir.FloatType() else 64}"
    function = ir.FunctionType(kind, [kind] * 3)
    return cgutils.get_or_insert_function(builder.module, function, f"llvm.fmuladd.{name}")
