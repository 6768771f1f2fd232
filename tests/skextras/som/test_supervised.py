"""Maps with labels: they see labels while they learn, and answer by features alone."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.model_selection import cross_val_score, train_test_split

from skextras import SOMClassifier, SOMRegressor

X_IRIS, Y_IRIS = load_iris(return_X_y=True)


def test_digits_are_told_apart_and_labels_help():
    split = train_test_split(*load_digits(return_X_y=True), random_state=0)
    X, X_test, y, y_test = split
    seen = SOMClassifier((15, 15)).fit(X, y).score(X_test, y_test)
    unseen = SOMClassifier((15, 15), label_weight=0).fit(X, y).score(X_test, y_test)
    assert seen > 0.93
    assert seen > unseen


def test_probabilities_are_shares_of_the_labels_around_a_unit():
    y = np.array(["a", "b", "c"])[Y_IRIS]
    model = SOMClassifier((5, 5)).fit(X_IRIS, y)
    shares = model.predict_proba(X_IRIS)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_[shares.argmax(axis=1)], model.predict(X_IRIS))
    assert model.class_map_.shape == (5, 5)
    assert model.map_proba_.shape == (5, 5, 3)
    assert model.weights_.shape == (5, 5, 4)


def test_a_regressor_answers_with_means_of_its_rows():
    X, y = load_diabetes(return_X_y=True)
    assert cross_val_score(SOMRegressor((6, 6)), X, y).mean() > 0.3
    model = SOMRegressor((1, 1), label_weight=0).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y.mean())
    assert SOMRegressor((4, 4)).fit(X, np.ones(len(y))).predict(X) == pytest.approx(1)


@pytest.mark.parametrize("label_weight", [0, 0.5])
def test_storage_of_the_rows_changes_nothing(label_weight):
    X = np.where(X_IRIS < 2, 0, X_IRIS)
    model = SOMClassifier((4, 4), label_weight=label_weight)
    dense = model.fit(X, Y_IRIS).predict_proba(X)
    other = model.fit(sparse.csr_array(X), Y_IRIS).predict_proba(sparse.csr_array(X))
    np.testing.assert_allclose(other, dense, atol=1e-9)
    assert model.fit(X.astype(np.float32), Y_IRIS).weights_.dtype == np.float32


def test_given_weights_begin_without_labels():
    start = np.random.default_rng(0).standard_normal((3, 3, 4)) + X_IRIS.mean(axis=0)
    model = SOMClassifier((3, 3), init=start, n_epochs=0).fit(X_IRIS, Y_IRIS)
    np.testing.assert_allclose(model.weights_, start)
    assert SOMClassifier((3, 3), init=start).fit(X_IRIS, Y_IRIS).score(X_IRIS, Y_IRIS) > 0.9


def test_missing_values_are_taken():
    X = X_IRIS.copy()
    X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    X[np.isnan(X).all(axis=1)] = X_IRIS[0, 0]
    assert SOMClassifier((5, 5)).fit(X, Y_IRIS).score(X, Y_IRIS) > 0.85


def test_labels_are_no_part_of_an_angle():
    with pytest.raises(ValueError, match=r"label_weight must be 0 for metric='cosine', got 0.5"):
        SOMClassifier(metric="cosine").fit(X_IRIS, Y_IRIS)
    model = SOMClassifier((5, 5), metric="cosine", label_weight=0).fit(X_IRIS, Y_IRIS)
    assert model.score(X_IRIS, Y_IRIS) > 0.9
    with pytest.raises(ValueError, match="label_weight"):
        SOMRegressor(label_weight=-1).fit(X_IRIS, Y_IRIS)


def test_class_weights_are_sample_weights():
    weights = np.array([1.0, 3.0, 0.5])
    weighed = SOMClassifier((4, 4), class_weight=dict(enumerate(weights.tolist()))).fit(
        X_IRIS, Y_IRIS
    )
    other = SOMClassifier((4, 4)).fit(X_IRIS, Y_IRIS, weights[Y_IRIS])
    np.testing.assert_allclose(weighed.map_proba_, other.map_proba_, atol=1e-9)
    rare = np.r_[np.arange(105), 149]
    balanced = SOMClassifier((1, 1), class_weight="balanced").fit(X_IRIS[rare], Y_IRIS[rare])
    np.testing.assert_allclose(balanced.map_proba_, 1 / 3, atol=1e-6)
