"""Can a kernel model take fifty thousand rows? Nyström centres instead of a matrix of 20 GB.

The exact kernel matrix of 50,000 rows does not fit a laptop. A thousand centres keep the decision
function in the span of a thousand kernel functions, and the solver never forms more than that.
Prints the held-out log loss and the seconds of a linear model and of ours.
"""

import time

from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from skextras import KernelLogisticRegression

N, N_TEST = 50_000, 5_000


def main():
    """Fit both on the same rows and compare."""
    X, y = make_classification(
        N + N_TEST, 20, n_informative=10, flip_y=0.1, class_sep=0.5, random_state=0
    )
    models = {
        "LogisticRegression": LogisticRegression(),
        "KernelLogisticRegression": KernelLogisticRegression(
            C=10, gamma=0.02, solver="nystroem", n_components=1000, random_state=0
        ),
    }
    losses = []
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(X[:N], y[:N])
        losses.append(log_loss(y[N:], model.predict_proba(X[N:])))
        seconds = time.perf_counter() - start
        print(f"{name:25s} log loss {losses[-1]:.3f}  {seconds:4.1f} s")
    print(f"the linear model loses {losses[0] / losses[1]:.2f} times as much")
    assert losses[1] < 0.7 * losses[0]


if __name__ == "__main__":
    main()
