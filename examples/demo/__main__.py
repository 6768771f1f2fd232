"""Run the three parts and print one table: python -m examples.demo [--only part] [--out folder]."""

import argparse
import importlib
import shutil
import sys
import time
from pathlib import Path

from examples.demo.report import table

PARTS = ("tabular", "control", "images")


def main() -> int:
    """Run the demo; pictures and the table appear in the folder when all of it is done."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part (repeatable)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the pictures")
    options = parser.parse_args()
    partial = options.out.with_name(options.out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)  # of an interrupted run
    partial.mkdir(parents=True)
    start = time.perf_counter()
    try:
        rows = []
        for part in options.only or PARTS:
            rows += importlib.import_module(f"examples.demo.{part}").run(partial)
    except KeyboardInterrupt:
        print(f"\ndemo: interrupted; {options.out} is as it was. Run it again.", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        print(f'demo: {error.name} is missing. Run: pip install ".[all,dev]".', file=sys.stderr)
        return 1
    summary = table(rows)
    (partial / "summary.txt").write_text(summary + "\n", encoding="utf-8")
    shutil.rmtree(options.out, ignore_errors=True)
    partial.rename(options.out)
    print(f"\n{summary}\n")
    print(f"{time.perf_counter() - start:.0f} s; pictures: {options.out}/*.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
