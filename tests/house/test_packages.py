"""The three packages stand alone: extras, versions, one line when a dependency is missing."""

import subprocess
import sys
import tomllib
from importlib.metadata import metadata, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOSTS = {
    "skextras": ("sk", {"sklearn", "scipy"}),
    "rlextras": ("rl", {"torch", "gymnasium", "stable_baselines3"}),
    "genextras": ("gen", {"torch", "diffusers"}),
}
FOREIGN = {
    "skextras": {"torch", "gymnasium", "stable_baselines3", "diffusers", "rlextras", "genextras"},
    "rlextras": {"sklearn", "diffusers", "skextras", "genextras"},
    "genextras": {"sklearn", "gymnasium", "stable_baselines3", "skextras", "rlextras"},
}
BLOCKED_IMPORT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import {package}
"""


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("package", FOREIGN)
def test_importing_one_package_imports_no_other_host(package):
    done = run_python(f"import sys, {package}; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert FOREIGN[package].isdisjoint(done.stdout.split())


@pytest.mark.parametrize(
    ("package", "absent"), [(p, host) for p, (_, hosts) in HOSTS.items() for host in sorted(hosts)]
)
def test_a_missing_dependency_gives_one_line_that_names_the_extra(package, absent):
    done = run_python(BLOCKED_IMPORT.format(package=package, absent=absent))
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ModuleNotFoundError: {package}: {absent}")
    assert f'pip install "mlextras[{HOSTS[package][0]}]"' in last


def test_without_arrow_all_but_the_reading_of_tables_works():
    code = BLOCKED_IMPORT.format(package="skextras", absent="pyarrow")
    assert run_python(f"{code}\nskextras.MRMRSelector()").returncode == 0
    done = run_python(f"{code}\nfrom skextras.features import FeatureColumns")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: skextras.features.FeatureColumns: pyarrow is not")
    assert 'pip install "mlextras[features]"' in last


@pytest.mark.parametrize("package", HOSTS)
def test_versions_come_from_one_place(package):
    module = __import__(package)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert module.__version__ == version("mlextras") == declared


def test_the_sk_extra_pulls_no_torch():
    wanted = metadata("mlextras").get_all("Requires-Dist")
    for extra, banned in [
        ("sk", {"torch", "gymnasium", "stable-baselines3", "diffusers"}),
        ("rl", {"diffusers", "scikit-learn"}),
        ("gen", {"gymnasium", "stable-baselines3", "scikit-learn"}),
    ]:
        lines = [line for line in wanted if f'extra == "{extra}"' in line]
        assert lines
        assert not [line for line in lines if line.split(">")[0].strip() in banned]
    assert not [line for line in wanted if "extra ==" not in line]  # nothing comes unasked


def test_every_dependency_is_pinned_for_ci():
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in constraints()}
    wanted = metadata("mlextras").get_all("Requires-Dist")
    names = {line.split(">")[0].split("[")[0].strip().lower() for line in wanted}
    assert names - {"mlextras"} <= pinned
    assert "torch==2.13.0" in constraints()


def constraints():
    return (ROOT / "constraints.txt").read_text().split()
