"""What importing rlextras does, and says when it cannot."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import rlextras


def fresh(code):
    """Run code in a new interpreter that finds the packages where this one does."""
    script = f"import sys; sys.path[:] = {sys.path!r}\n{code}"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_the_version_is_that_of_the_distribution():
    assert rlextras.__version__ == version("mlextras")


def test_no_other_packages_host_is_imported():
    code = "import rlextras; sys.exit(bool({'sklearn', 'diffusers', 'skextras', 'genextras'} & "
    assert fresh(code + "set(sys.modules)))").returncode == 0


@pytest.mark.parametrize("missing", ["stable_baselines3", "torch", "gymnasium"])
def test_a_missing_dependency_is_named_with_its_cure(missing):
    done = fresh(
        f"""
sys.modules[{missing!r}] = None  # what Python keeps for a module that cannot be found
try:
    import rlextras
except ModuleNotFoundError as error:
    print(error.name, error, sep=chr(10))
"""
    )
    cure = f'rlextras: {missing} is not installed. Run: pip install "mlextras[rl]".'
    name, message = done.stdout.splitlines()
    assert name.partition(".")[0] == missing
    assert message == cure


def test_a_missing_module_of_our_own_is_not_blamed_on_the_user():
    done = fresh("sys.modules['rlextras.core.descent'] = None\nimport rlextras")
    assert "pip install" not in done.stderr
    assert "rlextras.core.descent" in done.stderr
