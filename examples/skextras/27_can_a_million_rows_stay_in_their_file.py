"""Can a million rows stay in their file? The Nyström solver reads them mapped, block by block.

Labels follow the product of two columns, which no linear model sees. Prints the held-out log loss
of a linear model and of ours, whose 300 centres leverage scores drew. Here that is 60,000 rows;
``python 27_... 1000000`` takes a million, and minutes, and more ``n_components`` lower the loss: up
to 256 MB the solver keeps the kernel of rows with centres, beyond it computes it in each pass.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from skextras import KernelLogisticRegression

N_ROWS, N_FEATURES, N_TEST, N_CENTRES = 60_000, 28, 5_000, 300


def main(n):
    """Fit both on the rows of a file."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "rows.npy")
        y = write(path, n + N_TEST)
        X = np.load(path, mmap_mode="r")
        models = {
            "linear": LogisticRegression(),
            "kernel": KernelLogisticRegression(
                C=10, gamma=0.02, solver="nystroem", n_components=N_CENTRES, random_state=0
            ),
        }
        losses = {}
        for name, model in models.items():
            losses[name] = log_loss(y[n:], model.fit(X[:n], y[:n]).predict_proba(X[n:]))
            print(f"{name}: log loss {losses[name]:.4f} after {n:,} rows")
        print(f"passes over the rows: {models['kernel'].n_iter_}")
    assert losses["kernel"] < losses["linear"] - 0.03


def write(path, n):
    """Put rows into a file, and give their labels."""
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n, N_FEATURES))
    y = np.empty(n, bool)
    for start in range(0, n, 10_000):
        block = slice(start, min(start + 10_000, n))
        X[block] = rng.normal(size=(block.stop - start, N_FEATURES))
        score = 2 * X[block, 0] * X[block, 1] + X[block, 2]
        y[block] = score > rng.logistic(size=len(score))
    X.flush()
    return y


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else N_ROWS)
