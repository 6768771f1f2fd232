"""Which features moved this prediction? Exact SHAP values that add up to it, and a picture of them.

Each row's values share out its score among the features, beginning at the mean. Over all rows their
sizes rank the features; with their signs they show which way each one works. Prints the five that
move most and the largest gap between sums and scores; draws a picture if a path is given.
"""

import sys

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from skextras import GradientBoostingClassifier

N_SHOWN = 5


def draw(path, names, values, X):
    """A dot a row: across, what the feature did to the score; in colour, how great it was."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    random = np.random.default_rng(0)
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for place, name in enumerate(names):
        height = place + random.uniform(-0.3, 0.3, len(X))
        rank = X[name].rank(pct=True)
        dots = axes.scatter(values[:, place], height, 9, rank, cmap="coolwarm")
    axes.set(xlabel="change of the log odds that it is benign", title="Held-out tumours")
    axes.set_yticks(range(len(names)), names)
    axes.axvline(0, color="grey", linewidth=0.5)
    figure.colorbar(dots, label="rank of the feature's value")
    figure.savefig(path)


def main():
    """Explain held-out rows."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X, X_test, y, _ = train_test_split(X, y, stratify=y, random_state=0)
    model = GradientBoostingClassifier(max_iter=50, random_state=0).fit(X, y)
    values = model.shap_values(X_test)  # (n, n_features)
    gap = np.abs(values.sum(1) + model.shap_expected_value() - model.decision_function(X_test))
    sizes = np.abs(values).mean(0)
    shown = np.argsort(sizes)[-N_SHOWN:]
    for number in shown[::-1]:
        print(f"{X.columns[number]:22s} moves the log odds by {sizes[number]:.2f}")
    print(f"sums and scores differ by at most {gap.max():.1e}")
    if len(sys.argv) > 1:
        draw(sys.argv[1], X.columns[shown], values[:, shown], X_test)
    assert gap.max() < 1e-6


if __name__ == "__main__":
    main()
