"""GaussianMixture: parity with scikit-learn, and the laws of EM."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import mixture as host
from sklearn.exceptions import ConvergenceWarning

from skextras import GaussianMixture
from tests.oracles import mixture as oracles
from tests.skextras.mixture.tables import HOST_TYPES, TYPES, clusters, spread_init, with_holes

ROUNDING = 1e-9  # nats a row that sums in another order may differ by


def fitted(X, k=3, *, quiet=True, sample_weight=None, labels=None, **options):
    options = {"reg_covar": 0.0, "random_state": 0, "n_jobs": 1, **options}
    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianMixture(k, **options)
        return model.fit(X, sample_weight=sample_weight, labels=labels)


def same(one, other, rtol=1e-7, atol=1e-9):
    for name in ("weights_", "means_", "covariances_"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=atol)


def precisions(kind, k, d):
    whole = np.eye(d)
    return {"full": np.array([whole] * k), "tied": whole, "diag": np.ones((k, d))}.get(
        kind, np.ones(k)
    )


# ------------------------------------------------------------ parity


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", HOST_TYPES)
def test_iterations_equal_scikit_learns(kind, dtype):
    X = clusters(seed=1).astype(dtype)
    options = {
        "covariance_type": kind,
        "means_init": spread_init(X, 3),
        "weights_init": np.full(3, 1 / 3),
        "precisions_init": precisions(kind, 3, 3).astype(dtype),
        "tol": 0.0,
        "max_iter": 7,
    }
    ours = fitted(X, reg_covar=1e-6, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer = host.GaussianMixture(3, **options).fit(X)
    exact = {"rtol": 1e-9, "atol": 1e-9} if dtype == np.float64 else {"rtol": 1e-3, "atol": 1e-3}
    same(ours, peer, **exact)
    np.testing.assert_allclose(ours.lower_bounds_, peer.lower_bounds_, **exact)
    np.testing.assert_allclose(ours.score_samples(X), peer.score_samples(X), **exact)
    np.testing.assert_allclose(ours.predict_proba(X), peer.predict_proba(X), **exact)
    assert ours.means_.dtype == ours.covariances_.dtype == ours.score_samples(X).dtype == dtype
    assert ours.bic(X) == pytest.approx(peer.bic(X), rel=1e-4)
    assert ours.aic(X) == pytest.approx(peer.aic(X), rel=1e-4)


def test_a_step_equals_the_loops_of_the_oracle():
    X, weight = clusters(60), np.random.default_rng(0).random(60)
    means = spread_init(X, 3)
    start = np.full(3, 1 / 3), means, np.array([np.eye(3)] * 3)
    options = {"weights_init": start[0], "means_init": means, "precisions_init": start[2]}
    ours = fitted(X, sample_weight=weight, max_iter=1, **options)
    weights, means, covariances = oracles.em_step(X, weight, *start)
    np.testing.assert_allclose(ours.weights_, weights, rtol=1e-10)
    np.testing.assert_allclose(ours.means_, means, rtol=1e-10)
    np.testing.assert_allclose(ours.covariances_, covariances, rtol=1e-9, atol=1e-12)


# ------------------------------------------------------------ laws


@given(
    seed=st.integers(0, 999),
    kind=st.sampled_from(TYPES),
    has_holes=st.booleans(),
    is_weighted=st.booleans(),
    acceleration=st.sampled_from([None, "squarem", "anderson"]),
    prior=st.sampled_from([None, "auto"]),
)
@settings(max_examples=40, deadline=None)
def test_the_likelihood_never_falls(seed, kind, has_holes, is_weighted, acceleration, prior):
    X = clusters(80, seed=seed, apart=1.5)
    X = with_holes(X, seed=seed) if has_holes else X
    weight = np.random.default_rng(seed).random(80) if is_weighted else None
    options = {"covariance_prior": prior, "acceleration": acceleration, "init_params": "random"}
    model = fitted(
        X, 2, sample_weight=weight, covariance_type=kind, tol=1e-9, max_iter=40, **options
    )
    assert np.all(np.diff(model.lower_bounds_) >= -ROUNDING)
    if prior is None:
        assert model.score(X, sample_weight=weight) >= model.lower_bound_ - ROUNDING


@pytest.mark.parametrize("has_holes", [False, True])
@pytest.mark.parametrize("kind", TYPES)
def test_weights_are_repetitions_and_zero_is_absence(kind, has_holes):
    X = with_holes(clusters(120)) if has_holes else clusters(120)
    counts = np.random.default_rng(1).integers(0, 4, size=120)
    weighted = fitted(X, sample_weight=counts, covariance_type=kind)
    same(weighted, fitted(np.repeat(X, counts, axis=0), covariance_type=kind), rtol=1e-6)


@pytest.mark.parametrize("has_holes", [False, True])
@pytest.mark.parametrize("kind", TYPES)
def test_the_order_of_rows_and_components_does_not_matter(kind, has_holes):
    X = with_holes(clusters()) if has_holes else clusters()
    order = np.random.default_rng(2).permutation(len(X))
    model, other = fitted(X, covariance_type=kind), fitted(X[order], covariance_type=kind)
    same(model, other, rtol=1e-6)
    np.testing.assert_allclose(other.score_samples(X), model.score_samples(X), rtol=1e-6)
    means = spread_init(X, 3)
    turned = fitted(X, covariance_type=kind, means_init=means[::-1], max_iter=5)
    straight = fitted(X, covariance_type=kind, means_init=means, max_iter=5)
    if kind == "tied":  # else a start's covariances stay with its assignments
        assert turned.lower_bound_ == pytest.approx(straight.lower_bound_, abs=0.2)


@pytest.mark.parametrize("kind", TYPES)
def test_an_offset_of_a_hundred_million_costs_no_digit(kind):
    X = np.round(clusters(), 6)
    here, there = fitted(X, covariance_type=kind), fitted(X + 1e8, covariance_type=kind)
    np.testing.assert_allclose(there.means_ - 1e8, here.means_, atol=1e-6)
    np.testing.assert_allclose(there.covariances_, here.covariances_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(there.score_samples(X + 1e8), here.score_samples(X), atol=1e-4)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("prior", [None, "auto"])
@pytest.mark.parametrize("kind", TYPES)
def test_a_change_of_unit_changes_the_unit_alone(kind, prior, scale):
    X = clusters()
    options = {"covariance_type": kind, "covariance_prior": prior}
    here, there = fitted(X, **options), fitted(scale * X, **options)
    np.testing.assert_allclose(there.means_, scale * here.means_, rtol=1e-6, atol=1e-6 * scale)
    np.testing.assert_allclose(
        there.covariances_, scale**2 * here.covariances_, rtol=1e-5, atol=1e-8 * scale**2
    )


@pytest.mark.parametrize("kind", TYPES)
def test_one_component_is_the_sample(kind):
    X = clusters(d=2)
    model = fitted(X, 1, covariance_type=kind, n_factors=1, tol=1e-12, max_iter=2000)
    np.testing.assert_allclose(model.means_[0], X.mean(axis=0), rtol=1e-10)
    whole = np.cov(X.T, bias=True)
    expected = {"diag": np.diag(whole)[None], "spherical": [np.trace(whole) / 2], "tied": whole}
    np.testing.assert_allclose(
        model.covariances_, expected.get(kind, whole[None]), rtol=1e-4 if kind == "factor" else 1e-9
    )


@pytest.mark.parametrize("kind", TYPES)
def test_threads_change_no_bit(kind):
    X = clusters(30_000, seed=3)
    options = {"covariance_type": kind, "max_iter": 3, "means_init": X[:3]}
    one, three = fitted(X, n_jobs=1, **options), fitted(X, n_jobs=3, **options)
    assert one.lower_bounds_ == three.lower_bounds_
    for name in ("weights_", "means_", "covariances_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))


@pytest.mark.parametrize("kind", TYPES)
def test_covariances_precisions_and_their_roots_agree(kind):
    model = fitted(clusters(), covariance_type=kind)
    if kind in ("diag", "spherical"):
        np.testing.assert_allclose(model.precisions_ * model.covariances_, 1)
        np.testing.assert_allclose(model.precisions_cholesky_**2, model.precisions_)
    else:
        unit = model.precisions_ @ model.covariances_
        np.testing.assert_allclose(unit, np.broadcast_to(np.eye(3), unit.shape), atol=1e-9)
        assert np.array_equal(np.triu(model.precisions_cholesky_), model.precisions_cholesky_)


def test_tight_components_far_apart_keep_their_digits():
    """A common centre leaves 1e5 standard deviations, whose square takes ten digits."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.standard_normal((200, 2)) + 1e5 * c for c in (-1, 1)])
    for kind in HOST_TYPES:
        model = fitted(X, 2, covariance_type=kind)
        groups = [X[:200], X[200:]]
        whole = np.array([np.cov(group.T, bias=True) for group in groups])
        expected = {
            "full": np.sort(whole[:, 0, 0]),
            "tied": whole.mean(axis=0)[0, 0],
            "diag": np.sort(whole[:, 0, 0]),
            "spherical": np.sort(np.trace(whole, axis1=1, axis2=2) / 2),
        }[kind]
        found = model.covariances_
        found = found[:, 0, 0] if kind == "full" else found
        found = found[0, 0] if kind == "tied" else found
        found = found[:, 0] if kind == "diag" else found
        np.testing.assert_allclose(np.sort(np.atleast_1d(found)), expected, rtol=1e-9)


# ------------------------------------------------------------ the rest of the life cycle


@pytest.mark.parametrize("init", ["kmeans", "k-means++", "random", "random_from_data"])
def test_every_start_finds_clusters_far_apart_from_ten(init):
    X = clusters(apart=8, seed=5)
    model = fitted(X, init_params=init, n_init=10, reg_covar=1e-6, discard_starts=True)
    best = fitted(X, n_init=10, discard_starts=False)
    assert model.score(X) == pytest.approx(best.score(X), abs=0.05)


def test_a_warm_start_goes_on_where_the_last_fit_stopped():
    X = clusters(apart=1)
    whole = fitted(X, max_iter=6, tol=0.0)
    parts = GaussianMixture(
        3, warm_start=True, max_iter=3, tol=0.0, reg_covar=0.0, random_state=0, n_jobs=1
    )
    for _ in range(2):
        with pytest.warns(ConvergenceWarning, match="did not converge"):
            parts.fit(X)
    same(parts, whole, rtol=1e-8)


@pytest.mark.parametrize(
    ("options", "n_features"),
    [({"n_components": 3}, 4), ({"covariance_type": "diag"}, 4), ({}, 3)],
)
def test_a_warm_start_of_another_shape_is_refused(options, n_features):
    X = clusters(d=4)
    model = GaussianMixture(2, warm_start=True, random_state=0, n_jobs=1).fit(X)
    with pytest.raises(ValueError, match=r"as in the fit that warm_start goes on from, got"):
        model.set_params(**options).fit(X[:, :n_features])
    model.set_params(warm_start=False).fit(X[:, :n_features])


def test_a_batch_for_other_components_is_refused():
    model = GaussianMixture(2, random_state=0, n_jobs=1).partial_fit(clusters())
    with pytest.raises(ValueError, match=r"n_components must be 2, as in the batches before"):
        model.set_params(n_components=3).partial_fit(clusters())


def test_verbose_says_how_it_goes(capsys):
    fitted(clusters(), verbose=2, verbose_interval=1)
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("[GaussianMixture] start 0  iteration 1  objective -")
    assert " s" in first


@pytest.mark.parametrize("kind", TYPES)
def test_samples_come_from_the_model(kind):
    model = fitted(clusters(), covariance_type=kind)
    X, y = model.sample(20_000)
    np.testing.assert_allclose(np.bincount(y) / len(y), model.weights_, atol=0.02)
    dense = model._family().dense(model._own_parameters(np.zeros(3))[2], 3, 3)
    for j in range(3):
        np.testing.assert_allclose(X[y == j].mean(axis=0), model.means_[j], atol=0.15)
        np.testing.assert_allclose(np.cov(X[y == j].T), dense[j], atol=0.15 * dense[j].max())


def test_accelerations_get_there_in_fewer_iterations():
    X = clusters(400, apart=0.7, seed=2)
    options = {"tol": 1e-10, "max_iter": 20_000, "means_init": spread_init(X, 3)}
    plain = fitted(X, **options)
    for acceleration in ("squarem", "anderson"):
        quick = fitted(X, acceleration=acceleration, **options)
        assert quick.n_iter_ < 0.6 * plain.n_iter_
        assert quick.score(X) >= plain.score(X) - 1e-6
