"""GaussianMixture on data as they are: missing, streamed, labelled, with a prior, and bad."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skextras import GaussianMixture
from tests.oracles import mixture as oracles
from tests.skextras.mixture.tables import TYPES, clusters, with_holes
from tests.skextras.mixture.test_gaussian import fitted, same

NAN = np.nan


def dense(model):
    return model._dense()


# ------------------------------------------------------------ missing values


@pytest.mark.parametrize("kind", TYPES)
def test_the_density_of_a_row_with_holes_is_that_of_what_is_known(kind):
    X = with_holes(clusters(80))
    X[3] = NAN
    model = fitted(clusters(), covariance_type=kind)
    expected = oracles.log_likelihood(X, *dense(model))
    np.testing.assert_allclose(model.score_samples(X), expected, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(model.predict_proba(X)[3], model.weights_)
    np.testing.assert_allclose(model.impute(X)[3], model.weights_ @ model.means_)


def test_holes_are_integrated_out():
    model = fitted(clusters(d=2), 2)
    for x in (-3.0, 0.5, 4.0):
        row = np.array([[x, NAN]])
        density = oracles.marginal_density(x, *dense(model))
        assert np.exp(model.score_samples(row)[0]) == pytest.approx(density, rel=1e-6)
        second = oracles.expected_second(x, *dense(model))
        assert model.impute(row)[0, 1] == pytest.approx(second, rel=1e-6)
        assert model.regress([[x]], [0])[0, 0] == pytest.approx(second, rel=1e-6)


def test_em_with_holes_climbs_the_likelihood_of_what_is_known():
    """Its end is a stationary point of the oracle's likelihood: moved means are no better."""
    X = with_holes(clusters(100, d=2, k=2), 0.3)
    model = fitted(X, 2, tol=1e-12, max_iter=5000)
    weights, means, covariances = dense(model)
    best = oracles.log_likelihood(X, weights, means, covariances).sum()
    assert best == pytest.approx(model.score(X) * len(X))
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = means + 1e-3 * rng.standard_normal(means.shape)
        assert oracles.log_likelihood(X, weights, moved, covariances).sum() < best


@pytest.mark.parametrize("kind", TYPES)
def test_rows_without_a_value_change_nothing(kind):
    X = with_holes(clusters())
    more = np.vstack([X, np.full((9, 3), NAN)])
    same(fitted(X, covariance_type=kind), fitted(more, covariance_type=kind), rtol=1e-9)


def test_imputing_touches_nothing_that_is_known():
    X = with_holes(clusters())
    filled = fitted(X).impute(X)
    known = ~np.isnan(X)
    np.testing.assert_array_equal(filled[known], X[known])
    assert np.isfinite(filled).all()


# ------------------------------------------------------------ conditions and marginals


def test_marginal_and_condition_factor_the_density():
    model, X = fitted(clusters()), clusters(20, seed=9)
    for x in X[:5]:
        joint = model.score_samples(x[None])[0]
        seen = model.marginal([2, 0]).score_samples(x[None, [2, 0]])[0]
        rest = model.condition(x[[2, 0]], [2, 0]).score_samples(x[None, [1]])[0]
        assert seen + rest == pytest.approx(joint)


def test_regression_returns_the_moments_of_the_condition():
    model, X = fitted(clusters()), clusters(20, seed=9)
    mean, std = model.regress(X[:, [0, 2]], [0, 2], return_std=True)
    for x, m, s in zip(X, mean, std, strict=True):
        rest = model.condition(x[[0, 2]], [0, 2])
        centre = rest.weights_ @ rest.means_
        second = rest.weights_ @ (rest.covariances_[:, 0] + rest.means_**2)
        np.testing.assert_allclose(m, centre, rtol=1e-8)
        np.testing.assert_allclose(s, np.sqrt(second - centre**2), rtol=1e-6)


@pytest.mark.parametrize("features", [[0, 0], [3], [-1], [0, 1, 2], [0.5], []])
def test_impossible_features_are_refused(features):
    with pytest.raises(ValueError, match=r"GaussianMixture: features must be .* got"):
        fitted(clusters()).condition(np.zeros(len(features)), features)


# ------------------------------------------------------------ streams


class Blocks:
    """A table in pieces, anew in each pass."""

    def __init__(self, *parts):
        self.parts = parts

    def __iter__(self):
        return iter(self.parts)


@pytest.mark.parametrize("kind", TYPES)
def test_blocks_give_what_the_whole_table_gives(kind):
    X, weight = with_holes(clusters()), np.random.default_rng(0).random(240)
    whole = fitted(X, sample_weight=weight, covariance_type=kind)
    pieces = [(X[:100], weight[:100]), (X[100:], weight[100:])]
    for source in (pieces, Blocks(*pieces)):
        same(fitted(source, covariance_type=kind), whole, rtol=1e-6)


@pytest.mark.parametrize("kind", TYPES)
def test_batches_come_near_to_the_whole(kind):
    X = clusters(20_000, apart=2)
    whole = fitted(X, covariance_type=kind, reg_covar=1e-6)
    stream = GaussianMixture(3, covariance_type=kind, random_state=0, n_jobs=1)
    for batch in np.split(X, 20):
        stream.partial_fit(batch)
    assert stream.score(X) >= whole.score(X) - 0.01
    assert stream.n_iter_ == 20


def test_a_fitted_model_goes_on_with_batches():
    X = clusters(2000)
    model = fitted(X)
    before = model.score(X + 0.2)
    model.partial_fit(X + 0.2).partial_fit(X + 0.2)
    assert model.score(X + 0.2) > before


def test_a_generator_is_refused_with_the_cure():
    with pytest.raises(TypeError, match=r"blocks .* empty after one pass.*partial_fit"):
        GaussianMixture().fit(block for block in [clusters()])
    with pytest.raises(ValueError, match=r"at least one block, got none"):
        GaussianMixture().fit(Blocks())
    with pytest.raises(ValueError, match=r"sample_weight must be None with blocks"):
        GaussianMixture().fit([clusters(), clusters()], sample_weight=np.ones(480))


# ------------------------------------------------------------ labels and priors


def test_known_labels_number_the_components():
    X = clusters(apart=6, seed=4)
    plain = fitted(X)
    truth = plain.predict(X)
    labels = np.full(len(X), -1)
    for j, name in enumerate([2, 0, 1]):
        labels[np.flatnonzero(truth == j)[:3]] = name
    model = fitted(X, labels=labels)
    found = model.predict(X)
    np.testing.assert_array_equal(found, np.array([2, 0, 1])[truth])
    whole = fitted(X, labels=np.array([2, 0, 1])[truth], max_iter=3)
    for j in range(3):
        own = X[found == j]
        np.testing.assert_allclose(whole.means_[j], own.mean(axis=0), rtol=1e-9)
        np.testing.assert_allclose(whole.covariances_[j], np.cov(own.T, bias=True), rtol=1e-8)


@pytest.mark.parametrize("labels", [[0, 1], np.full(240, 3), np.full(240, 0.5), np.full(240, -2)])
def test_impossible_labels_are_refused(labels):
    with pytest.raises(ValueError, match=r"GaussianMixture: labels must be 240 integers from -1"):
        fitted(clusters(), labels=labels)


def test_the_prior_is_the_mode_of_the_posterior():
    """With one component the mode is known: (Ψ + S) / (n + ν + d + 1) (Fraley and Raftery)."""
    X = clusters(d=2)
    prior, freedom = np.array([[2.0, 0.3], [0.3, 1.0]]), 7.0
    options = {"covariance_prior": prior, "degrees_of_freedom_prior": freedom}
    S = np.cov(X.T, bias=True) * len(X)
    expected = (prior + S) / (len(X) + freedom + 3)
    np.testing.assert_allclose(fitted(X, 1, **options).covariances_[0], expected, rtol=1e-9)
    tied = fitted(X, 1, covariance_type="tied", **options).covariances_
    np.testing.assert_allclose(tied, expected, rtol=1e-9)
    diagonal = fitted(X, 1, covariance_type="diag", **options).covariances_[0]
    np.testing.assert_allclose(diagonal, np.diag(expected), rtol=1e-9)


@pytest.mark.parametrize("kind", TYPES)
def test_a_prior_keeps_components_from_collapsing(kind):
    X = np.vstack([clusters(40), np.full((5, 3), 9.0)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fitted(
            X, 4, quiet=False, covariance_type=kind, covariance_prior="auto", max_iter=3000
        )
    assert np.linalg.eigvalsh(dense(model)[2]).min() > 1e-4


# ------------------------------------------------------------ bad input


@pytest.mark.parametrize("kind", TYPES)
def test_collapsed_components_are_raised_with_a_warning(kind):
    X = np.vstack([np.ones((5, 3)), np.zeros((5, 3))])
    with pytest.warns(ConvergenceWarning, match=r"collapsed onto too few distinct rows"):
        model = fitted(X, 2, quiet=False, covariance_type=kind)
    assert np.isfinite(model.score(X))
    np.testing.assert_allclose(np.sort(model.means_[:, 0]), [0, 1], atol=1e-6)


@pytest.mark.parametrize("kind", TYPES)
def test_a_constant_feature_does_not_stop_the_fit(kind):
    X = clusters()
    X[:, 1] = 5.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianMixture(3, covariance_type=kind, random_state=0).fit(X)
    np.testing.assert_allclose(model.means_[:, 1], 5.0)
    assert np.isfinite(model.score(X))


def test_more_components_than_distinct_rows_are_said_so():
    X = np.repeat(np.array([[0.0, 1], [4, 2], [8, 0]]), 6, axis=0)
    with pytest.warns(ConvergenceWarning, match=r"n_components must be at most .* got 5 for 3"):
        model = fitted(X, 5, quiet=False, reg_covar=1e-6)
    assert np.isfinite(model.score(X))
    with pytest.raises(ValueError, match=r"Expected n_samples >= n_components"):
        fitted(X[:3], 5)


def test_nothing_to_learn_from_is_an_error():
    X = np.full((6, 2), NAN)
    with pytest.raises(ValueError, match=r"X must have a row with weight and a value, got none"):
        fitted(X, 1)
    with pytest.raises(ValueError, match=r"at least one non-zero"):
        fitted(clusters(), 1, sample_weight=np.zeros(240))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        fitted(clusters(), 1, sample_weight=np.full(240, -1.0))
    with pytest.raises(ValueError, match="infinity"):
        fitted(np.full((6, 2), np.inf), 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights_init": [0.5, 0.6]}, "weights_init must be nonnegative and sum to 1"),
        ({"weights_init": [1.0]}, "weights_init must be finite numbers of shape"),
        ({"means_init": [[0.0]]}, "means_init must be finite numbers of shape"),
        (
            {"precisions_init": np.zeros((2, 3, 3))},
            "precisions_init must be symmetric and positive",
        ),
        (
            {"precisions_init": [[-1.0] * 3] * 2, "covariance_type": "diag"},
            "precisions_init must be positive",
        ),
        (
            {"precisions_init": np.ones((2, 3, 3)), "covariance_type": "factor"},
            "precisions_init must be None",
        ),
        ({"covariance_prior": np.eye(2)}, "covariance_prior must be finite numbers of shape"),
        ({"covariance_prior": -np.eye(3)}, "covariance_prior must be symmetric and positive"),
    ],
)
def test_impossible_options_are_refused_in_one_form(options, message):
    with pytest.raises(ValueError, match=f"GaussianMixture: {message}.* got .*"):
        fitted(clusters(), 2, **options)


def test_too_few_samples_to_draw_are_refused():
    with pytest.raises(ValueError, match=r"n_samples must be a positive integer, got 0"):
        fitted(clusters()).sample(0)


def test_the_criteria_prefer_the_true_number():
    X = clusters(600, apart=6, seed=4)
    models = {k: fitted(X, k, init_params="kmeans", n_init=3) for k in (1, 2, 3, 5)}
    assert min(models, key=lambda k: models[k].bic(X)) == 3
    assert min(models, key=lambda k: models[k].icl(X)) == 3
    assert models[3].icl(X) >= models[3].bic(X)
    weight = np.full(600, 2.0)
    twice = models[3].bic(np.repeat(X, 2, axis=0))
    assert models[3].bic(X, weight) == pytest.approx(twice)
