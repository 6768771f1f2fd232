"""Gradient boosting on the way: early stopping, warm starts, progress, interruption, own losses."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss, make_scorer, mean_absolute_error

from skextras import GradientBoostingClassifier, GradientBoostingRegressor
from tests.skextras.boosting.tables import labels, numbers
from tests.skextras.boosting.test_laws import VARIANTS, same

QUICK = {"max_iter": 10, "min_samples_leaf": 5, "random_state": 0}


def test_scores_are_those_of_the_held_out_rows():
    X, y = labels(1000)
    X_val, y_val = labels(500, seed=9)
    model = GradientBoostingClassifier(**QUICK, early_stopping=True)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    stages = [log_loss(y_val, p) for p in model.staged_predict_proba(X_val)]
    np.testing.assert_allclose(-model.validation_score_[1:], stages, rtol=1e-5)
    stages = [log_loss(y, p) for p in model.staged_predict_proba(X)]
    np.testing.assert_allclose(-model.train_score_[1:], stages, rtol=1e-5)


def test_weights_of_the_held_out_rows_are_repetitions_and_not_negative():
    X, y = labels(300)
    X_val, y_val = labels(80, seed=9)
    model = GradientBoostingClassifier(**QUICK, early_stopping=True)
    times = np.random.default_rng(0).integers(0, 3, 80)
    weighted = model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=times).validation_score_
    X_more, y_more = np.repeat(X_val, times, axis=0), np.repeat(y_val, times)
    repeated = model.fit(X, y, X_val=X_more, y_val=y_more).validation_score_
    np.testing.assert_allclose(weighted, repeated, rtol=1e-6)
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=-times)


def test_a_callback_that_is_no_function_is_refused_before_the_fit():
    X, y = labels(100)
    told = []
    callbacks = [lambda _, course: told.append(course), "print"]
    with pytest.raises(TypeError, match=r"functions .* got 'print' among them"):
        GradientBoostingClassifier(**QUICK, callbacks=callbacks).fit(X, y)
    assert not told


def test_it_stops_when_the_score_no_longer_rises():
    X, y = labels(600)
    y = np.random.default_rng(0).permutation(y)  # nothing to learn
    model = GradientBoostingClassifier(
        max_iter=500, early_stopping=True, n_iter_no_change=5, random_state=0
    ).fit(X, y)
    assert model.n_iter_ < 60
    assert len(model.validation_score_) == model.n_iter_ + 1
    assert max(model.validation_score_[-5:]) <= model.validation_score_[-6] + 1e-7


def test_auto_stops_early_from_ten_thousand_rows_on():
    X, y = numbers(10_001)
    few = {"max_iter": 1, "max_leaf_nodes": 2}
    assert GradientBoostingRegressor(**few).fit(X, y).do_early_stopping_
    assert not GradientBoostingRegressor(**few).fit(X[1:], y[1:]).do_early_stopping_


@pytest.mark.parametrize("scoring", ["neg_mean_absolute_error", None, "function"])
def test_any_scorer_decides(scoring):
    X, y = numbers(600)
    given = make_scorer(mean_absolute_error, greater_is_better=False)
    model = GradientBoostingRegressor(
        **QUICK, early_stopping=True, scoring=given if scoring == "function" else scoring,
        validation_fraction=None,
    ).fit(X, y)  # fmt: skip
    last = -mean_absolute_error(y, model.predict(X)) if scoring else model.score(X, y)
    assert model.train_score_[-1] == pytest.approx(last, rel=1e-5)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=list(VARIANTS))
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_warm_start_goes_on_as_if_it_had_never_stopped(options, n_classes):
    X, y = labels(400, n_classes=n_classes, n_missing=80)
    whole = GradientBoostingClassifier(**QUICK, **options).fit(X, y)
    parts = GradientBoostingClassifier(**QUICK, **options, warm_start=True).set_params(max_iter=4)
    parts.fit(X, y).set_params(max_iter=10).fit(X, y)
    if options.get("boosting") == "dart":
        # A dropped tree leaves single-precision scores and returns, which costs them a last digit
        # that a warm start, adding up anew, has; a split of equal gain may then fall otherwise.
        np.testing.assert_allclose(parts.predict_proba(X), whole.predict_proba(X), atol=5e-3)
    else:
        assert same(whole, parts)


def test_a_warm_start_on_other_rows_keeps_its_bins_categories_and_classes():
    X, y = labels(400)
    model = GradientBoostingClassifier(**QUICK, warm_start=True, max_leaf_nodes=255).fit(X, y)
    first = model.decision_function(X)
    model.set_params(max_iter=12, learning_rate=1e-12).fit(3 * X[::-1] + 1, y[::-1])
    np.testing.assert_allclose(model.decision_function(X), first, atol=1e-6)
    with pytest.raises(ValueError, match="unseen labels"):
        model.set_params(max_iter=14).fit(X, y + 1)
    town = pd.DataFrame({"town": pd.Categorical(["Ulm", "Bonn"] * 50)})
    other = pd.DataFrame({"town": pd.Categorical(["Ulm", "Aachen"] * 50)})
    model = GradientBoostingRegressor(**QUICK, warm_start=True).fit(town, np.tile([1.0, 0.0], 50))
    model.set_params(max_iter=11, learning_rate=1e-12).fit(other, np.tile([1.0, 5.0], 50))
    assert model.predict(town)[0] > 0.8


def test_a_warm_start_may_not_go_back():
    X, y = labels(100)
    model = GradientBoostingClassifier(**QUICK, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="max_iter=3 must be larger"):
        model.set_params(max_iter=3).fit(X, y)


def test_an_interrupted_fit_leaves_the_rounds_that_it_finished():
    X, y = labels(300, n_classes=3)

    def interrupt(estimator, course):
        if course.n_rounds == 6:
            raise KeyboardInterrupt

    model = GradientBoostingClassifier(**QUICK, callbacks=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    six = GradientBoostingClassifier(**{**QUICK, "max_iter": 6}).fit(X, y)
    assert model.n_iter_ == 6
    assert same(model, six)
    assert np.array_equal(model.predict_proba(X), six.predict_proba(X))
    model.set_params(warm_start=True, callbacks=None).fit(X, y)
    assert same(model, GradientBoostingClassifier(**QUICK).fit(X, y))


def test_callbacks_see_the_course_and_may_stop_it():
    X, y = labels(300)
    seen = []

    def watch(estimator, course):
        seen.append((course.n_rounds, len(course.train_scores)))
        return course.n_rounds == 4

    model = GradientBoostingClassifier(
        **QUICK, early_stopping=True, callbacks=[watch, lambda estimator, course: None]
    ).fit(X, y)
    assert seen == [(1, 2), (2, 3), (3, 4), (4, 5)]
    assert model.n_iter_ == 4


def test_progress_is_printed_when_asked_for(capsys):
    X, y = labels(300)
    GradientBoostingClassifier(**QUICK).fit(X, y)
    assert capsys.readouterr().out == ""
    GradientBoostingClassifier(**QUICK, verbose=1).fit(X, y)
    assert re.fullmatch(
        r"Fit 10 trees in [\d.]+ s, \(\d+ total leaves\)\n", capsys.readouterr().out
    )
    GradientBoostingClassifier(**QUICK, verbose=2, early_stopping=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert re.match(r"\[10/10\] .+ train loss: [\d.]+, val loss: [\d.]+", lines[9])


# ------------------------------------------------------------ losses of one's own
class Squares:
    """½ (y - raw)²."""

    link = "identity"

    def value(self, y, raw):
        return 0.5 * (y - raw) ** 2

    def gradient(self, y, raw):
        return raw - y

    def hessian(self, y, raw):
        return np.ones_like(raw)


class Logs:
    """Log loss of two classes."""

    link = "logit"

    def value(self, y, raw):
        return np.logaddexp(0, raw) - y * raw

    def gradient(self, y, raw):
        return expit(raw) - y

    def hessian(self, y, raw):
        return expit(raw) * (1 - expit(raw))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_loss_of_ones_own_gives_what_the_named_one_gives(weighted):
    X, y = numbers(500)
    weight = np.arange(500) % 3 + 1.0 if weighted else None
    own = GradientBoostingRegressor(loss=Squares(), **QUICK).fit(X, y, weight)
    named = GradientBoostingRegressor(**QUICK).fit(X, y, weight)
    np.testing.assert_allclose(own.predict(X), named.predict(X), atol=1e-4)


def test_a_loss_of_ones_own_may_be_that_of_classes():
    X, y = labels(500)
    own = GradientBoostingClassifier(loss=Logs(), **QUICK).fit(X, y)
    named = GradientBoostingClassifier(**QUICK).fit(X, y)
    np.testing.assert_allclose(own.predict_proba(X), named.predict_proba(X), atol=1e-3)


def test_a_loss_of_ones_own_that_is_wrong_is_named():
    class Broken(Squares):
        def gradient(self, y, raw):
            return np.full_like(raw, np.nan)

    X, y = numbers(100)
    with pytest.raises(ValueError, match=r"gradient.+finite"):
        GradientBoostingRegressor(loss=Broken(), **QUICK).fit(X, y)


def test_several_classes_take_no_loss_of_two():
    X, y = labels(100, n_classes=3)
    for loss in ("exponential", Logs()):
        with pytest.raises(ValueError, match="loss must be 'log_loss' for 3 classes"):
            GradientBoostingClassifier(loss=loss).fit(X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_rate_that_overshoots_leaves_finite_scores(n_classes):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 5))
    y = rng.integers(0, n_classes, 100)
    model = GradientBoostingClassifier(learning_rate=100, max_iter=10).fit(X, y)
    assert np.isfinite(model.decision_function(X)).all()
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
