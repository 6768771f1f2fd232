"""Can a table go straight into trees? Flights with times, names and gaps, declared in ten lines.

Prints the log loss of a late arrival on held-out flights, with the columns as they are and with
days of the year as a cross of month and day. The flights are made up here: some days are bad ones.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skextras import GradientBoostingClassifier
from skextras.features import Crossed, FeatureColumns, HashBucket, Numeric, Vocabulary

NUMBERS = ["month", "day", "hour", "distance"]


def flights(n: int):
    """Bad days delay all, some carriers are late, distance is missing at times."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "month": random.integers(1, 13, n),
            "day": random.integers(1, 29, n),
            "hour": random.integers(5, 24, n),
            "carrier": random.choice(["AA", "B6", "DL", "UA", "9E"], n),
            "tailnum": [f"N{i:05d}" for i in random.integers(0, 4000, n)],
            "distance": random.gamma(4.0, 260.0, n),
        }
    )
    storm = random.normal(size=(13, 29))[table["month"], table["day"]]
    logit = 1.5 * storm + 0.12 * (table["hour"] - 14) + table["carrier"].isin(["9E", "B6"]) - 1
    table.loc[random.random(n) < 0.1, "distance"] = np.nan
    return table, (random.random(n) < 1 / (1 + np.exp(-logit.to_numpy()))).astype(int)


def main():
    """Fit twice, judge on the same flights."""
    X, y = flights(30_000)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    plain = [Numeric(name, scale=None) for name in NUMBERS]
    plain += [Vocabulary("carrier"), HashBucket("tailnum", n_buckets=250)]
    crossed = [*plain, Crossed(["month", "day"], n_buckets=254, encode="ordinal")]
    losses = {}
    for name, columns in {"columns": plain, "and a cross": crossed}.items():
        codes = range(len(NUMBERS), len(columns))
        trees = GradientBoostingClassifier(categorical_features=codes, random_state=0)
        model = make_pipeline(FeatureColumns(columns), trees).fit(X_train, y_train)
        losses[name] = log_loss(y_test, model.predict_proba(X_test))
        print(f"{name:<12} log loss {losses[name]:.4f}")
    assert losses["and a cross"] < losses["columns"]


if __name__ == "__main__":
    main()
