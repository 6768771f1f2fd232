"""How wide is the forest's forecast? Quantiles of the rows in its leaves, without another fit.

A forest that keeps which training rows lie in which leaf knows the whole distribution of the
target, not its mean alone. Prints how many new rows fall inside the 80% interval, where noise is
small and where it is large.
"""

import numpy as np

from skextras import RandomForestRegressor

N, LOW, HIGH = 4000, 0.1, 0.9


def rows(random):
    """Targets whose noise grows with the second number."""
    X = random.random((N, 3))
    return X, 4 * X[:, 0] + (0.2 + X[:, 1]) * random.standard_normal(N)


def main():
    """One fit, three quantiles."""
    random = np.random.default_rng(0)
    X, y = rows(random)
    new, truth = rows(random)
    model = RandomForestRegressor(
        n_estimators=100, min_samples_leaf=10, keep_samples=True, random_state=0
    ).fit(X, y)
    low, middle, high = model.predict(new, quantiles=[LOW, 0.5, HIGH]).T
    inside = (low <= truth) & (truth <= high)
    is_noisy = new[:, 1] > 0.5
    for name, own in (("calm", ~is_noisy), ("noisy", is_noisy)):
        width = (high - low)[own].mean()
        print(f"{name}: {inside[own].mean():.1%} inside an interval {width:.2f} wide")
    print(f"median off by {np.abs(middle - truth).mean():.2f} on average")
    assert abs(inside.mean() - (HIGH - LOW)) < 0.05
    assert (high - low)[is_noisy].mean() > 1.3 * (high - low)[~is_noisy].mean()


if __name__ == "__main__":
    main()
