"""How sure is the forecast? Two quantiles instead of one mean, and how often they hold the truth.

Noise that grows with the level makes one width for all wrong: too wide where it is calm, too narrow
where it is not. A model of the 5% quantile and one of the 95% give each row an interval of its own.
Prints how many held-out rows fall inside, overall and in the calm and the noisy half.
"""

import numpy as np

from skextras import GradientBoostingRegressor

N, LEVEL = 20_000, 0.9


def rows(random, n):
    """Sales by temperature and weekday, noisier when there are more of them."""
    X = np.column_stack([random.uniform(-5, 35, n), random.integers(7, size=n)])
    level = 20 + 2 * np.maximum(X[:, 0], 0) + 15 * (X[:, 1] >= 5)
    return X, level * (1 + 0.3 * random.standard_normal(n)), level


def main():
    """Fit both ends, and count."""
    random = np.random.default_rng(0)
    X, y, _ = rows(random, N)
    X_test, y_test, level = rows(random, N)
    options = {"loss": "quantile", "max_iter": 60, "min_samples_leaf": 100, "random_state": 0}
    ends = [
        GradientBoostingRegressor(quantile=quantile, **options).fit(X, y).predict(X_test)
        for quantile in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    ]
    mean = GradientBoostingRegressor(**options | {"loss": "squared_error"}).fit(X, y)
    same = np.quantile(np.abs(y - mean.predict(X)), LEVEL)  # one width for all
    inside = (ends[0] <= y_test) & (y_test <= ends[1])
    inside_same = np.abs(y_test - mean.predict(X_test)) <= same
    is_noisy = level > np.median(level)
    for name, held in (("quantiles", inside), ("one width", inside_same)):
        shares = [held.mean(), held[~is_noisy].mean(), held[is_noisy].mean()]
        print(f"{name}: {shares[0]:.1%} inside, calm {shares[1]:.1%}, noisy {shares[2]:.1%}")
    assert abs(inside.mean() - LEVEL) < 0.02
    assert all(abs(inside[half].mean() - LEVEL) < 0.03 for half in (is_noisy, ~is_noisy))
    assert inside_same[~is_noisy].mean() - inside_same[is_noisy].mean() > 0.1


if __name__ == "__main__":
    main()
