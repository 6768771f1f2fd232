"""Run the hosts' own tests on our classes: python -m tests.upstream [--quick] [--only suite]."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.upstream.deselected import FILES, TESTS
from tests.upstream.suites import SUITES, Suite

ROOT = Path(__file__).parents[2]
STORE = ROOT / ".upstream"


@dataclass(frozen=True)
class Outcome:
    """What a run of one suite left: pytest's exit status and the merged counts of its processes."""

    suite: Suite
    status: int
    counts: Counter

    def faults(self, *, quick: bool) -> list[str]:
        """One line for each reason why this run does not count as passed."""
        lines = [] if self.status == 0 else [f"pytest ended with status {self.status}"]
        for host in self.suite.substitutes:
            if self.counts[f"genuine {host}"] or not self.counts[f"ours {host}"]:
                lines.append(f"{host} was not replaced: {self.constructions(host)}")
        if not quick:
            stale = [entry for entry in deselected(self.suite) if not self.counts[f"out {entry}"]]
            lines += [f"deselected.py names a test that is not there: {entry}" for entry in stale]
            lines += [f"neither run nor listed: {file}" for file in unlisted_files(self.suite)]
        return lines

    def constructions(self, host: str) -> str:
        """How often the class of the host and ours were constructed."""
        ours, genuine = self.counts[f"ours {host}"], self.counts[f"genuine {host}"]
        return f"{host.split(':')[1]} {ours} ours, {genuine} genuine"

    def row(self) -> str:
        """A line of the closing table."""
        kinds = ("passed", "failed", "error", "skipped", "xfailed", "deselected")
        results = ", ".join(f"{self.counts[kind]} {kind}" for kind in kinds if self.counts[kind])
        built = "; ".join(self.constructions(host) for host in self.suite.substitutes)
        if not self.suite.files:
            return f"{self.suite.name:18s} nothing to run yet: deselected.py lists all its files"
        return f"{self.suite.name:18s} {results}  [constructed: {built}]"


def deselected(suite: Suite) -> list[str]:
    """Beginnings of the node ids that are left out of a suite."""
    pairs = (entry.split(": ", 1) for entry in TESTS)
    return [node for name, node in pairs if name == suite.name]


def unlisted_files(suite: Suite) -> list[str]:
    """Test files of a source distribution that are neither run nor left out with a reason."""
    if not suite.distribution:
        return []  # the installed wheel holds the tests of everything else, too
    found = {f"tests/{path.name}" for path in folder_of_tests(suite).glob("tests/test_*.py")}
    left_out = {entry.split(": ", 1)[1] for entry in FILES if entry.startswith(f"{suite.name}: ")}
    return sorted(found - set(suite.files) - left_out)


def folder_of_tests(suite: Suite) -> Path:
    """Where a suite's files are; a source distribution is fetched once, tests only."""
    if not suite.distribution:
        spec = importlib.util.find_spec(suite.name)
        return Path(spec.origin).parents[1]
    release = version(suite.distribution)
    folder = STORE / f"{suite.name}-{release}"
    if not folder.exists():
        unpack_tests(f"{suite.distribution}=={release}", folder)
    return folder


def unpack_tests(requirement: str, folder: Path) -> None:
    """Fetch a source distribution and unpack its ``tests``; the folder appears when it is whole."""
    STORE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=STORE) as scratch:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        download += ["--disable-pip-version-check", "--no-binary", ":all:", "--dest", scratch]
        subprocess.run([*download, requirement], check=True)
        [archive] = Path(scratch).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            members = [m for m in tar.getmembers() if m.name.split("/")[1:2] == ["tests"]]
            tar.extractall(Path(scratch) / "unpacked", members, filter="data")
        [top] = (Path(scratch) / "unpacked").iterdir()
        top.rename(folder)


def run(suite: Suite, *, quick: bool, workers: int) -> Outcome:
    """Run one suite in pytest processes of its own."""
    if not suite.files:
        return Outcome(suite, 0, Counter())
    folder = folder_of_tests(suite)
    files = suite.quick_files if quick else suite.files
    options = suite.quick_options if quick else ()
    with tempfile.TemporaryDirectory() as counts:
        env = os.environ | {
            "MLEXTRAS_SUBSTITUTES": json.dumps(suite.substitutes),
            "MLEXTRAS_DESELECTED": json.dumps(deselected(suite)),
            "MLEXTRAS_COUNTS": counts,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.upstream.substitution"]
        command += ["-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider"]
        command += ["-n", str(workers), "--disable-warnings", "--tb=short", *options]
        with tempfile.TemporaryDirectory() as scratch:  # some upstream tests write where they stand
            paths = [str(folder / file) for file in files]
            status = subprocess.run([*command, *paths], env=env, cwd=scratch).returncode
        merged = Counter()
        for path in Path(counts).glob("*.json"):
            merged.update(json.loads(path.read_text()))
    return Outcome(suite, status, merged)


def main() -> int:
    """Run the suites that were asked for; return the number of faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description=__doc__)
    parser.add_argument("--only", choices=SUITES, action="append", help="this suite (repeatable)")
    parser.add_argument("--quick", action="store_true", help="a subset of a few minutes")
    parser.add_argument("--workers", type=int, default=2, help="pytest processes (default: 2)")
    options = parser.parse_args()
    outcomes = []
    for name in options.only or SUITES:
        print(f"\n{name}: its own tests, with our classes in place of its own", flush=True)
        outcomes.append(run(SUITES[name], quick=options.quick, workers=options.workers))
    print()
    n_faults = 0
    for outcome in outcomes:
        faults = outcome.faults(quick=options.quick)
        n_faults += len(faults)
        print(outcome.row(), *(f"\n  FAULT: {fault}" for fault in faults), sep="")
    return min(n_faults, 1)


if __name__ == "__main__":
    sys.exit(main())
