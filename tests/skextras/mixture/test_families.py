"""Mixtures of bits, counts, categories and heavy tails: oracles, laws, bad input."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from skextras import (
    BernoulliMixture,
    CategoricalMixture,
    GaussianMixture,
    MixedMixture,
    PoissonMixture,
    StudentMixture,
)
from skextras.mixture.coding import _codes
from tests.skextras.mixture.tables import clusters, with_holes

NAN = np.nan


def bits(seed=0, n=150, d=5):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.95, size=(2, d))
    return (rng.random((n, d)) < p[rng.integers(2, size=n)]).astype(float)


def counts(seed=0, n=150, d=3):
    rng = np.random.default_rng(seed)
    return rng.poisson(rng.uniform(0.5, 20, size=(2, d))[rng.integers(2, size=n)]).astype(float)


def categories(seed=0, n=150, d=4):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3), size=(2, d))
    label = rng.integers(2, size=n)
    return np.array(
        [[rng.choice(3, p=p[label[i], j]) for j in range(d)] for i in range(n)], dtype=float
    )


def tails(seed=0, n=150):
    X = clusters(n, d=2, k=2, seed=seed)
    X[:: n // 10] *= 6
    return X


def mixed(seed=0, n=150):
    """Two columns of numbers, and one each of bits, categories and counts."""
    label = np.random.default_rng(seed).integers(2, size=n)
    parts = [clusters(n, d=2, k=2, seed=seed), bits(seed, n, 1), categories(seed, n, 1)]
    X = np.column_stack([*parts, counts(seed, n, 1)])
    return X + np.outer(label, [3, 0, 0, 0, 5])


def every_family(k=1, **options):
    families = ["gaussian", "gaussian", "bernoulli", "categorical", "poisson"]
    return MixedMixture(k, families=families, **{"reg_covar": 0.0, **options})


CASES = {
    BernoulliMixture: bits,
    PoissonMixture: counts,
    CategoricalMixture: categories,
    StudentMixture: tails,
    every_family: mixed,
}
EVERY = pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)


def fitted(kind, X, k=2, *, sample_weight=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = kind(k, **{"random_state": 0, "n_jobs": 1, **options})
        return model.fit(X, sample_weight=sample_weight)


def log_density(model, x, j):
    """Of one row in one component, feature by feature; missing features say nothing."""
    seen = np.flatnonzero(~np.isnan(x))
    if isinstance(model, BernoulliMixture):
        return stats.bernoulli.logpmf(x[seen], model.probabilities_[j, seen]).sum()
    if isinstance(model, PoissonMixture):
        return stats.poisson.logpmf(x[seen], model.rates_[j, seen]).sum()
    if isinstance(model, CategoricalMixture):
        return sum(np.log(model.probabilities_[p][j, int(x[p])]) for p in seen)
    if isinstance(model, MixedMixture):
        each = zip(model.columns_.values(), model.mixtures_.values(), strict=True)
        return sum(log_density(own, x[columns], j) for columns, own in each)
    if isinstance(model, GaussianMixture):
        deviation = np.sqrt(model.covariances_[j, seen])
        return stats.norm.logpdf(x[seen], model.means_[j, seen], deviation).sum()
    scale = model.scales_[j][np.ix_(seen, seen)]
    nu = model.degrees_of_freedom_[j]
    return stats.multivariate_t(model.means_[j, seen], scale, df=nu).logpdf(x[seen])


@pytest.mark.parametrize("has_holes", [False, True])
@EVERY
def test_densities_equal_scipys(kind, has_holes):
    X = CASES[kind]()
    X = with_holes(X) if has_holes else X
    model = fitted(kind, X, **({"alpha": 1.0} if hasattr(kind(), "alpha") else {}))
    joint = np.array(
        [[np.log(w) + log_density(model, x, j) for j, w in enumerate(model.weights_)] for x in X]
    )
    expected = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(model.score_samples(X), expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(X), np.exp(joint - expected[:, None]), atol=1e-9)


@given(
    seed=st.integers(0, 999),
    kind=st.sampled_from(list(CASES)),
    has_holes=st.booleans(),
    is_weighted=st.booleans(),
    acceleration=st.sampled_from([None, "squarem", "anderson"]),
)
@settings(max_examples=40, deadline=None)
def test_the_likelihood_never_falls(seed, kind, has_holes, is_weighted, acceleration):
    X = CASES[kind](seed)
    X = with_holes(X, seed=seed) if has_holes else X
    weight = np.random.default_rng(seed).random(len(X)) if is_weighted else None
    options = {"acceleration": acceleration, "init_params": "random", "tol": 1e-9, "max_iter": 40}
    model = fitted(kind, X, sample_weight=weight, **options)
    assert np.all(np.diff(model.lower_bounds_) >= -1e-9)
    assert len(model.lower_bounds_) > 1


@pytest.mark.parametrize("has_holes", [False, True])
@EVERY
def test_weights_are_repetitions_and_rows_have_no_order(kind, has_holes):
    X = CASES[kind]()
    X = with_holes(X) if has_holes else X
    rng = np.random.default_rng(1)
    times, order = rng.integers(0, 4, size=len(X)), rng.permutation(len(X))
    weighted = fitted(kind, X, sample_weight=times)
    for other in (
        fitted(kind, np.repeat(X, times, axis=0)),
        fitted(kind, X[order], sample_weight=times[order]),
    ):
        np.testing.assert_allclose(other.score_samples(X), weighted.score_samples(X), rtol=1e-6)


@EVERY
def test_threads_change_no_bit(kind):
    X = np.tile(CASES[kind](), (100, 1))
    one, three = (fitted(kind, X, n_jobs=n, max_iter=3) for n in (1, 3))
    assert one.lower_bounds_ == three.lower_bounds_
    np.testing.assert_array_equal(one.score_samples(X[:99]), three.score_samples(X[:99]))


@EVERY
def test_samples_come_from_the_model(kind):
    model = fitted(kind, CASES[kind]())
    X, y = model.sample(4000)
    assert X.shape == (4000, model.n_features_in_)
    np.testing.assert_allclose(np.bincount(y) / 4000, model.weights_, atol=0.05)
    held = model.score(model.sample(4000)[0])
    assert model.score(X) == pytest.approx(held, abs=0.2)


@EVERY
def test_batches_come_near_to_the_whole(kind):
    X = CASES[kind](n=4000)
    stream = kind(2, random_state=0, n_jobs=1)
    for batch in np.split(X, 10):
        stream.partial_fit(batch)
    assert stream.score(X) >= fitted(kind, X).score(X) - 0.02


def test_one_component_has_the_shares_of_the_rows():
    X = with_holes(bits())
    model = fitted(BernoulliMixture, X, 1)
    np.testing.assert_allclose(model.probabilities_[0], np.nanmean(X, axis=0))
    smooth = fitted(BernoulliMixture, X, 1, alpha=2.0).probabilities_[0]
    known = (~np.isnan(X)).sum(axis=0)
    np.testing.assert_allclose(smooth, (np.nansum(X, axis=0) + 2) / (known + 4))
    X = with_holes(counts())
    np.testing.assert_allclose(fitted(PoissonMixture, X, 1).rates_[0], np.nanmean(X, axis=0))
    X = with_holes(categories())
    for p, own in enumerate(fitted(CategoricalMixture, X, 1).probabilities_):
        shares = np.unique(X[~np.isnan(X[:, p]), p], return_counts=True)[1]
        np.testing.assert_allclose(own[0], shares / shares.sum())


def test_one_student_equals_scipys_fit():
    X = stats.t(4, loc=2, scale=3).rvs(3000, random_state=0)[:, None]
    model = fitted(StudentMixture, X, 1, tol=1e-10, max_iter=2000, reg_covar=0.0)
    freedom, location, scale = stats.t.fit(X)
    assert model.degrees_of_freedom_[0] == pytest.approx(freedom, rel=1e-2)
    assert model.means_[0, 0] == pytest.approx(location, abs=1e-2)
    assert model.scales_[0, 0, 0] == pytest.approx(scale**2, rel=1e-2)
    best = stats.t(freedom, location, scale).logpdf(X).mean()
    assert model.score(X) == pytest.approx(best, abs=1e-6)


def test_outliers_pull_a_student_little():
    X = np.vstack([clusters(200, k=1), [[1e4] * 3]])
    model = fitted(StudentMixture, X, 1)
    assert np.abs(model.means_[0] - X[:-1].mean(axis=0)).max() < 0.2


def test_categories_may_be_strings_and_unknown_ones_are_missing():
    X = np.array([["a", "x"], ["a", None], ["b", "y"], ["b", "y"]] * 9, dtype=object)
    model = fitted(CategoricalMixture, X)
    assert [own.tolist() for own in model.categories_] == [["a", "b"], ["x", "y"]]
    unknown = np.array([["c", "q"]], dtype=object)
    np.testing.assert_allclose(model.predict_proba(unknown)[0], model.weights_)
    assert set(model.sample(50)[0].ravel()) <= {"a", "b", "x", "y"}


@pytest.mark.parametrize(
    ("kind", "X", "options", "message"),
    [
        (PoissonMixture, [[-1.0], [2.0]], {}, "X must be nonnegative, got"),
        (BernoulliMixture, [[0.5], [1.0]], {"binarize": None}, "X must be 0 or 1 .* got"),
        (BernoulliMixture, [[0.0], [1.0]], {"alpha": -1.0}, "'alpha' parameter"),
        (StudentMixture, [[0.0], [1.0]], {"degrees_of_freedom": 0.0}, "'degrees_of_freedom'"),
        (CategoricalMixture, [[0.0], [NAN]], {"n_init": 0}, "'n_init' parameter"),
    ],
)
def test_bad_input_is_refused(kind, X, options, message):
    with pytest.raises(ValueError, match=message):
        kind(1, **options).fit(np.array(X))


def test_collapsed_students_are_raised_with_a_warning():
    X = np.repeat(np.array([[0.0, 0.0], [1.0, 1.0]]), 5, axis=0)
    with pytest.warns(ConvergenceWarning, match="collapsed onto too few"):
        model = StudentMixture(2, reg_covar=0.0, random_state=0).fit(X)
    assert np.isfinite(model.score(X))


def test_a_frame_of_bools_and_pandas_categories_is_a_table_of_categories():
    kinds = pd.Categorical(["x", "x", "y", None])
    X = pd.DataFrame({"is_new": [True, True, False, False], "kind": kinds})
    model = CategoricalMixture(1).fit(X)
    assert [own.tolist() for own in model.categories_] == [[False, True], ["x", "y"]]
    np.testing.assert_allclose(model.probabilities_[1], [[2 / 3, 1 / 3]])


@pytest.mark.parametrize("dtype", [float, np.float32, int, bool, object])
def test_codes_are_places_among_the_categories(dtype):
    """Categories in any order; what is not among them, and NaN, has no code."""
    column = np.array([0, 1, 1, 0], dtype)
    given = np.array([1, 7, 0]) if dtype is not bool else np.array([True, False])
    expected = [list(given).index(value) for value in column.tolist()]
    np.testing.assert_array_equal(_codes(column, given), expected)
    np.testing.assert_array_equal(_codes(column, np.array([7, 9, 0])), [2, np.nan, np.nan, 2])
    np.testing.assert_array_equal(_codes(column, np.array(["0", "1"])), [np.nan] * 4)
    if np.dtype(dtype).kind in "fO":
        column[2] = np.nan
        np.testing.assert_array_equal(_codes(column, np.array([0, 1])), [0, 1, np.nan, 0])
        np.testing.assert_array_equal(_codes(column, np.empty(0)), [np.nan] * 4)
