"""ENGINE: parts of times, as numbers."""

from collections.abc import Callable

import numpy as np

DAY = 86_400.0  # seconds
EPOCH, SECOND = np.datetime64(0, "s"), np.timedelta64(1, "s")


def _days(times: np.ndarray) -> np.ndarray:
    return times.astype("M8[D]").astype(np.int64)


def _months(times: np.ndarray) -> np.ndarray:
    return times.astype("M8[M]").astype(np.int64)


def _seconds_of_day(times: np.ndarray) -> np.ndarray:
    """Seconds since midnight, with fractions."""
    own = times - times.astype("M8[D]")
    return own / SECOND


def _year(times: np.ndarray) -> np.ndarray:
    return times.astype("M8[Y]").astype(np.int64) + 1970


def _month(times: np.ndarray) -> np.ndarray:
    return _months(times) % 12 + 1


def _day(times: np.ndarray) -> np.ndarray:
    return _days(times) - times.astype("M8[M]").astype("M8[D]").astype(np.int64) + 1


def _weekday(times: np.ndarray) -> np.ndarray:
    return (_days(times) + 3) % 7  # 1970 began on a Thursday


def _day_of_year(times: np.ndarray) -> np.ndarray:
    return _days(times) - times.astype("M8[Y]").astype("M8[D]").astype(np.int64) + 1


def _week(times: np.ndarray) -> np.ndarray:
    """Week of ISO 8601: that of the Thursday of the same week."""
    thursday = times.astype("M8[D]") + (3 - _weekday(times))
    return (_day_of_year(thursday) - 1) // 7 + 1


def _is_month_end(times: np.ndarray) -> np.ndarray:
    return _month(times.astype("M8[D]") + 1) != _month(times)


# Whole numbers of a time; weekday 0 is Monday.
PARTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "year": _year,
    "quarter": lambda times: (_month(times) - 1) // 3 + 1,
    "month": _month,
    "week": _week,
    "day": _day,
    "day_of_year": _day_of_year,
    "weekday": _weekday,
    "hour": lambda times: _seconds_of_day(times) // 3600,
    "minute": lambda times: _seconds_of_day(times) // 60 % 60,
    "second": lambda times: _seconds_of_day(times) // 1 % 60,
    "is_weekend": lambda times: _weekday(times) >= 5,
    "is_month_start": lambda times: _day(times) == 1,
    "is_month_end": _is_month_end,
    "epoch_seconds": lambda times: (times - EPOCH) / SECOND,
}
# Where a time is on a circle, with fractions of the unit, and how long the circle is.
CIRCLES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "minute": (lambda times: _seconds_of_day(times) / 60 % 60, 60.0),
    "hour": (lambda times: _seconds_of_day(times) / 3600, 24.0),
    "weekday": (lambda times: _weekday(times) + _seconds_of_day(times) / DAY, 7.0),
    "day_of_year": (lambda times: _day_of_year(times) - 1 + _seconds_of_day(times) / DAY, 365.25),
    "month": (lambda times: _month(times) - 1.0, 12.0),
}


def filled_times(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Times, NaT where they are missing.

    Parameters
    ----------
    values : ndarray of datetime64 of shape (n,)
        Of a column.
    missing : ndarray of bool of shape (n,) or (0,)
        Rows without a time, besides those of NaT.

    Returns
    -------
    ndarray of datetime64 of shape (n,)
        The values themselves if nothing is to change.
    """
    if not missing.any():
        return values
    return np.where(missing, np.datetime64("NaT"), values)


def parts_of(times: np.ndarray, find: Callable[[np.ndarray], np.ndarray], out: np.ndarray) -> None:
    """A part of each time.

    Parameters
    ----------
    times : ndarray of datetime64 of shape (n,)
        NaT is missing.
    find : callable
        Of ``PARTS`` or ``CIRCLES``.
    out : ndarray of float64 of shape (n,)
        Filled; NaN where missing.
    """
    is_missing = np.isnat(times)
    has_missing = bool(is_missing.any())
    if has_missing:
        times = np.where(is_missing, np.datetime64(0, "s").astype(times.dtype), times)
    out[:] = find(times)
    if has_missing:
        out[is_missing] = np.nan
