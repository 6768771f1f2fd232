"""The gate against copied functions sees copies, and only copies."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / ".ci" / "duplicate_bodies.py"
SPEC = importlib.util.spec_from_file_location("duplicate_bodies", PATH)
duplicate_bodies = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(duplicate_bodies)

ORIGINAL = """
def mean(values):
    total = 0
    for value in values:
        total += value
    return total / len(values)
"""
RENAMED = """
def average(numbers: list) -> float:
    '''With a docstring.'''
    s = 0
    for x in numbers:
        s += x
    return s / len(numbers)
"""
OTHER = ORIGINAL.replace("+=", "*=")
SHORT = "def f(a):\n    b = a\n    c = b\n    return c\n"


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ((ORIGINAL, ORIGINAL), 1),
        ((ORIGINAL, RENAMED), 1),
        ((ORIGINAL, OTHER), 0),
        ((SHORT, SHORT), 0),
        ((ORIGINAL,), 0),
    ],
)
def test_equal_bodies_are_counted(tmp_path, sources, expected):
    for number, source in enumerate(sources):
        (tmp_path / f"module_{number}.py").write_text(source)
    assert duplicate_bodies.main([str(tmp_path)]) == expected
