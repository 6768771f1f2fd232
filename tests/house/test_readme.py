"""The README does what it says: its snippets run, its commands and files exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippet_runs(snippet):
    quiet = [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", snippet]
    done = subprocess.run(quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_there_is_a_snippet_for_each_package():
    for package in ("skextras", "rlextras", "genextras"):
        assert sum(package in snippet for snippet in SNIPPETS) == 1


def test_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for document in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.MULTILINE)):
            assert f"\n{target}:" in makefile, f"{document} names make {target}"


def test_linked_files_exist():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_ci_runs_the_command_of_the_readme():
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\nmake test " in README


def test_every_public_class_stands_in_the_table():
    import genextras
    import rlextras
    import skextras

    rows = [line for line in README.splitlines() if line.startswith("| `")]
    for package, row in zip((skextras, rlextras, genextras), rows, strict=True):
        assert package.__name__ in row
        assert all(f"`{name}`" in row for name in package.__all__)
