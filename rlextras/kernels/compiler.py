"""How kernels are compiled: few entry points with fixed signatures, kept in Numba's cache on disk.

An inner kernel becomes part of the entry points that call it, and is not kept by itself.
"""

from functools import partial

from numba import njit, types

VECTOR = types.float32[::1]
MATRIX = types.float32[:, ::1]
BLOCK = types.float32[:, :, ::1]
TABLE = types.int64[:, ::1]
INDICES = types.int64[::1]
NUMBERS = types.float64[::1]

_compiled = partial(
    njit,
    nogil=True,
    error_model="numpy",  # a division by zero gives infinity or NaN, as in torch
    fastmath={"contract"},  # a product and a sum in one rounding; no reordering, NaN kept
)
entry = partial(_compiled, cache=True)
kernel = partial(_compiled, no_cpython_wrapper=True, no_cfunc_wrapper=True)
