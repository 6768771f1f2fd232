"""Run the contests and write RESULTS.md: ``python -m benchmarks [--only family]``."""

import argparse
import importlib
import platform
import re
import sys
from datetime import date
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

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
    "forest_sizes",
    "tree_prediction",
    "tree_shap",
    "kernel",
    "som",
    "mixture",
    "mixture_families",
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
    "denoisers",
    "reference_scores",
)
HOURS = ("reference_scores", "grpo_tasks")  # run where asked for by name alone
PEERS = (
    "scikit-learn",
    "lightgbm",
    "xgboost",
    "catboost",
    "chimeraboost",
    "scikit-learn-intelex",
    "shap",
    "fastersom",
    "minisom",
    "numbasom",
    "xpysom",
    "stable-baselines3",
    "sb3-contrib",
    "diffusers",
    "torch",
    "numpy",
)
TITLE = """# Ours beside the peers

Written by `make bench`; do not edit. Seconds are medians, the ratio is the peer's seconds over ours
(above 1 we are faster), memory is the peak above what was held before the run.
"""


def section(family: str) -> tuple[str, bool]:
    """Run one family; return its part of RESULTS.md and whether all contests were fair."""
    module = importlib.import_module(f"benchmarks.{family}")
    parts, fair = [f"## {family}\n\n{module.__doc__.strip()}\n\n{machine()}"], True
    if hasattr(module, "tables"):
        for table in module.tables():
            parts.append(table.markdown)
            print(f"\n{table.markdown}", flush=True)
            fair &= table.is_fair
        return "\n\n".join(parts) + "\n", fair
    for _, contests in groupby(module.contests(), key=lambda contest: contest.task):
        reports = []
        for contest in contests:
            reports.append(hold(contest))
            print(f"\n{reports[-1].markdown()}", flush=True)
            fair &= reports[-1].is_fair
        parts += [report.markdown() for report in reports]
        if len(reports) > 1:
            parts.append(growth(reports))
    return "\n\n".join(parts) + "\n", fair


def machine() -> str:
    """Where and with what the figures were measured."""
    releases = ", ".join(f"{name} {version(name)}" for name in PEERS)
    return f"{date.today()}, {platform.machine()}, Python {platform.python_version()}, {releases}."


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
        sections[family], fair = section(family)
        all_fair &= fair
        body = "\n".join(sections[name].rstrip() + "\n" for name in FAMILIES if name in sections)
        RESULTS.write_text(f"{TITLE}\n{body}", encoding="utf-8")
    return 0 if all_fair else 1


if __name__ == "__main__":
    sys.exit(main())
