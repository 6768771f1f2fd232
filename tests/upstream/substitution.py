"""pytest plugin: put our classes in place of the host's before its tests are imported, and count.

The environment tells it what to do, since pytest-xdist starts workers of its own:
``MLEXTRAS_SUBSTITUTES`` holds JSON, {"host.module:Class": "our.module:Class"};
``MLEXTRAS_DESELECTED`` is a JSON list of node ids, of cases or of whole tests;
``MLEXTRAS_COUNTS`` is a folder in which each process leaves what it counted: constructions of the
genuine class and of ours, tests left out, results.
"""

import functools
import importlib
import json
import os
import sys
from collections import Counter
from pathlib import Path

counts = Counter()
RESULTS = ("passed", "failed", "error", "skipped", "xfailed")


def load(path):
    """The class at "module:name"."""
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


def count_constructions(cls, label):
    """Count the objects made of a class itself, or of a subclass that a test derives from it."""
    original = cls.__init__

    @functools.wraps(original)
    def counting(self, *args, **kwargs):
        counts[label] += 1
        original(self, *args, **kwargs)

    cls.__init__ = counting


def substitute(genuine, ours):
    """Rebind every module attribute that is the genuine class."""
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is genuine:
                setattr(module, name, ours)


def pytest_configure():
    for host, own in json.loads(os.environ["MLEXTRAS_SUBSTITUTES"]).items():
        genuine, ours = load(host), load(own)
        count_constructions(genuine, f"genuine {host}")
        count_constructions(ours, f"ours {host}")
        substitute(genuine, ours)


def pytest_collection_modifyitems(config, items):
    listed = set(json.loads(os.environ["MLEXTRAS_DESELECTED"]))
    out = []
    for item in items:
        entry = item.nodeid if item.nodeid in listed else item.nodeid.partition("[")[0]
        if entry in listed:
            out.append(item)
            counts[f"out {entry}"] += is_first_process()
            counts["deselected"] += is_first_process()
    items[:] = [item for item in items if item not in set(out)]
    config.hook.pytest_deselected(items=out)


def pytest_terminal_summary(terminalreporter):
    if "PYTEST_XDIST_WORKER" not in os.environ:  # the process that gathers what workers report
        for result in RESULTS:
            counts[result] = len(terminalreporter.stats.get(result, []))


def pytest_unconfigure():
    folder = Path(os.environ["MLEXTRAS_COUNTS"])
    (folder / f"{os.getpid()}.json").write_text(json.dumps(counts))


def is_first_process():
    """Whether this is the one process, or the first of several that collect the same tests."""
    return os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
