"""Does a forest swap in? One import changed: seconds, accuracy out of the bag, bytes of a pickle.

The same words for scikit-learn's random forest and ours, on rows of a sum of products with noise.
Ours counts rows in bins where theirs sorts them. Prints a line for each.
"""

import pickle
import time

import numpy as np
from sklearn.ensemble import RandomForestClassifier as Theirs

from skextras import RandomForestClassifier as Ours

N, N_FEATURES, N_TREES = 10_000, 20, 30


def rows():
    """Twenty numbers, six of which count, in pairs."""
    random = np.random.default_rng(0)
    X = random.standard_normal((N, N_FEATURES))
    odds = 2 * X[:, 0] * X[:, 1] + X[:, 2] * X[:, 3] + X[:, 4] + X[:, 5] ** 2 - 1
    return X, (odds + random.logistic(size=N) > 0).astype(int)


def main():
    """Fit both, and tell what they are."""
    X, y = rows()
    Ours(n_estimators=2).fit(X, y)  # compiles once
    scores = {}
    for name, forest in (("scikit-learn", Theirs), ("skextras", Ours)):
        start = time.perf_counter()
        model = forest(n_estimators=N_TREES, oob_score=True, random_state=0).fit(X, y)
        seconds = time.perf_counter() - start
        megabytes = len(pickle.dumps(model)) / 1e6
        scores[name] = model.oob_score_
        print(f"{name}: {seconds:.2f} s, {model.oob_score_:.1%} out of the bag, {megabytes:.1f} MB")
    assert abs(scores["skextras"] - scores["scikit-learn"]) < 0.02


if __name__ == "__main__":
    main()
