"""Warming up: after it, another process compiles nothing."""

import os
import subprocess
import sys

import pytest

from skextras import warmup

AGAIN = """
from numba.core import event
with event.install_recorder("numba:compile") as compiled:
    from skextras.warmup import main
    main()
assert not compiled.buffer, compiled.buffer
"""


def run(*command):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    options = {"capture_output": True, "text": True, "env": environment, "check": False}
    return subprocess.run([sys.executable, *command], **options)


def test_the_command_has_a_line_for_each_part_and_leaves_nothing_to_compile():
    """(With the cache that the other tests share: from nothing it takes half a minute.)"""
    first = run("-m", "skextras.warmup")
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert [line[:20].strip() for line in lines] == [*warmup.PARTS, "total"]
    seconds = [float(line[20:].removesuffix(" s")) for line in lines]
    assert sum(seconds[:-1]) == pytest.approx(seconds[-1], abs=0.1)  # rounded to hundredths
    second = run("-c", AGAIN)
    assert second.returncode == 0, second.stderr


def test_parts_are_reported_as_they_finish(monkeypatch):
    done, reported = [], []
    parts = {"first": lambda rows: done.append(rows), "second": lambda rows: done.append(rows)}
    monkeypatch.setattr(warmup, "PARTS", parts)
    total = warmup.warm_up(lambda name, seconds: reported.append((name, len(done), seconds)))
    assert [each[:2] for each in reported] == [("first", 1), ("second", 2)]
    assert total == pytest.approx(sum(seconds for *_, seconds in reported))
    assert total > 0
    assert done[0] is done[1]
    assert warmup.warm_up() > 0
    assert len(done) == 4
