"""Loading the kernels: once per process, with one line if that means compiling them."""

import importlib
import logging
from functools import cache
from types import ModuleType
from typing import Any

_LOGGER = logging.getLogger("rlextras")


@cache
def load(name: str) -> ModuleType:
    """Import a module of kernels; say so if it has to be compiled first.

    Parameters
    ----------
    name : str
        Of the module, below ``rlextras.kernels``.

    Returns
    -------
    module
        Its kernels are ready to run.
    """
    from numba.core import event

    listener = _announcement(event.Listener)
    event.register("numba:compile", listener)
    try:
        return importlib.import_module(f"rlextras.kernels.{name}")
    finally:
        event.unregister("numba:compile", listener)


def _announcement(base: type) -> Any:
    """A listener that speaks when the first compilation of this process starts."""

    class Announcement(base):  # numba is imported late: it takes time
        def on_start(self, event: Any) -> None:
            _announce()

        def on_end(self, event: Any) -> None:
            """The end is no news."""

    return Announcement()


@cache
def _announce() -> None:
    _LOGGER.warning("rlextras: compiling the kernels for small networks, once; Numba caches them.")
