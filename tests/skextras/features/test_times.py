"""Parts of times are those of Python's calendar; the end of a circle meets its beginning."""

import calendar
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.features import Cyclical, DateTime, FeatureColumns
from skextras.features.times import PARTS

CALENDAR = {
    "year": lambda t: t.year,
    "quarter": lambda t: (t.month + 2) // 3,
    "month": lambda t: t.month,
    "week": lambda t: t.isocalendar().week,
    "day": lambda t: t.day,
    "day_of_year": lambda t: t.timetuple().tm_yday,
    "weekday": lambda t: t.weekday(),
    "hour": lambda t: t.hour,
    "minute": lambda t: t.minute,
    "second": lambda t: t.second,
    "is_weekend": lambda t: t.weekday() >= 5,
    "is_month_start": lambda t: t.day == 1,
    "is_month_end": lambda t: t.day == calendar.monthrange(t.year, t.month)[1],
    "epoch_seconds": lambda t: t.replace(tzinfo=UTC).timestamp(),
}


def test_all_parts_are_compared():
    assert set(CALENDAR) == set(PARTS)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)), min_size=1, max_size=5),
    st.sampled_from(["us", "ns"]),
)
def test_parts_are_those_of_the_calendar(times, unit):
    rows = {"left": np.array([*times, "NaT"], f"M8[{unit}]")}
    columns = FeatureColumns([DateTime("left", components=tuple(CALENDAR))])
    found = columns.fit_transform(rows)
    expected = [[float(part(time)) for part in CALENDAR.values()] for time in times]
    np.testing.assert_allclose(found[:-1], expected, rtol=1e-15)
    assert np.isnan(found[-1]).all()


def test_dates_and_zones():
    dates = pd.Series([datetime(2024, 2, 29).date(), None])
    out = FeatureColumns([DateTime("on", components=["day", "hour"])]).fit_transform({"on": dates})
    np.testing.assert_array_equal(out, [[29, 0], [np.nan, np.nan]])
    there = pd.Series(pd.to_datetime(["2024-03-01 00:30"]).tz_localize("Europe/Berlin"))
    out = FeatureColumns([DateTime("on", components=["day", "hour"])]).fit_transform({"on": there})
    np.testing.assert_array_equal(out, [[1, 0]])  # as the clock there showed it


@pytest.mark.parametrize("period", [24, "hour", "weekday", "degrees", "radians", 0.5])
def test_a_turn_round_the_circle_changes_nothing(period):
    column = Cyclical("at", period=period, harmonics=3)
    at = np.linspace(0, column.length, 7)[:-1]
    columns = FeatureColumns([column])
    once = columns.fit_transform({"at": at})
    np.testing.assert_allclose(columns.transform({"at": at + column.length}), once, atol=1e-12)
    np.testing.assert_allclose(columns.transform({"at": at - 2 * column.length}), once, atol=1e-12)
    np.testing.assert_allclose(once[:, 0::2] ** 2 + once[:, 1::2] ** 2, 1)
    np.testing.assert_allclose(columns.inverse_transform(once)["at"], at, atol=1e-12)
    angle = at * 2 * np.pi / column.length
    np.testing.assert_allclose(once[:, 4], np.sin(3 * angle), atol=1e-12)


@pytest.mark.parametrize("period", ["minute", "hour", "weekday", "day_of_year", "month"])
def test_times_next_to_each_other_are_near_on_the_circle(period):
    step = timedelta(seconds=1 if period == "minute" else 60)
    start = datetime(2023, 12, 31, 23, 59)
    times = np.array([start + k * step for k in range(-3, 4)], "M8[us]")
    out = FeatureColumns([Cyclical("at", period=period)]).fit_transform({"at": times})
    far = 0.6 if period == "month" else 0.2  # months are whole
    assert np.linalg.norm(np.diff(out, axis=0), axis=1).max() < far


def test_missing_values_are_nan_or_the_centre():
    rows = {"at": [0.0, np.nan]}
    for missing, expected in (("keep", [np.nan, np.nan]), ("centre", [0, 0])):
        out = FeatureColumns([Cyclical("at", period=4, missing=missing)]).fit_transform(rows)
        np.testing.assert_array_equal(out, [[0, 1], expected])
    with pytest.raises(ValueError, match="must hold finite numbers, got infinity in row 1"):
        FeatureColumns([Cyclical("at", period=4)]).fit({"at": [0.0, np.inf]})
    with pytest.raises(ValueError, match="must hold times, got durations"):
        FeatureColumns([DateTime("at")]).fit({"at": np.array([1], "m8[s]")})
