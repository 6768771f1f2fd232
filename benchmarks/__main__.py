"""Run the contests and write RESULTS.md: ``python -m benchmarks [--only family]``."""

import argparse
import importlib
import platform
import re
import sys
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from itertools import groupby
from os import cpu_count
from pathlib import Path

from llvmlite.binding import get_host_cpu_name

from benchmarks.harness import growth, hold

RESULTS = Path(__file__).with_name("RESULTS.md")
FAMILIES = (
    "boosting",
    "boosting_threads",
    "boosting_tables",
    "boosting_refinement",
    "boosting_scale",
    "adaboost",
    "forest",
    "forest_modes",
    "forest_sizes",
    "tree_prediction",
    "tree_shap",
    "kernel",
    "kernel_million",
    "target_mean",
    "som",
    "mixture",
    "mixture_scale",
    "mixture_families",
    "tfrecord",
    "ppo",
    "learning",
    "trpo",
    "grpo",
    "grpo_tokens",
    "grpo_tasks",
    "ddpg",
    "ddpg_learning",
    "vec_env",
    "schedulers",
    "scheduler_quality",
    "features",
    "training",
    "training_quality",
    "denoisers",
    "reference_scores",
)
HOURS = ("reference_scores", "grpo_tasks", "kernel_million")  # run where asked for by name alone
PEERS = (
    "scikit-learn",
    "lightgbm",
    "xgboost",
    "catboost",
    "chimeraboost",
    "scikit-learn-intelex",
    "shap",
    "hmmlearn",
    "pomegranate",
    "fastersom",
    "minisom",
    "numbasom",
    "xpysom",
    "stable-baselines3",
    "sb3-contrib",
    "skrub",
    "feature-engine",
    "diffusers",
    "accelerate",
    "torch",
    "numpy",
)
TITLE = """# Ours beside the peers

Written by `make bench`; do not edit. Seconds are medians, the ratio is the peer's seconds over ours
(above 1 we are faster), memory is the peak above what was held before the run.
"""
STOPPED = "*The run ended here: what follows in this family was not measured.*"


def parts(family: str) -> Iterator[tuple[str, bool]]:
    """Run one family; yield each table as it is finished, and whether its contest was fair."""
    module = importlib.import_module(f"benchmarks.{family}")
    yield f"## {family}\n\n{module.__doc__.strip()}\n\n{machine()}", True
    if hasattr(module, "tables"):
        for table in module.tables():
            yield table.markdown, table.is_fair
        return
    for _, contests in groupby(module.contests(), key=lambda contest: contest.task):
        reports = []
        for contest in contests:
            reports.append(hold(contest))
            yield reports[-1].markdown(), reports[-1].is_fair
        if len(reports) > 1:
            yield growth(reports), True


def machine() -> str:
    """Where and with what the figures were measured."""
    releases = ", ".join(f"{name} {version(name)}" for name in PEERS)
    cores = f"{cpu_count()} cores of {get_host_cpu_name()} ({platform.machine()})"
    return f"{date.today()}, {cores}, Python {platform.python_version()}, {releases}."


def write(sections: dict[str, str]) -> None:
    """Put the sections into RESULTS.md, in the order of the families."""
    body = "\n".join(sections[name].rstrip() + "\n" for name in FAMILIES if name in sections)
    RESULTS.write_text(f"{TITLE}\n{body}", encoding="utf-8")


def main() -> int:
    """Run the families that were asked for, keep the results of the others."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=FAMILIES, action="append", help="this one (repeatable)")
    asked = parser.parse_args().only or [name for name in FAMILIES if name not in HOURS]
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    sections = {
        part.split("\n")[0][3:]: part for part in re.findall(r"(?ms)^## .*?(?=^## |\Z)", old)
    }
    all_fair = True
    for family in asked:
        done = []
        for part, is_fair in parts(family):
            print(f"\n{part}", flush=True)
            done.append(part)
            all_fair &= is_fair
            if len(done) > 1:  # a run that is stopped keeps what it has finished
                write(sections | {family: "\n\n".join([*done, STOPPED])})
        sections[family] = "\n\n".join(done)
        write(sections)
    return 0 if all_fair else 1


if __name__ == "__main__":
    sys.exit(main())
