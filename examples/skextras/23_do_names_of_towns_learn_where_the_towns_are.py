"""Do names of towns learn where the towns are? They are told how long trips took, and no more.

Sixty towns on a map, thirty thousand trips between them. One table of vectors serves both ends of a
trip. Prints how much of the towns' places a linear map of the vectors tells; draws the map that the
vectors give over the true one, if a folder is named.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LinearRegression

from skextras.features import FeatureColumns, SharedEmbedding


def trips(n, n_towns, random):
    """Names of both ends, the squared hours between them, and where the towns are."""
    places = random.uniform(-1, 1, (n_towns, 2)) * [3, 2]
    names = np.array([f"town {k}" for k in range(n_towns)])
    start, end = random.integers(0, n_towns, (2, n))
    hours = np.linalg.norm(places[start] - places[end], axis=1) + random.normal(0, 0.3, n)
    where = dict(zip(names, places, strict=True))
    return {"start": names[start], "end": names[end]}, hours**2, where


def main(folder: Path | None):
    """Learn vectors, and look for the map in them."""
    table, squared_hours, places = trips(30_000, 60, np.random.default_rng(0))
    columns = FeatureColumns([SharedEmbedding(["start", "end"], dimension=4)])
    [fitted] = columns.fit(table, squared_hours).columns_
    true = np.array([places[name] for name in fitted.levels])
    model = LinearRegression().fit(fitted.vectors, true)
    told = model.score(fitted.vectors, true)
    print(f"loss of the first pass {fitted.learned['loss'][0]:.3f}, of the last", end=" ")
    print(f"{fitted.learned['loss'][-1]:.3f}; the vectors tell {told:.1%} of the towns' places")
    if folder is not None:
        draw(model.predict(fitted.vectors), true, fitted.levels, folder / "towns.png")
    assert told > 0.99


def draw(found, true, names, path):
    """A line from each town to where its vector puts it."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(layout="constrained")
    for here, there, name in zip(true, found, names, strict=True):
        ax.plot(*np.stack([here, there]).T, color="0.7", linewidth=1)
        ax.annotate(name.removeprefix("town "), there, fontsize=7, ha="center", va="center")
    ax.scatter(*true.T, s=12, label="where the town is")
    ax.set(aspect="equal", title="numbers: where its vector puts each town")
    figure.legend(loc="outside lower center")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
