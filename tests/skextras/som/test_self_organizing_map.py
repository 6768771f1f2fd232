"""The estimator: what it promises to scikit-learn's users, and what it refuses."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skextras import SelfOrganizingMap
from tests.oracles import som as oracle

X_IRIS, Y_IRIS = load_iris(return_X_y=True)


def table(n=200, d=4, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def test_errors_are_their_definitions():
    X = table()
    som = SelfOrganizingMap((5, 6), topology="hexagonal", n_epochs=4).fit(X)
    W = som.weights_.reshape(30, 4)
    best = oracle.nearest(X, W, n_best=2)
    np.testing.assert_array_equal(som.labels_, best[:, 0])
    np.testing.assert_array_equal(som.predict(X), som.labels_)
    distances = np.linalg.norm(X - W[best[:, 0]], axis=1)
    assert som.quantization_error_ == pytest.approx(distances.mean())
    grid = som._fitted_grid
    torn = [oracle.map_distance(grid, int(a), int(b)) > 1.01 for a, b in best]
    assert som.topographic_error_ == pytest.approx(np.mean(torn))
    assert som.score(X) == pytest.approx(-som.quantization_error_)
    np.testing.assert_allclose(som.score_samples(X), -distances)


def test_transform_quantize_and_their_inverse_agree():
    X = table()
    som = SelfOrganizingMap((4, 5), n_epochs=3)
    distances = som.fit_transform(X)
    expected = np.linalg.norm(X[:, None] - som.weights_.reshape(20, 4), axis=2)
    np.testing.assert_allclose(distances, expected, atol=1e-12)
    np.testing.assert_array_equal(som.inverse_transform(distances), som.quantize(X))
    with pytest.raises(ValueError, match="X must be distances to the 20 units, got '3 columns'"):
        som.inverse_transform(distances[:, :3])


def test_weights_mean_repetition():
    X = table(60)
    weights = np.random.default_rng(1).integers(0, 4, 60)
    repeated = SelfOrganizingMap((3, 4)).fit(np.repeat(X, weights, axis=0))
    weighted = SelfOrganizingMap((3, 4)).fit(X, sample_weight=weights)
    np.testing.assert_allclose(weighted.weights_, repeated.weights_, atol=1e-9)
    assert weighted.quantization_error_ == pytest.approx(repeated.quantization_error_)
    assert weighted.topographic_error_ == pytest.approx(repeated.topographic_error_)


def test_single_precision_is_kept():
    som = SelfOrganizingMap((3, 3)).fit(table().astype(np.float32))
    assert som.weights_.dtype == som.transform(table()[:3].astype(np.float32)).dtype == np.float32


def test_sparse_rows_give_the_map_of_dense_rows():
    X = table(120, 6)
    X[np.abs(X) < 1] = 0
    dense = SelfOrganizingMap((3, 4)).fit(X)
    for form in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
        som = SelfOrganizingMap((3, 4)).fit(form(X))
        np.testing.assert_allclose(som.weights_, dense.weights_, atol=1e-12)
        np.testing.assert_array_equal(som.predict(form(X)), dense.labels_)
        np.testing.assert_allclose(som.transform(form(X)), dense.transform(X), atol=1e-12)


def test_missing_values_are_left_out_and_a_row_of_them_is_named():
    X = np.vstack([table(100) + 5, table(100, seed=1) - 5])
    X[np.random.default_rng(2).random(X.shape) < 0.2] = np.nan
    X[np.isnan(X).all(axis=1)] = 5.0
    som = SelfOrganizingMap((1, 2), n_epochs=10, radius=(1, 0), decay="linear").fit(X)
    assert len(np.unique(som.labels_[:100])) == len(np.unique(som.labels_[100:])) == 1
    assert som.labels_[0] != som.labels_[150]
    X[7] = np.nan
    with pytest.raises(ValueError, match="X must have a value in each row, got row 7"):
        som.fit(X)
    with pytest.raises(ValueError, match="got row 7"):
        som.predict(X)
    X[7], X[:, 0], X[:, 2] = 0.0, 1.0, np.nan
    with pytest.raises(ValueError, match="got none in column 2"):
        som.fit(X)
    with pytest.raises(ValueError, match="NaN"):
        SelfOrganizingMap(metric="cosine").fit(X)


def test_partial_fit_is_an_epoch_of_fit():
    X = table()
    options = {"shape": (4, 4), "n_epochs": 5}
    som = SelfOrganizingMap(**options)
    for _ in range(5):
        som.partial_fit(X)
    np.testing.assert_array_equal(som.weights_, SelfOrganizingMap(**options).fit(X).weights_)
    assert som.partial_fit(X[:10]).n_iter_ == 6
    with pytest.raises(ValueError, match="features"):
        som.partial_fit(X[:, :2])


@pytest.mark.parametrize("init", ["pca", "sample", "random"])
def test_every_start_ends_in_a_map(init):
    som = SelfOrganizingMap((6, 6), init=init, random_state=0).fit(X_IRIS)
    assert som.quantization_error_ < 0.45
    again = SelfOrganizingMap((6, 6), init=init, random_state=0).fit(X_IRIS)
    np.testing.assert_array_equal(som.weights_, again.weights_)


def test_given_weights_are_where_units_begin():
    start = table(12).reshape(3, 4, 4)
    for init in (start, start.reshape(12, 4), start.tolist()):
        som = SelfOrganizingMap((3, 4), init=init, n_epochs=0).fit(X_IRIS)
        np.testing.assert_array_equal(som.weights_, start)


def test_the_principal_plane_of_many_features_needs_no_matrix(monkeypatch):
    X = table(300, 8) @ np.diag([5, 3, 1, 1, 1, 1, 1, 0.1])
    som = SelfOrganizingMap((3, 5), n_epochs=0)
    explicit = som.fit(X).weights_
    monkeypatch.setattr("skextras.som.start.MAX_DENSE", 2)
    np.testing.assert_allclose(som.fit(X).weights_, explicit, atol=1e-3)
    np.testing.assert_allclose(som.fit(sparse.csr_array(X)).weights_, explicit, atol=1e-3)
    assert np.ptp(som.fit(np.ones((5, 4))).weights_) == 0


def test_a_callable_decay_is_asked_with_start_end_and_share():
    seen = []

    def halving(start, end, share):
        seen.append((start, end, share))
        return start

    SelfOrganizingMap((2, 2), decay=halving, radius=(2, 1), n_epochs=3).fit(X_IRIS)
    assert seen == [(2.0, 1.0, 0.0), (2.0, 1.0, 0.5), (2.0, 1.0, 1.0)]


def test_a_map_serves_in_pipelines_and_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X_IRIS, columns=list("abcd"))
    model = make_pipeline(SelfOrganizingMap((5, 5)), LogisticRegression(max_iter=1000))
    assert model.fit(frame, Y_IRIS).score(frame, Y_IRIS) > 0.9
    som = SelfOrganizingMap((2, 3)).set_output(transform="pandas").fit(frame)
    assert som.transform(frame).columns.tolist() == [f"som{i}" for i in range(6)]
    mixed = make_column_transformer(
        (SelfOrganizingMap((2, 2)), ["a", "b"]), remainder="passthrough"
    )
    assert mixed.fit_transform(frame).shape == (150, 6)
    assert mixed.get_feature_names_out()[0] == "selforganizingmap__som0"


def test_a_pickled_map_is_the_same_map():
    som = SelfOrganizingMap((3, 3)).fit(X_IRIS)
    other = pickle.loads(pickle.dumps(som))
    np.testing.assert_array_equal(other.predict(X_IRIS), som.labels_)


def test_the_default_map_of_digits_keeps_their_order():
    X, _ = load_digits(return_X_y=True)
    som = SelfOrganizingMap((12, 12)).fit(X)
    assert som.topographic_error_ < 0.2
    assert som.quantization_error_ < 25


# ------------------------------------------------------------ odd input
def test_a_map_may_be_larger_than_the_sample():
    som = SelfOrganizingMap((8, 8)).fit(X_IRIS[:5])
    assert np.isfinite(som.weights_).all()
    assert SelfOrganizingMap((3, 3)).fit(X_IRIS[:1]).quantization_error_ == pytest.approx(0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_maps_of_one_row_work(shape, topology):
    som = SelfOrganizingMap(shape, topology=topology).fit(X_IRIS)
    assert len(np.unique(som.labels_)) > 0.5 * som.n_units_
    assert 0 <= som.topographic_error_ <= 1


def test_constant_columns_stay_constant():
    X = np.column_stack([X_IRIS, np.full(150, 7.0)])
    np.testing.assert_allclose(SelfOrganizingMap((3, 3)).fit(X).weights_[..., 4], 7.0)
    assert SelfOrganizingMap((3, 3)).fit(np.ones((20, 2))).quantization_error_ == 0


@pytest.mark.parametrize("neighborhood", ["gaussian", "bubble", "mexican_hat", "epanechnikov"])
def test_a_radius_may_reach_zero(neighborhood):
    options = {"radius": (2, 0), "decay": "linear", "neighborhood": neighborhood}
    som = SelfOrganizingMap((4, 4), n_epochs=15, **options).fit(X_IRIS)
    assert np.isfinite(som.weights_).all()
    assert som.quantization_error_ < 0.5


@pytest.mark.parametrize("algorithm", ["batch", "minibatch"])
def test_a_mexican_hat_spreads_the_map_further_but_not_off_the_rows(algorithm):
    fits = {}
    for neighborhood in ("gaussian", "mexican_hat"):
        som = SelfOrganizingMap((10, 10), neighborhood=neighborhood, algorithm=algorithm)
        fits[neighborhood] = som.fit(X_IRIS)
    assert fits["mexican_hat"].quantization_error_ < fits["gaussian"].quantization_error_
    width = np.ptp(X_IRIS, axis=0)
    assert (np.ptp(fits["mexican_hat"].weights_, axis=(0, 1)) < 1.5 * width).all()


def test_units_that_an_online_hat_drives_off_are_no_map():
    som = SelfOrganizingMap((4, 4), neighborhood="mexican_hat", algorithm="online")
    with pytest.raises(ValueError, match="neighborhood must be one that keeps units near the rows"):
        som.fit(X_IRIS)


BAD = {
    "shape": [((3,), "two whole numbers"), ((0, 3), "two whole numbers"), ((2.5, 3), "two whole")],
    "radius": [
        ((3, 0), "above 0 for decay='exponential'"),
        ((-1, 1), "at least 0"),
        ((1,), "two numbers"),
        (("a", 1), "two numbers"),
    ],
    "learning_rate": [((0.5, 2), "at most 1"), ((0.5, 0), "above 0"), ((np.nan, 1), "at least 0")],
    "init": [(np.zeros((2, 2)), "an array of shape"), (np.full((3, 4, 4), np.nan), "finite")],
    "metric": [("hamming", "metric")],
    "topology": [("round", "topology")],
    "neighborhood": [("square", "neighborhood")],
    "n_epochs": [(-1, "n_epochs")],
    "batch_size": [(0, "batch_size")],
}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [(name, value, message) for name, cases in BAD.items() for value, message in cases],
)
def test_a_bad_option_is_refused_by_its_name(name, value, message):
    som = SelfOrganizingMap(**{"shape": (3, 4), name: value})
    with pytest.raises(ValueError, match=message) as caught:
        som.fit(X_IRIS)
    assert name in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, None, "1", np.ones(2)])
def test_a_callable_decay_returns_a_finite_number(value):
    som = SelfOrganizingMap((2, 2), decay=lambda start, end, share: value)
    with pytest.raises(ValueError, match="SelfOrganizingMap: decay must be a function whose"):
        som.fit(X_IRIS)


@pytest.mark.parametrize("algorithm", ["online", "minibatch"])
def test_a_callable_decay_leads_no_further_than_to_the_rows(algorithm):
    som = SelfOrganizingMap((3, 3), algorithm=algorithm, decay=lambda start, end, share: 5.0)
    weights = som.fit(X_IRIS).weights_
    assert X_IRIS.min() - 1e-9 <= weights.min() <= weights.max() <= X_IRIS.max() + 1e-9


def test_numbers_too_large_to_be_added_are_no_missing_values():
    with pytest.raises(ValueError, match="finite statistics in each column"):
        SelfOrganizingMap((3, 3)).fit(X_IRIS * 1e300)
    X = (X_IRIS * 1e37).astype(np.float32)  # the sum of all is beyond float32
    assert np.isfinite(SelfOrganizingMap((3, 3), metric="cosine").fit(X).weights_).all()


def test_a_hexagonal_torus_needs_an_even_number_of_rows():
    with pytest.raises(ValueError, match="even number of rows"):
        SelfOrganizingMap((5, 4), topology="hexagonal", boundary="toroidal").fit(X_IRIS)
    SelfOrganizingMap((4, 5), topology="hexagonal", boundary="toroidal").fit(X_IRIS)
