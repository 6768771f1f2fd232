"""How many threads of BLAS pay."""

import functools

from threadpoolctl import ThreadpoolController

__all__ = ["SMALL", "blas_threads"]

SMALL = 1500  # rows below which a second BLAS thread costs more than it saves


@functools.cache
def blas_threads() -> ThreadpoolController:
    """Find the BLAS pools of this process; that takes milliseconds, hence once.

    Returns
    -------
    ThreadpoolController
        Of threadpoolctl.
    """
    return ThreadpoolController()
