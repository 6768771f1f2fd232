"""What a part of the demo hands back, and the table at the end."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One line of the summary.

    Attributes
    ----------
    job : str
        What was done.
    who : str
        The class that did it.
    score : str
        How well, with its unit.
    seconds : float
        How long it took.
    """

    job: str
    who: str
    score: str
    seconds: float


def table(rows: list[Row]) -> str:
    """The summary as text, one line a row."""
    cells = [["job", "class", "score", "seconds"]]
    cells += [[row.job, row.who, row.score, f"{row.seconds:.1f}"] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in cells
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 6), *lines[1:]])


def save_figure(figure, path: Path) -> None:
    """Write a picture and let go of it."""
    figure.savefig(path, dpi=120, bbox_inches="tight")
