"""Do map features help a linear model? A self-organising map before a classifier, in a Pipeline.

A linear model draws straight lines. The distances to the units of a map, turned into nearness, let
it draw bent ones. Prints the cross-validated accuracy on two spirals, without the map and with it.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skextras import SelfOrganizingMap


def spirals(n=1500):
    """Two arms, wound around one another."""
    random = np.random.default_rng(0)
    turn, y = 3 * np.pi * np.sqrt(random.random(n)), random.integers(0, 2, n)
    arm = turn + np.pi * y
    X = turn[:, None] * np.column_stack([np.cos(arm), np.sin(arm)])
    return X + 0.4 * random.standard_normal((n, 2)), y


def nearness(distances):
    """1 at a unit, and next to nothing a few units away."""
    return np.exp(-((distances / 0.25) ** 2))


def main():
    """Score both models on the same folds."""
    X, y = spirals()
    linear = LogisticRegression(C=10, max_iter=1000)
    som = SelfOrganizingMap((12, 12))
    models = {
        "linear": make_pipeline(StandardScaler(), linear),
        "map, then linear": make_pipeline(
            StandardScaler(), som, FunctionTransformer(nearness), linear
        ),
    }
    scores = {name: cross_val_score(model, X, y).mean() for name, model in models.items()}
    for name, score in scores.items():
        print(f"{name:18s} accuracy {score:.3f}")
    assert scores["map, then linear"] > scores["linear"] + 0.2


if __name__ == "__main__":
    main()
