"""Can a prediction be made to rise? Monotone constraints on what must not be held against anybody.

A price that falls when a flat gets larger cannot be explained to its buyer, though noise in a few
rows teaches a free model just that. Under ``monotonic_cst`` it cannot happen, for any other values.
Prints how often a prediction falls as the area grows by 1 m², and the held-out error of both.
"""

import numpy as np
import pandas as pd

from skextras import GradientBoostingRegressor

N, AREAS = 1500, np.arange(20.0, 181.0)


def flats(random, n):
    """Area, age and distance to the centre, and a price that rises with the first alone."""
    X = pd.DataFrame(
        {
            "area": random.uniform(20, 180, n),
            "age": random.uniform(0, 100, n),
            "distance": random.exponential(5, n),
        }
    )
    worth = 4 * X["area"] ** 0.9 * np.exp(-X["distance"] / 10) - 0.5 * X["age"]
    return X, worth + random.normal(0, 40, n)


def falls(model, X):
    """Share of the steps along the area at which the price of a flat falls."""
    grid = X.loc[X.index.repeat(len(AREAS))].assign(area=np.tile(AREAS, len(X)))
    steps = np.diff(model.predict(grid).reshape(len(X), -1), axis=1)
    return (steps < 0).mean()


def main():
    """Fit with and without, and walk along the area."""
    random = np.random.default_rng(0)
    X, y = flats(random, N)
    X_test, y_test = flats(random, 1000)
    options = {"early_stopping": False, "random_state": 0}
    free = GradientBoostingRegressor(**options).fit(X, y)
    rules = {"area": 1, "age": -1, "distance": -1}
    bound = GradientBoostingRegressor(monotonic_cst=rules, **options).fit(X, y)
    errors = []
    for name, model in (("free", free), ("rising", bound)):
        errors.append(np.sqrt(np.mean((model.predict(X_test) - y_test) ** 2)))
        share = falls(model, X_test[:200])
        print(f"{name:6s} falls at {share:.1%} of the steps, error {errors[-1]:.1f}")
    assert falls(free, X_test[:200]) > 0.02
    assert falls(bound, X_test[:200]) == 0
    assert errors[1] < errors[0]


if __name__ == "__main__":
    main()
