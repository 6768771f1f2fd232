"""Which features moved this prediction? Exact SHAP values that add up to it, and a picture of them.

Each row's values share out its score among the features, beginning at the mean. Over all rows their
sizes rank the features; with their signs they show which way each one works. Prints the five that
move most and the largest gap between sums and scores; draws pictures if a path is given: all
held-out rows, and the way of the first to its prediction.
"""

import sys

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from skextras import GradientBoostingClassifier
from skextras.inspection import ShapDisplay

N_SHOWN = 5


def draw(path, model, X):
    """A dot for each row and feature; beside it, one row's way to its prediction."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 4), layout="constrained")
    display = ShapDisplay.from_estimator(model, X, max_features=2 * N_SHOWN, ax=left)
    display.plot(right, kind="row", row=0, max_features=2 * N_SHOWN)
    figure.savefig(path)


def main():
    """Explain held-out rows."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X, X_test, y, _ = train_test_split(X, y, stratify=y, random_state=0)
    model = GradientBoostingClassifier(max_iter=50, random_state=0).fit(X, y)
    values = model.shap_values(X_test)  # (n, n_features)
    gap = np.abs(values.sum(1) + model.shap_expected_value() - model.decision_function(X_test))
    sizes = np.abs(values).mean(0)
    for number in np.argsort(-sizes)[:N_SHOWN]:
        print(f"{X.columns[number]:22s} moves the log odds by {sizes[number]:.2f}")
    print(f"sums and scores differ by at most {gap.max():.1e}")
    if len(sys.argv) > 1:
        draw(sys.argv[1], model, X_test)
    assert gap.max() < 1e-6


if __name__ == "__main__":
    main()
