"""scikit-learn: a pipeline, cross-validated around a grid search, on the breast cancer table."""

import time
from pathlib import Path

from matplotlib.figure import Figure
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from examples.demo.report import Row, save_figure
from skextras import KernelLogisticRegression

C, GAMMA = [0.1, 1.0, 10.0, 100.0], [0.003, 0.01, 0.03]


def searches():
    """The same search with our estimator as its last step, and with what one would have taken."""
    calibrated = CalibratedClassifierCV(SVC(), ensemble=False)
    steps = {
        "skextras.KernelLogisticRegression": (KernelLogisticRegression(), "model__"),
        "sklearn CalibratedClassifierCV(SVC)": (calibrated, "model__estimator__"),
    }
    for name, (model, prefix) in steps.items():
        pipeline = Pipeline([("scale", StandardScaler()), ("model", model)])
        grid = {f"{prefix}C": C, f"{prefix}gamma": GAMMA}
        yield name, GridSearchCV(pipeline, grid, scoring="neg_log_loss", cv=5, verbose=1)


def run(folder: Path) -> list[Row]:
    """Cross-validate both searches; draw how far their probabilities can be trusted."""
    X, y = load_breast_cancer(return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    rows, figure = [], Figure(figsize=(5, 5))
    axes = figure.subplots()
    for name, search in searches():
        print(f"\n{name}: five folds around a grid search", flush=True)
        start = time.perf_counter()
        p = cross_val_predict(search, X, y, cv=folds, method="predict_proba")[:, 1]
        seconds = time.perf_counter() - start
        score = f"log loss {log_loss(y, p):.4f}, accuracy {accuracy_score(y, p > 0.5):.3f}"
        rows.append(Row("breast cancer, 569 x 30", name, score, seconds))
        CalibrationDisplay.from_predictions(y, p, n_bins=8, strategy="quantile", name=name, ax=axes)
    axes.set_title("Breast cancer: predicted against observed")
    save_figure(figure, folder / "tabular.png")
    return rows
