"""Mixtures of several families: equality with each alone, missing values, tables, bad input."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skextras import (
    BernoulliMixture,
    CategoricalMixture,
    GaussianMixture,
    MixedMixture,
    PoissonMixture,
)
from tests.skextras.mixture.tables import clusters, with_holes
from tests.skextras.mixture.test_families import bits, categories, counts, every_family, mixed

NAN = np.nan
ALONE = {
    "gaussian": (GaussianMixture(covariance_type="diag"), clusters),
    "bernoulli": (BernoulliMixture(), bits),
    "categorical": (CategoricalMixture(), categories),
    "poisson": (PoissonMixture(), counts),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("has_holes", [False, True])
@pytest.mark.parametrize("family", ALONE)
def test_one_family_is_its_own_mixture(family, has_holes, dtype):
    alone, table = ALONE[family]
    X = table().astype(dtype)
    X = with_holes(X).astype(dtype) if has_holes else X
    shared = {"n_components": 2, "tol": 1e-3, "max_iter": 100, "random_state": 0, "n_jobs": 1}
    own = clone(alone).set_params(**shared).fit(X)
    model = MixedMixture(**shared, families=family).fit(X)
    rounding = 1e-12 if dtype == np.float64 else 1e-6  # CategoricalMixture alone is double
    np.testing.assert_allclose(model.lower_bounds_, own.lower_bounds_, rtol=rounding)
    np.testing.assert_allclose(model.score_samples(X), own.score_samples(X), rtol=1e-6)
    assert model.bic(X) == pytest.approx(own.bic(X), rel=1e-6)
    np.testing.assert_allclose(model.mixtures_[family].score(X), own.score(X), rtol=1e-6)
    assert model.weights_.dtype == dtype


def test_missing_values_are_summed_over():
    X = mixed()
    model = every_family(2, random_state=0).fit(X)

    def density(row):
        return float(np.exp(model.score_samples(np.array([row])))[0])

    row = X[0].tolist()
    for column, values in ((2, [0, 1]), (3, [0, 1, 2]), (4, range(120))):
        whole = sum(density([*row[:column], v, *row[column + 1 :]]) for v in values)
        assert density([*row[:column], NAN, *row[column + 1 :]]) == pytest.approx(whole, rel=1e-9)
    whole, _ = quad(lambda v: density([v, *row[1:]]), -60, 60, points=[row[0]], limit=500)
    assert density([NAN, *row[1:]]) == pytest.approx(whole, rel=1e-6)
    pairs = itertools.product([0, 1], [0, 1, 2])
    whole = sum(density([*row[:2], bit, kind, row[4]]) for bit, kind in pairs)
    assert density([*row[:2], NAN, NAN, row[4]]) == pytest.approx(whole, rel=1e-9)


def test_one_component_has_the_moments_of_the_known_values():
    X = with_holes(mixed())
    parts = every_family(1).fit(X).mixtures_
    np.testing.assert_allclose(parts["gaussian"].means_[0], np.nanmean(X[:, :2], axis=0))
    variances = np.nanvar(X[:, :2], axis=0)
    loose = {"rtol": 0.02}  # of missing values EM comes to the moments by geometric steps
    np.testing.assert_allclose(parts["gaussian"].covariances_[0], variances, **loose)
    assert parts["bernoulli"].probabilities_[0, 0] == pytest.approx(np.nanmean(X[:, 2]))
    assert parts["poisson"].rates_[0, 0] == pytest.approx(np.nanmean(X[:, 4]))


def test_an_offset_of_numbers_harms_nothing():
    X = mixed()
    moved = X + np.array([1e8, -1e8, 0, 0, 0])
    one, other = (every_family(2, random_state=0).fit(rows) for rows in (X, moved))
    np.testing.assert_allclose(one.score_samples(X), other.score_samples(moved), atol=1e-4)


def frame():
    return pd.DataFrame(
        {
            "height": [1.5, 1.6, NAN, 9.0, 9.1, 9.2] * 6,
            "kind": pd.Categorical(["a", "a", "b", "c", None, "c"] * 6),
            "is_new": [True, False, True, False, False, True] * 6,
            "visits": [1, 2, 1, 30, 29, 31] * 6,
        }
    )


def test_a_data_frame_says_which_family_its_columns_are_of():
    X = frame()
    model = MixedMixture(2, families={"visits": "poisson"}, random_state=0).fit(X)
    assert model.families_ == ["gaussian", "categorical", "bernoulli", "poisson"]
    assert model.mixtures_["categorical"].categories_[0].tolist() == ["a", "b", "c"]
    labels = model.predict(X)
    assert len(set(labels[[0, 1, 2]])) == len(set(labels[[3, 4, 5]])) == 1
    assert labels[0] != labels[3]
    by_number = MixedMixture(2, families={3: "poisson"}, random_state=0).fit(X)
    assert by_number.lower_bounds_ == model.lower_bounds_
    unknown = X.assign(kind="other")[:1]
    assert model.score(unknown) == pytest.approx(model.score(X[:1].assign(kind=None)))
    drawn, _ = model.sample(60)
    assert set(drawn[:, 1]) <= {"a", "b", "c"}
    assert set(drawn[:, 2]) <= {0.0, 1.0}
    np.testing.assert_array_equal(drawn[:, 3].astype(float) % 1, 0)


def test_a_fit_goes_on_where_the_last_ended():
    X = frame()
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        model = MixedMixture(2, max_iter=1, warm_start=True, random_state=0, tol=1e-9).fit(X)
    before = model.lower_bound_
    assert model.set_params(max_iter=200).fit(X).lower_bound_ >= before
    whole = MixedMixture(2, max_iter=200, random_state=0, tol=1e-9).fit(X)
    assert model.lower_bound_ == pytest.approx(whole.lower_bound_, abs=1e-6)


def test_collapsed_components_are_raised_with_a_warning():
    X = np.repeat(np.array([[0.0, 1.0], [5.0, 0.0]]), 5, axis=0)
    families = ["gaussian", "bernoulli"]
    with pytest.warns(ConvergenceWarning, match="collapsed onto too few"):
        model = MixedMixture(2, families=families, reg_covar=0.0, random_state=0).fit(X)
    assert np.isfinite(model.score(X))


@pytest.mark.parametrize(
    ("families", "message"),
    [
        ("normal", "families must be one of 'auto', .*, got 'normal'"),
        (["gaussian"], "families must be one for each of the 2 columns, got \\['gaussian'\\]"),
        ({5: "gaussian"}, "families must name columns of X, got 5"),
        (["gaussian", "poisson"], "X must be nonnegative, got"),
    ],
)
def test_bad_families_are_refused(families, message):
    with pytest.raises(ValueError, match=message):
        MixedMixture(families=families).fit(np.array([[0.5, -1.0], [1.5, 2.0]]))


def test_objects_are_refused():
    with pytest.raises(TypeError, match=r"MixedMixture: X must hold numbers .*, got dict"):
        MixedMixture().fit(np.array([[{}, 1.0], [{}, 2.0]], dtype=object))
