"""Kernel logistic regression, rbf kernel. Quality is the log loss on held-out rows.

Exact: the peers give probabilities by other means, a Gaussian-process classifier with the same
kernel of amplitude C held fixed, and a support vector machine with a calibrated score: by its own
``probability=True``, which scikit-learn deprecates, or by what is to replace that. Each has the
best C of 1, 10 and 100. On 1000 centres: the peer is the same model, scikit-learn's Nyström
features with its logistic regression at the same C. Choosing C: rows left out by one fit a value,
beside brute force, which is five folds of fits from nothing by the textbook's Newton method, by
scikit-learn's Gaussian-process classifier and by ours.
"""

import warnings
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from benchmarks.harness import Contest, Contestant
from benchmarks.kernel_plain import PlainKernelLogistic
from skextras import KernelLogisticRegression, KernelLogisticRegressionCV

N_FEATURES, N_HELD_OUT = 20, 2000
GAMMA, C = 0.02, 10.0
TEXTBOOK = "5 folds, 150 Newton fits of the textbook"
PROCESS = "5 folds, 150 fits of sklearn GaussianProcessClassifier"


def contests() -> Iterator[Contest]:
    """Binary problems of growing size."""
    for n in (500, 1000, 2000, 10_000):
        yield exact(n)
    yield few_vectors(2000)
    for n in (20_000, 50_000):
        yield approximate(n)
    yield prediction(100_000)
    for n in (300, 600, 1500):
        yield choice(n)


def exact(n: int) -> Contest:
    """Fit on n rows, all of them kernel functions."""
    kernel = ConstantKernel(C, "fixed") * RBF((0.5 / GAMMA) ** 0.5, "fixed")
    models = {
        "skextras KernelLogisticRegression": KernelLogisticRegression(
            C, gamma=GAMMA, solver="exact"
        ),
        "sklearn SVC(probability=True)": SVC(C=1.0, gamma=GAMMA, probability=True, random_state=0),
        "sklearn CalibratedClassifierCV(SVC)": CalibratedClassifierCV(
            SVC(C=1.0, gamma=GAMMA), ensemble=False
        ),
    }
    if n <= 2000:  # it takes matrices of n² by the half dozen
        models["sklearn GaussianProcessClassifier"] = GaussianProcessClassifier(
            kernel, optimizer=None
        )
    return contest("exact: fit, then predict 2000 rows", n, models, 0.01)


def few_vectors(n: int) -> Contest:
    """Two hundred import vectors beside all rows, and beside the margin's own choice."""
    limited = {"solver": "ivm", "n_components": 200, "random_state": 0}
    models = {
        "skextras KernelLogisticRegression, 200 vectors": KernelLogisticRegression(
            C, gamma=GAMMA, **limited
        ),
        "skextras KernelLogisticRegression, all rows": KernelLogisticRegression(
            C, gamma=GAMMA, solver="exact"
        ),
        "sklearn CalibratedClassifierCV(SVC), more than half": CalibratedClassifierCV(
            SVC(C=1.0, gamma=GAMMA), ensemble=False
        ),
    }
    return contest("import vectors: fit, then predict 2000 rows", n, models, 0.02)


def approximate(n: int) -> Contest:
    """Fit on n rows with a thousand centres."""
    models = centred_models()
    return contest("1000 centres: fit, then predict 2000 rows", n, models, 0.003)


def centred_models() -> dict:
    """Ours and the peer's."""
    m = {"n_components": 1000, "random_state": 0}
    features = Nystroem(gamma=GAMMA, **m)
    return {
        "skextras KernelLogisticRegression": KernelLogisticRegression(
            C, gamma=GAMMA, solver="nystroem", **m
        ),
        "sklearn Nystroem + LogisticRegression": make_pipeline(
            features, LogisticRegression(C=C, max_iter=1000)
        ),
    }


def prediction(n: int) -> Contest:
    """Predict n rows with a thousand centres, fitted on 5000."""
    models = centred_models()
    X, y = rows_and_labels(5000 + n)
    for model in models.values():
        model.fit(X[n:], y[n:])
    return Contest(
        task="1000 centres: predict",
        size=n,
        quality_name="log loss",
        tolerance=0.003,
        contestants=[
            Contestant(
                name=name, run=partial(model.predict_proba, X[:n]), quality=partial(log_loss, y[:n])
            )
            for name, model in models.items()
        ],
    )


def choice(n: int) -> Contest:
    """Choose among 30 values of C; the searches over many rows go once."""
    Cs = np.logspace(-2, 3, 30)
    folds = {"cv": 5, "scoring": "neg_log_loss"}
    of_C = {"C": Cs}
    rbf = RBF((0.5 / GAMMA) ** 0.5, "fixed")
    kernels = {"kernel": [ConstantKernel(C, "fixed") * rbf for C in Cs]}
    searches = {
        TEXTBOOK: GridSearchCV(PlainKernelLogistic(gamma=GAMMA), of_C, **folds),
        PROCESS: GridSearchCV(GaussianProcessClassifier(optimizer=None), kernels, **folds),
        "5 folds, 150 fits of ours": GridSearchCV(
            KernelLogisticRegression(gamma=GAMMA), of_C, **folds
        ),
    }
    models = {
        "skextras KernelLogisticRegressionCV": KernelLogisticRegressionCV(Cs, gamma=GAMMA),
        **searches,
        "skextras KernelLogisticRegressionCV(cv=5)": KernelLogisticRegressionCV(
            Cs, gamma=GAMMA, cv=5
        ),
    }
    once = list(models)[1:] if n > 500 else ()
    return contest("choose one of 30 C, then predict 2000 rows", n, models, 0.01, once=once)


def contest(
    task: str, n: int, models: dict, tolerance: float, *, once: Sequence[str] = ()
) -> Contest:
    """The same rows for all models, of which some run once."""
    X, y = rows_and_labels(n + N_HELD_OUT)

    def fit_predict(model):
        with warnings.catch_warnings():
            # scikit-learn 1.9 deprecates what people still use, which is why it is compared with.
            warnings.filterwarnings("ignore", "The `probability` parameter", FutureWarning)
            return model.fit(X[:n], y[:n]).predict_proba(X[n:])

    return Contest(
        task=task,
        size=n,
        quality_name="log loss",
        tolerance=tolerance,
        contestants=[
            Contestant(
                name=name,
                run=partial(fit_predict, model),
                quality=partial(log_loss, y[n:]),
                rounds=1 if name in once else None,
            )
            for name, model in models.items()
        ],
    )


def rows_and_labels(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A binary problem with a tenth of the labels drawn at random."""
    return make_classification(
        n, N_FEATURES, n_informative=10, flip_y=0.1, class_sep=0.5, random_state=0
    )
