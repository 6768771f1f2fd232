"""Every example runs, is short, and the demo keeps its promises when things go wrong."""

import sys
import types
from pathlib import Path

import pytest

from examples.demo import __main__ as demo
from examples.demo.report import Row, table
from tests.house.warm_interpreter import run_script

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("examples/*extras/[0-9][0-9]_*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_prints_a_number(path, tmp_path):
    assert len(path.read_text().splitlines()) <= 60
    printed = tmp_path / "printed.txt"
    assert run_script(path, ROOT, printed) == 0, printed.read_text()
    assert any(character.isdigit() for character in printed.read_text())


OWN = "{'skextras', 'rlextras', 'genextras'}"


@pytest.mark.parametrize(
    ("code", "status", "last"),
    [
        ("import sys; print(sys.argv[1:], __name__)", 0, "[] __main__"),
        ("import os; print(os.path.basename(__file__), os.getcwd())", 0, "script.py {folder}"),
        ("import os; os.system('echo below Python')", 0, "below Python"),
        ("import warnings; print('new'); warnings.warn('old')", 0, "new"),
        (f"import sys; print('torch' in sys.modules, {OWN} & set(sys.modules))", 0, "True set()"),
        ("import sys; sys.exit('no screen')", 1, "no screen"),
        ("assert 1 > 2", 1, "AssertionError"),
    ],
)
def test_a_script_is_run_as_a_new_interpreter_would(code, status, last, tmp_path):
    script, printed = tmp_path / "script.py", tmp_path / "printed.txt"
    script.write_text(code)
    assert run_script(script, tmp_path, printed) == status
    assert printed.read_text().splitlines()[-1] == last.format(folder=tmp_path)


def test_every_package_has_an_example():
    assert {path.parent.name for path in EXAMPLES} == {"skextras", "rlextras", "genextras"}


def with_parts(monkeypatch, run, *arguments):
    """Let the demo consist of one part, and call it with the arguments."""
    monkeypatch.setitem(sys.modules, "examples.demo.tabular", types.SimpleNamespace(run=run))
    monkeypatch.setattr(sys, "argv", ["demo", "--only", "tabular", *arguments])
    return demo.main()


def test_a_finished_demo_leaves_its_table_and_no_partial_folder(monkeypatch, tmp_path, capsys):
    assert with_parts(monkeypatch, lambda folder: [Row("job", "class", "1.0", 2.0)]) == 0
    assert "job  class  1.0    2.0" in (tmp_path / "out" / "summary.txt").read_text()
    assert "pictures: out" in capsys.readouterr().out
    assert not (tmp_path / "out.partial").exists()


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError])
def test_a_demo_cut_short_leaves_the_last_result_as_it_was(monkeypatch, tmp_path, fault):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.txt").write_text("of the last run")

    def cut_short(folder):
        (folder / "half.png").write_text("half a picture")
        raise fault

    if fault is KeyboardInterrupt:
        assert with_parts(monkeypatch, cut_short) == 130
    else:
        with pytest.raises(RuntimeError):
            with_parts(monkeypatch, cut_short)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["summary.txt"]
    assert (tmp_path / "out" / "summary.txt").read_text() == "of the last run"
    assert with_parts(monkeypatch, lambda folder: [Row("job", "class", "1.0", 2.0)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_missing_dependency_gets_one_line(monkeypatch, capsys):
    def lacking(folder):
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")

    assert with_parts(monkeypatch, lacking) == 1
    assert capsys.readouterr().err == (
        'demo: matplotlib is missing. Run: pip install ".[all,dev]".\n'
    )


def test_an_unknown_part_is_refused_with_the_ones_there_are(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["demo", "--only", "music"])
    with pytest.raises(SystemExit):
        demo.main()
    assert "choose from" in capsys.readouterr().err


def test_the_table_is_aligned():
    lines = table([Row("a", "b", "c", 1.0), Row("longer", "bb", "cc", 10.25)]).splitlines()
    assert lines[2].index("b") == lines[3].index("bb")
