"""Kernel logistic regression, rbf kernel, exact solution.

The peers give probabilities by other means: a Gaussian-process classifier with the same kernel of
amplitude C held fixed, and a support vector machine with a calibrated score. Each has the best C of
1, 10 and 100. Quality is the log loss on held-out rows.
"""

from collections.abc import Iterator
from functools import partial

from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.metrics import log_loss
from sklearn.svm import SVC

from benchmarks.harness import Contest, Contestant
from skextras import KernelLogisticRegression

N_FEATURES, N_HELD_OUT = 20, 2000
GAMMA, C = 0.02, 10.0


def contests() -> Iterator[Contest]:
    """Binary problems of growing size."""
    for n in (500, 1000, 2000):
        yield exact(n)


def exact(n: int) -> Contest:
    """One size: fit on n rows and predict the held-out ones."""
    X, y = make_classification(
        n + N_HELD_OUT, N_FEATURES, n_informative=10, flip_y=0.1, class_sep=0.5, random_state=0
    )
    kernel = ConstantKernel(C, "fixed") * RBF((0.5 / GAMMA) ** 0.5, "fixed")
    models = {
        "skextras KernelLogisticRegression": KernelLogisticRegression(C, gamma=GAMMA),
        "sklearn GaussianProcessClassifier": GaussianProcessClassifier(kernel, optimizer=None),
        "sklearn CalibratedClassifierCV(SVC)": CalibratedClassifierCV(
            SVC(C=1.0, gamma=GAMMA), ensemble=False
        ),
    }

    def fit_predict(model):
        return model.fit(X[:n], y[:n]).predict_proba(X[n:])

    return Contest(
        task="fit, then predict 2000 rows",
        size=n,
        quality_name="log loss",
        tolerance=0.01,
        contestants=[
            Contestant(name=name, run=partial(fit_predict, model), quality=partial(log_loss, y[n:]))
            for name, model in models.items()
        ],
    )
