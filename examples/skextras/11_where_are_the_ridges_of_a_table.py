"""Where are the ridges of a table? The U-matrix of wines, against the growers who made them.

Thirteen chemical measurements of 178 wines. Units that lie along a ridge of the U-matrix part the
wines; nobody tells the map which grower is which. Prints the heights of units whose wines are of
one grower, and of those that lie between; writes the picture if a folder is given.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from skextras import SelfOrganizingMap


def main(folder: Path | None):
    """Compare the U-matrix inside of the growers' regions and between them."""
    X, y = load_wine(return_X_y=True, as_frame=True)
    X = StandardScaler().set_output(transform="pandas").fit_transform(X)
    som = SelfOrganizingMap((9, 12), topology="hexagonal", radius=(3, 1)).fit(X)
    nearest = som.transform(X).argmin(axis=0)  # the wine that is nearest to each unit
    grower, grid = y.to_numpy()[nearest], som._fitted_grid
    first, second = grid.edges.T
    is_border = np.zeros(som.n_units_, bool)
    is_border[grid.edges[grower[first] != grower[second]].ravel()] = True
    heights = som.u_matrix().ravel()
    inside, between = heights[~is_border].mean(), heights[is_border].mean()
    print(f"mean height inside of a grower's region {inside:.2f}, between two {between:.2f}")
    if folder is not None:
        from skextras.inspection import SOMDisplay

        for kind, options in {"u_matrix": {}, "component": {"feature": "proline"}}.items():
            display = SOMDisplay.from_estimator(som, kind=kind, **options)
            display.figure_.savefig(folder / f"wine_{kind}.png", dpi=150)
    assert between > inside


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
