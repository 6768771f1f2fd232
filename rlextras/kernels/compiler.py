"""How kernels are compiled: few entry points with fixed signatures, kept in Numba's cache on disk.

Numba would compile a function that others call for its own sake first: optimised, and as machine
code. Here an inner kernel is a part of the entry points that call it: translated once, optimised
where it stands in them, and not kept by itself. It makes no arrays.

Numba's cache goes by the file of the entry point. The parts, and what they read, stand in other
files of this folder: the key of the cache holds a digest of all of them.
"""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit, types
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

VECTOR = types.float32[::1]
MATRIX = types.float32[:, ::1]
BLOCK = types.float32[:, :, ::1]
TABLE = types.int64[:, ::1]
INDICES = types.int64[::1]
NUMBERS = types.float64[::1]

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",  # a division by zero gives infinity or NaN, as in torch
    "fastmath": {"contract"},  # a product and a sum in one rounding; no reordering, NaN kept
    "no_rewrites": True,  # they look for expressions of whole arrays, of which there are none
}


class _Ingredient(JITCodeLibrary):
    """Code for others to link, as Numba translated it; neither optimised nor made machine code."""

    def finalize(self) -> None:
        for other in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(other._get_module_for_linking(), preserve=True)
        self._finalized = True

    @property
    def codegen(self) -> Any:
        """Itself: ``set_env`` below is all that Numba asks of the generator from here on."""
        return self

    def set_env(self, name: str, env: Any) -> None:
        """Set nothing: no object of Python's is in a part, so that nothing looks for one."""


class _PartCompiler(Compiler):
    def __init__(self, typing: Any, target: Any, library: Any, *rest: Any) -> None:
        super().__init__(typing, target, _Ingredient(target.codegen(), "kernel"), *rest)


class _Cache(FunctionCache):
    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), _digest())


@cache
def _digest() -> str:
    """Of the sources of all kernels."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def kernel(**options: Any) -> Any:
    """Compile a function as a part of those that call it.

    Parameters
    ----------
    **options : object
        Of Numba's ``njit``.

    Returns
    -------
    callable
        A decorator. What it decorates must not raise, nor make arrays.
    """
    part = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": _PartCompiler}

    def _decorated(function: Callable[..., Any]) -> Any:
        return njit(**{**_OPTIONS, **part, **options})(function)

    return _decorated


def entry(signature: Any) -> Any:
    """Compile a function for callers in Python, now, or find it in the cache.

    Parameters
    ----------
    signature : Signature
        Its only one.

    Returns
    -------
    callable
        A decorator.
    """

    def _decorated(function: Callable[..., Any]) -> Any:
        dispatcher = njit(**_OPTIONS)(function)
        dispatcher._cache = _Cache(function)
        dispatcher.compile(signature)
        dispatcher.disable_compile()
        return dispatcher

    return _decorated
