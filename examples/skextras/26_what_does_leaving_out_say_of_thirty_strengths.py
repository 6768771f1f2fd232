"""What does leaving rows out say of thirty values of C, and how far is that from refits?

One fit a value, at as few values as the curve needs, tells the log probability of each label whose
row is left out. Prints how far that is from as many refits as there are rows, at the best C and
at both ends of the path, and draws the path into out/leave_one_out.png.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import make_moons
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from skextras import KernelLogisticRegression, KernelLogisticRegressionCV

mpl.use("Agg")
CS, GAMMA = np.logspace(-2, 3, 30), 2.0


def main():
    """Follow the path, refit at three places, draw."""
    X, y = make_moons(120, noise=0.3, random_state=0)
    path = KernelLogisticRegressionCV(CS, gamma=GAMMA).fit(X, y)
    print(f"C = {path.C_:.3g} of {len(CS)}, log probability {path.best_score_:.4f}")
    places = [0, int(np.argmax(path.scores_[0])), len(CS) - 1]
    refits = [mean_without(X, y, CS[place]) for place in places]
    errors = np.abs(path.scores_[0, places] - refits)
    for place, refit, error in zip(places, refits, errors, strict=True):
        print(f"C = {CS[place]:8.3g}: refits say {refit:.4f}, the path is off by {error:.1e}")
    draw(path, CS[places], refits)
    assert errors.max() < 1e-3


def mean_without(X, y, C):
    """Mean log probability of each label from the fit without its row."""
    model = KernelLogisticRegression(C, gamma=GAMMA)
    scores = cross_val_predict(model, X, y, cv=LeaveOneOut(), method="decision_function")
    return -np.logaddexp(0, np.where(y == 1, -scores, scores)).mean()


def draw(path, Cs, refits):
    """The path and the refits on it."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.semilogx(path.Cs_, path.scores_[0], marker=".", label="fits with all rows")
    axes.semilogx(Cs, refits, "o", markersize=9, fillstyle="none", label="refits without each row")
    axes.axvline(path.C_, color="0.6", linestyle=":", label="chosen C")
    axes.set(xlabel="C", ylabel="mean log probability, row left out")
    axes.legend()
    Path("out").mkdir(exist_ok=True)
    figure.savefig("out/leave_one_out.png", dpi=120)


if __name__ == "__main__":
    main()
