"""Compiling: parts are no code of their own, and a change in any source is a change of the key."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.caching import NullCache

from skextras.trees import compiling, growing
from skextras.trees.compiling import compiled, digest, inner, operation
from skextras.trees.memory import address_of, float64s

STEP = 3


@inner
def increased(x, by):  # type: ignore[no-untyped-def]
    return x + by * STEP


@inner(fastmath=True)
def twice_increased(x):  # type: ignore[no-untyped-def]
    return increased(increased(x, 1), 2)


@compiled
def fill(address, n):  # type: ignore[no-untyped-def]
    numbers = float64s(address, n)
    for i in range(n):
        numbers[i] = twice_increased(numbers[i])


def test_parts_are_compiled_into_their_callers():
    numbers = np.arange(5.0)
    fill._cache = NullCache()  # it is compiled here, whatever an earlier run has left
    fill(address_of(numbers), 5)
    assert numbers.tolist() == [9, 10, 11, 12, 13]
    # (constants have no types of their own: one code for both calls)
    assert len(increased.overloads) == len(twice_increased.overloads) == 1
    assert len(fill.overloads) == 1


def test_an_operation_is_compiled_once():
    @operation
    def nothing(table, chunk, thread):  # type: ignore[no-untyped-def]
        pass

    assert nothing.address == nothing.address > 0


# ------------------------------------------------------------ the cache's key
def sources(root, step):
    """A module, one that it imports, and one that this imports: its last line is a constant."""
    package = root / "skextras" / "deep"
    package.mkdir(parents=True, exist_ok=True)
    (root / "skextras" / "a.py").write_text("from skextras.deep import b\n")
    (package / "b.py").write_text("from skextras.deep.c import (\n    STEP,\n)\n")
    (package / "c.py").write_text(f"from skextras.a import b\n\nSTEP = {step}\n")
    return root / "skextras" / "a.py"


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setattr(compiling, "ROOT", tmp_path)
    digest.cache_clear()
    yield tmp_path
    digest.cache_clear()


def test_the_digest_is_that_of_all_that_is_imported(root):
    one = digest(sources(root, 1))
    digest.cache_clear()
    assert digest(sources(root, 1)) == one
    digest.cache_clear()
    assert digest(sources(root, 2)) != one


def test_growing_is_made_of_the_whole_engine():
    read, waiting = set(), [Path(growing.__file__)]
    while waiting:
        path = waiting.pop()
        if path not in read and path.is_file():
            read.add(path)
            waiting += compiling._imported(path.read_text(encoding="utf-8"))
    names = {path.stem for path in read}
    engine = {"memory", "threads", "histogram", "splitting", "leaves", "sums", "nodes", "choice"}
    assert engine <= names
    assert not names & {"prediction", "shap"}  # a change there leaves growing as it is


PROBE = """
import sys
from pathlib import Path
from skextras.trees import compiling
compiling.ROOT = Path(sys.argv[1])
sys.path.insert(0, sys.argv[1])
import probe
print(probe.value(1))
"""


def test_a_constant_of_another_file_is_never_stale(tmp_path):
    """Numba's own cache goes by the file of ``value`` alone, which does not change here."""
    other = tmp_path / "skextras" / "constants.py"
    other.parent.mkdir()
    code = (
        "import importlib.util\n"
        "from skextras.trees.compiling import compiled\n"
        f"spec = importlib.util.spec_from_file_location('constants', {str(other)!r})\n"
        "constants = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(constants)\n"
        "STEP = constants.STEP\n"
        '"""\n'
        "from skextras.constants import STEP\n"
        '"""\n'
        "@compiled\n"
        "def value(x):\n"
        "    return x + STEP\n"
    )
    (tmp_path / "probe.py").write_text(code)
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    for step in (1, 5):
        other.write_text(f"STEP = {step}\n")
        command = [sys.executable, "-c", PROBE, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.stdout.split() == [str(1 + step)], done.stderr
    assert len(list((tmp_path / "cache").rglob("*.nbc"))) == 2
