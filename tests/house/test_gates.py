"""Each gate of ``make lint`` fails on a fault planted in a copy of the tree, and only then."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MEMBER, ENGINE = "skextras/kernel/logistic.py", "skextras/kernel/solvers/exact.py"
UNDOCUMENTED = '''

def halved(x: float) -> float:
    """Return the half of a number.

    Returns
    -------
    float
        The half.
    """
    return x / 2
'''
COPIED = """

def _copied(matrix: np.ndarray) -> np.ndarray:
    means = matrix.mean(axis=1, keepdims=True)
    centred = matrix - means
    centred = centred - means.T
    return centred + means.mean()
"""

# gate: command, file, text planted at its end, what the gate must say
PLANTS = {
    "upward import": (
        [BIN / "lint-imports", "--no-cache"],
        ENGINE,
        "\nimport skextras.kernel.logistic\n",
        "skextras.kernel.solvers is not allowed to import skextras.kernel.logistic",
    ),
    "host in the engine": (
        [BIN / "lint-imports", "--no-cache"],
        "rlextras/core/returns.py",
        "\nimport stable_baselines3\n",
        "rlextras.core is not allowed to import stable_baselines3",
    ),
    "one package in another": (
        [BIN / "lint-imports", "--no-cache"],
        "genextras/core/paths.py",
        "\nimport skextras\n",
        "genextras is not allowed to import skextras",
    ),
    "member that imports a member": (
        [BIN / "lint-imports", "--no-cache"],
        "genextras/schedulers/ddim.py",
        "\nimport genextras.schedulers.ddpm\n",
        "genextras.schedulers.ddim is not allowed to import genextras.schedulers.ddpm",
    ),
    "copied function": (
        [sys.executable, ".ci/duplicate_bodies.py", "skextras"],
        ENGINE,
        COPIED + COPIED.replace("_copied", "_again").replace("means", "m"),
        "The same function body stands at",
    ),
    "docstring that lacks a parameter": (
        [BIN / "numpydoc", "lint", ENGINE],
        ENGINE,
        UNDOCUMENTED,
        "PR01",
    ),
    "public function without a docstring": (
        [BIN / "numpydoc", "lint", ENGINE],
        ENGINE,
        "\n\ndef halved(x: float) -> float:\n    return x / 2\n",
        "GL08",
    ),
    "untyped public function": (
        [BIN / "mypy", "--follow-imports=skip", "genextras/core/grids.py"],  # not through torch
        "genextras/core/grids.py",
        "\n\ndef halved(x):\n    return x / 2\n",
        "Function is missing a type annotation",
    ),
    "print in a package": (
        [BIN / "ruff", "check", "--no-cache", ENGINE],
        ENGINE,
        '\n\nprint("here")\n',
        "`print` found",
    ),
    "assert on user input": (
        [BIN / "ruff", "check", "--no-cache", MEMBER],
        MEMBER,
        "\n\nassert True\n",
        "Use of `assert` detected",
    ),
    "global random state": (
        [BIN / "ruff", "check", "--no-cache", ENGINE],
        ENGINE,
        "\n\nnp.random.seed(0)\n",
        "Replace legacy `np.random.seed` call",
    ),
    "badly formatted line": (
        [BIN / "ruff", "format", "--no-cache", "--check", ENGINE],
        ENGINE,
        "\n\nx=1\n",
        "would be reformatted",
    ),
}


@pytest.fixture
def tree(tmp_path):
    """A copy of what the gates read."""
    for name in ("skextras", "rlextras", "genextras", ".ci"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run_gate(command, folder):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=folder
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("plant", PLANTS)
def test_gate_passes_without_the_fault_and_fails_with_it(tree, plant):
    command, file, text, message = PLANTS[plant]
    status, output = run_gate(command, tree)
    assert status == 0, output
    with (tree / file).open("a", encoding="utf-8") as opened:
        opened.write(text)
    status, output = run_gate(command, tree)
    assert status != 0
    assert message in output
