"""Target means of five columns of the flights, cross-fitted in five folds; one core.

Quality is the mean squared error of the encodings as forecasts of a late arrival, averaged over the
columns, on the training rows that were encoded: a target that leaked would lower it, and the folds
are drawn at random. The peer sees the same table of strings, and once more codes in their place,
which spares it the sorting of strings.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import OrdinalEncoder, TargetEncoder

from benchmarks.flights import LATE, folder
from benchmarks.harness import Contest, Contestant
from skextras.features import FeatureColumns, TargetMean

NAMES = ["carrier", "origin", "dest", "tailnum", "hour"]
SMOOTH = 20.0


@lru_cache(maxsize=1)
def table() -> tuple[pd.DataFrame, np.ndarray]:
    """Strings as they stand in the file, and who is late."""
    flights = pd.read_csv(folder() / "flights.csv.zip")
    late = ~(flights["arr_delay"] <= LATE)
    frame = flights[NAMES].astype({"hour": str})
    return frame, late.to_numpy().astype(np.int64)


def contests() -> Iterator[Contest]:
    """A part of the table, and all of it."""
    for n in (50_000, 336_776):
        yield contest(n)


def contest(n: int) -> Contest:
    """Fit and transform n rows."""
    frame, late = table()
    frame, late = frame.iloc[:n], late[:n]
    codes = pd.DataFrame(
        OrdinalEncoder(encoded_missing_value=-1).fit_transform(frame), columns=NAMES
    )
    codes = codes.astype(np.int64)

    def ours(rows: pd.DataFrame) -> np.ndarray:
        columns = [TargetMean(name, smooth=SMOOTH) for name in NAMES]
        return FeatureColumns(columns).fit_transform(rows, late)

    def peer(rows: pd.DataFrame) -> np.ndarray:
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        encoder = TargetEncoder(smooth=SMOOTH, cv=folds, target_type="binary")
        return encoder.fit_transform(rows, late)

    def error(encoded: np.ndarray) -> float:
        return float(np.square(encoded - late[:, None]).mean())

    runs = {
        "skextras TargetMean": lambda: ours(frame),
        "skextras TargetMean, codes": lambda: ours(codes),
        "sklearn TargetEncoder": lambda: peer(frame),
        "sklearn TargetEncoder, codes": lambda: peer(codes),
    }
    return Contest(
        task="encode 5 columns, cross-fitted",
        size=n,
        quality_name="squared error",
        tolerance=1e-4,
        contestants=[Contestant(name=name, run=run, quality=error) for name, run in runs.items()],
    )
