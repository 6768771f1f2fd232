"""Does it swap in for an SVC with probabilities?

Held-out log loss of two moons by kernel logistic regression, by ten import vectors that carry the
same model, and by a support vector machine with a second stage. Then how sure the model is of its
probability where it saw rows and where it saw none; draws the import vectors into out/moons.png.
"""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from sklearn.datasets import make_moons
from sklearn.metrics import log_loss

from skextras import KernelLogisticRegression, KernelLogisticRegressionCV, ProbabilisticSVC
from skextras.inspection import KernelLogisticDisplay

X, y = make_moons(400, noise=0.25, random_state=0)
X_test, y_test = make_moons(2000, noise=0.25, random_state=1)
models = {
    "kernel logistic, C by leave-one-out": KernelLogisticRegressionCV(Cs=10),
    "ten import vectors": KernelLogisticRegression(C=10, solver="ivm", n_components=10),
    "SVC in two stages": ProbabilisticSVC(C=10),
}
losses = {}
for name, model in models.items():
    losses[name] = log_loss(y_test, model.fit(X, y).predict_proba(X_test))
    print(f"{name:36} {losses[name]:.3f}")

chosen, few, _ = models.values()
_, std = chosen.predict_proba(np.array([[0.0, 1.0], [0.5, 0.25], [3.0, 3.0]]), return_std=True)
print("deviation within a moon, between the two, far away:", std[:, 1].round(3))
Path("out").mkdir(exist_ok=True)
display = KernelLogisticDisplay.from_estimator(few, X, y)
display.figure_.savefig("out/moons.png")
assert losses["kernel logistic, C by leave-one-out"] < 1.02 * losses["SVC in two stages"]
assert std[0, 1] < std[1, 1]
