"""somoclu, built from the sources that its package holds, with the compiler of this machine.

Its wheel would lack the compiled part, and its Python interface the sparse kernel; both are reached
here through ``somoclu_shim.cpp``, on one thread.
"""

import ctypes
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from scipy import sparse

VERSION = "1.7.6"
FOLDER = Path(tempfile.gettempdir()) / f"mlextras-somoclu-{VERSION}"
SOURCES = ("denseCpuKernels", "sparseCpuKernels", "mapDistanceFunctions", "training", "uMatrix")
FLAGS = ("-O3", "-fopenmp", "-shared", "-fPIC", "-w")


@cache
def library() -> ctypes.CDLL:
    """The compiled code, which is built where it is not there yet."""
    built = FOLDER / "somoclu.so"
    if not built.exists():
        if shutil.which("g++") is None:
            raise RuntimeError("somoclu_peer: g++ must be there to build somoclu. Install it.")
        fetch = ["download", "--quiet", "--no-deps", "--no-build-isolation", "--no-binary=:all:"]
        command = [sys.executable, "-m", "pip", *fetch, f"--dest={FOLDER}", f"somoclu=={VERSION}"]
        subprocess.run(command, check=True)
        with tarfile.open(FOLDER / f"somoclu-{VERSION}.tar.gz") as archive:
            archive.extractall(FOLDER, filter="data")
        source = FOLDER / f"somoclu-{VERSION}" / "somoclu" / "src"
        files = [source / f"{name}.cpp" for name in SOURCES]
        shim = Path(__file__).with_name("somoclu_shim.cpp")
        make = ["g++", *FLAGS, f"-I{source}", shim, *files, "-o", FOLDER / "unfinished.so"]
        subprocess.run(make, check=True)
        (FOLDER / "unfinished.so").rename(built)
    return ctypes.CDLL(str(built))


def trained(
    X: np.ndarray | sparse.csr_matrix,
    start: np.ndarray,
    shape: tuple[int, int],
    radius: tuple[float, float],
    n_epochs: int,
) -> np.ndarray:
    """The codebook after batch epochs from ``start`` on a map of (rows, columns) units.

    It searches the nearest units of the rows once more in the end, as the others do.
    """
    (n, d), (n_down, n_across) = X.shape, shape
    weights = np.array(start, np.float32).reshape(n_down * n_across, d)
    nearest = np.empty((n, 2), np.int32)
    if sparse.issparse(X):
        X.sort_indices()
        indptr = X.indptr.astype(np.int64)
        rows = (None, _at(indptr), _at(X.indices.astype(np.int32)), _at(X.data))
    else:
        rows = (_at(np.ascontiguousarray(X, np.float32)), None, None, None)
    sizes = (n, d, n_across, n_down, n_epochs)
    ends = (ctypes.c_float(radius[0]), ctypes.c_float(radius[1]))
    library().somoclu_train(*rows, *sizes, *ends, 1, _at(weights), _at(nearest))
    return weights


def _at(array: np.ndarray) -> ctypes.c_void_p:
    """Where an array begins; the pointer keeps the array."""
    return array.ctypes.data_as(ctypes.c_void_p)
