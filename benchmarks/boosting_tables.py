"""Gradient boosting with many classes, and with categories and missing values. Quality is the log
loss on held-out rows; a fit starts from the table that a user has.

Seven classes, two of them rare: all have XGBoost's penalty of 1 on the leaves, since without one
the values of a rare class grow without bound, in ours and scikit-learn's alike. 44 of the 54
features are 0 or 1, two of them 1 in each row, which LightGBM and ours pack into few.

The flights are real (see flights.py): whether one arrives late, from what is known before it
leaves. CatBoost gets a category in place of a missing one, which it asks for; its trees are
symmetric, so that as many of them hold less.
"""

from collections.abc import Iterator
from functools import partial

from benchmarks.boosting_data import Table, cover_like
from benchmarks.boosting_models import (
    CAT,
    EXTREME,
    HIST,
    LIGHT,
    OURS,
    cat,
    extreme,
    fit_contest,
    hist,
    light,
    ours,
    predict_contest,
    tasks,
)
from benchmarks.flights import CATEGORIES, split_flights
from benchmarks.harness import Contest

N_THREADS = 2


def contests() -> Iterator[Contest]:
    """Seven classes; flights."""
    table = partial(cover_like, 100_000)
    by_class = {
        OURS: ours(31, N_THREADS, l2_regularization=1.0),
        LIGHT: light(31, N_THREADS, reg_lambda=1.0),
        EXTREME: extreme(31, N_THREADS),
        HIST: hist(31, l2_regularization=1.0),
    }
    of = tasks(by_class, table, N_THREADS, n_seeds=1)
    title = "100k x 54, 7 classes, 31 leaves"
    yield fit_contest(f"fit {title}", of, tolerance=0.003)
    yield predict_contest(f"predict 50k rows, {title}", of, table(0), tolerance=0.003)
    by_dtype = {
        OURS: ours(31, N_THREADS),
        LIGHT: light(31, N_THREADS),
        HIST: hist(31),
    }
    of = tasks(by_dtype, split_flights, N_THREADS)
    symmetric = cat(N_THREADS, cat_features=CATEGORIES)
    of |= tasks({CAT: symmetric}, without_missing_categories, N_THREADS)
    yield fit_contest("fit 269k flights, 31 leaves", of, tolerance=0.001)
    del of[CAT]
    title = "predict 67k flights, 31 leaves"
    yield predict_contest(title, of, split_flights(0), tolerance=0.002)


def without_missing_categories(seed: int) -> Table:
    """The flights with a category for what is missing."""
    table = split_flights(seed)

    def filled(X):
        columns = {name: X[name].cat.add_categories("none").fillna("none") for name in CATEGORIES}
        return X.assign(**columns)

    return Table(filled(table.X), table.y, filled(table.X_test), table.y_test)
