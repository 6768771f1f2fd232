"""Long runs, one row of a CSV file each: a program that is stopped goes on where it stood."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Records:
    """Finished runs.

    Parameters
    ----------
    path : Path
        The file.
    n_keys : int
        How many of the first columns say which run a row is.
    """

    def __init__(self, path: Path, n_keys: int) -> None:
        self._path, self._n_keys = path, n_keys

    def rows(self) -> dict[tuple[str, ...], dict[str, str]]:
        """Rows by what says which run they are."""
        if not self._path.exists():
            return {}
        with self._path.open(encoding="utf-8", newline="") as file:
            return {tuple(row.values())[: self._n_keys]: row for row in csv.DictReader(file)}

    def note(self, row: Mapping[str, Any]) -> None:
        """Append a finished run."""
        is_new = not self._path.exists()
        with self._path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)
