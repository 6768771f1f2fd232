"""Why does AdaBoost go on getting better when its training error is 0 already? Look at the margins.

The margin of a row is the share of all say that votes for its class, less that of the best other.
Rounds beyond the last training error push the smallest margins up, and held-out errors go on
falling (Schapire, Freund, Bartlett and Lee 1998). Prints the rounds until no training row is wrong,
held-out errors and smallest margins there and at the end; draws both curves if a path is given.
"""

import sys

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from skextras import AdaBoostClassifier
from skextras.inspection import MarginDisplay

N_ROUNDS = 300


def draw(path, model, X, y, n_first):
    """Margins of the training rows when the first round has them all right, and at the end."""
    mpl.use("Agg")
    MarginDisplay.from_estimator(model, X, y, rounds=(n_first, N_ROUNDS)).figure_.savefig(path)


def main():
    """Even digits or odd ones, by trees of depth 3."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y % 2, test_size=0.5, random_state=0)
    tree = DecisionTreeClassifier(max_depth=3)
    model = AdaBoostClassifier(tree, n_estimators=N_ROUNDS, random_state=0).fit(X, y)
    errors = 1 - np.array(list(model.staged_score(X, y)))
    n_first = int(np.argmax(errors == 0)) + 1
    test_errors = 1 - np.array(list(model.staged_score(X_test, y_test)))
    margins = list(model.staged_margin_distribution(X, y))
    print(f"no training row is wrong after {n_first} rounds; the bound of theory says at most")
    print(f"{model.training_error_bound_[n_first - 1]:.3f} of them there\n")
    print("rounds  held-out error  smallest training margin")
    for number in (n_first, N_ROUNDS):
        error, least = test_errors[number - 1], margins[number - 1].min()
        print(f"{number:6d}  {error:14.4f}  {least:24.3f}")
    if len(sys.argv) > 1:
        draw(sys.argv[1], model, X, y, n_first)
    assert test_errors[-1] < test_errors[n_first - 1]
    assert margins[-1].min() > margins[n_first - 1].min()


if __name__ == "__main__":
    main()
