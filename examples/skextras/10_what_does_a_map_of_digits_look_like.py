"""What does a map of handwritten digits look like? Hexagons, each with the digits that fell there.

The map sees pixels alone; the labels only colour it. Prints how many of the digits share their
unit's most frequent label, and writes two pictures: pies of the digits, and ridges between them.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from skextras import SelfOrganizingMap


def main(folder: Path | None):
    """Make the map, count, and draw if there is a folder to draw into."""
    X, y = load_digits(return_X_y=True)
    som = SelfOrganizingMap((14, 18), topology="hexagonal").fit(X)
    table = np.zeros((som.n_units_, 10))
    np.add.at(table, (som.labels_, y), 1)
    share = table.max(axis=1).sum() / len(y)
    print(f"digits that share the most frequent label of their unit: {share:.1%}")
    print(f"topographic error {som.topographic_error_:.1%}")
    print(f"trustworthiness {som.trustworthiness(X):.3f}")
    if folder is not None:
        draw(som, X, y, folder)
    assert share > 0.9


def draw(som, X, y, folder):
    """Two pictures of one map."""
    from skextras.inspection import SOMDisplay

    for kind in ("classes", "u_matrix"):
        display = SOMDisplay.from_estimator(som, X, y=y, kind=kind)
        display.figure_.savefig(folder / f"digits_{kind}.png", dpi=150)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
