"""How functions of the engine are compiled: little at the first call, nothing stale later.

Numba compiles a function that others call for its own sake first: optimised, as machine code, with
entries from Python. Here most functions are parts of a few large ones, so that they are translated
once and optimised where they stand in their callers (``inner``).

Numba's cache looks at the file of the function that it holds alone. A function that is part of it
may be in another file, and a constant from there, too. Here the key holds a digest of the sources
of all modules that the function's module is made of.
"""

import re
import threading
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit, types
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.sigutils import normalize_signature

# (without rewrites: they look for expressions of whole arrays, of which there are none)
OPTIONS = {"nogil": True, "error_model": "numpy", "no_rewrites": True}
PART = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
# What a pool of threads runs: (address of a table, number of the chunk, number of the thread).
OPERATION = types.void(types.int64, types.int64, types.int64)

ROOT = Path(__file__).parents[2]
_IMPORT = re.compile(r"^from (skextras[\w.]*) import (\([^)]*\)|.*)$", re.MULTILINE)


# ------------------------------------------------------------ what the cache goes by
def _imported(text: str) -> Iterator[Path]:
    """Files of this package that a module's text imports."""
    for module, names in _IMPORT.findall(text):
        place = ROOT.joinpath(*module.split("."))
        yield place.with_suffix(".py")
        yield from (place / f"{name}.py" for name in re.findall(r"\w+", names))


@cache
def digest(path: Path) -> str:
    """Digest of a module's source, and of those that it imports, however far.

    Parameters
    ----------
    path : Path
        Its file.

    Returns
    -------
    str
        The same as long as no source changes.
    """
    waiting, texts = [path], dict[Path, str]()
    while waiting:
        path = waiting.pop()
        if path not in texts and path.is_file():
            texts[path] = path.read_text(encoding="utf-8")
            waiting += _imported(texts[path])
    return sha256("\0".join(sorted(texts.values())).encode()).hexdigest()


class _Cache(FunctionCache):
    """Numba's, with the digest in its key."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._path = Path(function.__code__.co_filename)

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), digest(self._path))


# ------------------------------------------------------------ what is compiled
def _once_for_constants(dispatcher: Any) -> Any:
    """Numba would compile f(table, 0) and f(table, 1) apart: constants have types of their own."""
    template = dispatcher.get_call_template

    def without_constants(args: Any, kws: Any) -> Any:
        kinds = {name: types.unliteral(kind) for name, kind in kws.items()}
        return template(tuple(map(types.unliteral, args)), kinds)

    dispatcher.get_call_template = without_constants
    return dispatcher


def compiled(function: Any = None, **options: Any) -> Any:
    """Compile a function when it is first called, from Python or from compiled code.

    Parameters
    ----------
    function : callable, optional
        It must not raise; None gives a decorator.
    **options : object
        Of ``numba.njit``.

    Returns
    -------
    Dispatcher
        Compiled code; it holds no interpreter lock.
    """
    if function is None:
        return lambda function: compiled(function, **options)
    dispatcher = _once_for_constants(njit(**{**OPTIONS, **options})(function))
    dispatcher._cache = _Cache(function)
    return dispatcher


class _PartLibrary(JITCodeLibrary):
    """Code that others link: it is neither optimised alone nor made machine code."""

    def finalize(self) -> None:
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True

    @property
    def codegen(self) -> Any:
        """Stands in for the generator, which would look for the environment in machine code."""
        return self

    def set_env(self, name: str, env: Any) -> None:
        """Do nothing: the environment holds Python's objects, and a part has none."""


class _Part(Compiler):
    def __init__(  # noqa: PLR0917  # Numba's own order
        self,
        typingctx: Any,
        targetctx: Any,
        library: Any,
        args: Any,
        return_type: Any,
        flags: Any,
        locals: Any,  # noqa: A002
    ) -> None:
        library = _PartLibrary(targetctx.codegen(), "part")
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)


def inner(function: Any = None, **options: Any) -> Any:
    """Compile a function that compiled code alone calls, as a part of its callers.

    It has no entry from Python, and no place of its own in the cache, which holds its callers. It
    makes no arrays, and counts no references to those that it is given.

    Parameters
    ----------
    function : callable, optional
        It must not raise; None gives a decorator.
    **options : object
        Of ``numba.njit``.

    Returns
    -------
    Dispatcher
        Compiled code.
    """
    if function is None:
        return lambda function: inner(function, **options)
    return _once_for_constants(njit(pipeline_class=_Part, **{**PART, **options})(function))


def view(function: Any) -> Any:
    """Compile a part that returns a view of memory.

    Parameters
    ----------
    function : callable
        It must not raise.

    Returns
    -------
    Dispatcher
        Compiled code.
    """
    return inner(function, _nrt=True)  # Numba's condition for returning an array


class Operation:
    """A function of (table, chunk, thread) that other compiled code calls by its address.

    Parameters
    ----------
    function : callable
        Three integers in, nothing out; it must not raise.
    """

    def __init__(self, function: Callable[[int, int, int], None]) -> None:
        self._function, self._lock = function, threading.Lock()
        self._compiled: Any = None  # kept: its memory holds the code

    @property
    def address(self) -> int:
        """Where the compiled code stands; it is compiled, or loaded, when first asked for.

        Returns
        -------
        int
            What goes into a table.
        """
        with self._lock:
            if self._compiled is None:
                options = {"error_model": "numpy", "no_rewrites": True}
                made = CFunc(self._function, normalize_signature(OPERATION), {}, options)
                made._cache = _Cache(self._function)
                made.compile()
                self._compiled = made
        return int(self._compiled.address)


operation = Operation  # as a decorator
