"""Laws of the tables that the contests of boosting are held on."""

import zipfile

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from benchmarks import flights
from benchmarks.boosting_data import cover_like, higgs_like, small

MAKERS = {
    "higgs_like": lambda seed: higgs_like.__wrapped__(500, seed, n_test=100),
    "cover_like": lambda seed: cover_like.__wrapped__(500, seed),
    "small": lambda seed: small.__wrapped__(500, seed),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_seed_decides_the_table_and_another_changes_it(make):
    first, again, other = make(0), make(0), make(1)
    np.testing.assert_array_equal(first.X, again.X)
    np.testing.assert_array_equal(first.y_test, again.y_test)
    assert first.X.shape == other.X.shape == (500, first.X_test.shape[1])
    assert (first.X != other.X).any()


def test_other_seeds_draw_other_rows_of_the_same_law():
    one, other = (higgs_like.__wrapped__(20_000, seed, n_test=20_000) for seed in (0, 1))
    model = LogisticRegression(max_iter=500).fit(one.X, one.y)
    losses = [log_loss(t.y_test, model.predict_proba(t.X_test)) for t in (one, other)]
    assert abs(losses[0] - losses[1]) < 0.02  # 20,000 rows; the deviation is near 0.003
    assert max(losses) < np.log(2) - 0.01


def test_a_row_of_the_cover_table_has_one_area_and_one_soil():
    X = MAKERS["cover_like"](0).X
    np.testing.assert_array_equal(X[:, 10:14].sum(1), 1)
    np.testing.assert_array_equal(X[:, 14:].sum(1), 1)


def test_flights_say_what_to_install(monkeypatch):
    monkeypatch.setattr(flights, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install \"mlextras\[bench\]\""):
        flights.folder()


def test_flights_keep_every_flight_and_call_the_cancelled_late(tmp_path, monkeypatch):
    known = "month,day,hour,minute,sched_arr_time,distance,carrier,origin,dest,tailnum,time_hour"
    common = "1,1,5,15,819,1400,UA,EWR,IAH"
    rows = [f"{common},N1,5:00,16", f"{common},N2,5:00,15", f"{common},,6:00,"]
    with zipfile.ZipFile(tmp_path / "flights.csv.zip", "w") as file:
        file.writestr("flights.csv", "\n".join([f"{known},arr_delay", *rows]))
    weather = ",".join(["origin", "time_hour", *flights.WEATHER])
    hour = ",".join(["EWR", "5:00", *"12345678"])
    (tmp_path / "weather.csv").write_text(f"{weather}\n{hour}\n{hour}\n")  # an hour twice, as there
    planes = "tailnum,year,type,manufacturer,model,engines,seats,speed,engine"
    (tmp_path / "planes.csv").write_text(f"{planes}\nN1,1999,F,AIRBUS,A320,2,180,,Turbo\n")
    monkeypatch.setattr(flights, "folder", lambda: tmp_path)
    X, late = flights.flights.__wrapped__()
    assert late.tolist() == [1, 0, 1]
    assert X["year_built"].isna().tolist() == [False, True, True]
    assert X["temp"].isna().tolist() == [False, False, True]
    assert all(X[name].dtype == "category" for name in flights.CATEGORIES)
