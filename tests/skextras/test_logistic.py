"""KernelLogisticRegression: parity with LogisticRegression, laws, options, bad input."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs, make_circles, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import pairwise_kernels, rbf_kernel
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skextras import KernelLogisticRegression
from tests.oracles.skextras import repeated

KERNELS = ["rbf", "laplacian", "poly", "polynomial", "linear", "cosine", "chi2", "additive_chi2"]


def table(n_classes=2, n=60, seed=0):
    """A small positive table with some noise."""
    X, y = make_classification(
        n, 6, n_informative=4, n_classes=n_classes, n_clusters_per_class=1, random_state=seed
    )
    return np.abs(X), y


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_linear_kernel_equals_logistic_regression(n_classes, C, fit_intercept):
    X, y = table(n_classes)
    options = {"C": C, "fit_intercept": fit_intercept}
    peer = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000, **options)
    ours = KernelLogisticRegression(kernel="linear", **options).fit(X, y)
    np.testing.assert_allclose(
        ours.predict_proba(X), peer.fit(X, y).predict_proba(X), rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(ours.coef_, peer.coef_, atol=2e-5 * (1 + C))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_fits_better_than_the_prior(kernel, n_classes):
    X, y = table(n_classes)
    model = KernelLogisticRegression(C=10, kernel=kernel, coef0=1.0).fit(X, y)
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    log_loss = -np.log(probabilities[np.arange(len(y)), y]).mean()
    assert log_loss < 0.8 * np.log(n_classes)
    # With a free intercept the mean probability of each class is its share of the rows.
    np.testing.assert_allclose(
        probabilities.mean(axis=0), np.bincount(y) / len(y), atol=1e-7, rtol=0
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([2, 3]))
def test_weights_mean_repetition(seed, n_classes):
    X, y = table(n_classes, seed=seed)
    counts = np.random.default_rng(seed).integers(0, 4, size=len(y))
    weighted = KernelLogisticRegression().fit(X, y, sample_weight=counts)
    repeats = KernelLogisticRegression().fit(*repeated(X, y, counts))
    np.testing.assert_allclose(
        weighted.decision_function(X), repeats.decision_function(X), atol=1e-6
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_rows_may_stand_in_any_order_and_labels_bear_any_name(n_classes):
    X, y = table(n_classes)
    order = np.random.default_rng(1).permutation(len(y))
    names = np.array(["aye", "bee", "sea"])
    base = KernelLogisticRegression().fit(X, y)
    moved = KernelLogisticRegression().fit(X[order], names[y][order])
    np.testing.assert_allclose(base.predict_proba(X), moved.predict_proba(X), atol=1e-8)
    assert list(moved.predict(X)) == list(names[base.predict(X)])


def test_balanced_classes_equal_weights_by_hand():
    X, y = table()
    y[:20] = 0
    by_hand = len(y) / (2 * np.bincount(y))
    balanced = KernelLogisticRegression(class_weight="balanced").fit(X, y)
    weighted = KernelLogisticRegression(class_weight=dict(enumerate(by_hand))).fit(X, y)
    np.testing.assert_allclose(balanced.dual_coef_, weighted.dual_coef_, rtol=1e-9)


def test_coefficients_of_features_exist_for_the_linear_kernel_only():
    X, y = table()
    assert KernelLogisticRegression(kernel="linear").fit(sparse.csr_array(X), y).coef_.shape == (
        1,
        6,
    )
    with pytest.raises(AttributeError, match="coef_ needs kernel='linear', got 'rbf'"):
        _ = KernelLogisticRegression().fit(X, y).coef_


def test_circles_that_no_line_can_part():
    X, y = make_circles(200, noise=0.05, factor=0.5, random_state=0)
    assert KernelLogisticRegression().fit(X, y).score(X, y) == 1.0
    assert KernelLogisticRegression(kernel="linear").fit(X, y).score(X, y) < 0.7


@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "poly", "linear", "cosine"])
def test_sparse_rows_equal_dense_rows(kernel):
    X, y = table(3)
    X[X < 0.5] = 0
    weights = np.linspace(0, 2, len(y))
    dense = KernelLogisticRegression(kernel=kernel).fit(X, y, weights)
    thin = KernelLogisticRegression(kernel=kernel).fit(sparse.csr_array(X), y, weights)
    assert thin.gamma_ == (pytest.approx(dense.gamma_) if dense.gamma_ else None)
    np.testing.assert_allclose(
        thin.predict_proba(sparse.coo_array(X)), dense.predict_proba(X), atol=1e-9
    )


def test_precomputed_callable_and_kernel_object_equal_the_name():
    X, y = table()
    named = KernelLogisticRegression(gamma=0.5).fit(X, y)
    gram = rbf_kernel(X, gamma=0.5)
    by_hand = KernelLogisticRegression(kernel=lambda a, b, g: np.exp(-g * np.sum((a - b) ** 2)))
    by_hand.set_params(kernel_params={"g": 0.5})
    for model, rows in [
        (KernelLogisticRegression(kernel="precomputed"), gram),
        (KernelLogisticRegression(kernel="precomputed"), sparse.csr_array(gram)),
        (KernelLogisticRegression(kernel=RBF(1.0)), X),
        (by_hand, X),
    ]:
        np.testing.assert_allclose(
            model.fit(rows, y).decision_function(rows), named.decision_function(X), atol=1e-7
        )


def test_a_precomputed_kernel_is_cut_both_ways_by_cross_validation():
    X, y = table(n=80)
    direct = cross_val_score(KernelLogisticRegression(gamma=0.5), X, y)
    gram = rbf_kernel(X, gamma=0.5)
    assert list(direct) == list(
        cross_val_score(KernelLogisticRegression(kernel="precomputed"), gram, y)
    )


def test_far_from_the_origin_the_rbf_kernel_keeps_its_digits():
    X, y = table(n=80)
    X = np.round(X, 6)
    near = KernelLogisticRegression(gamma=0.3).fit(X, y)
    far = KernelLogisticRegression(gamma=0.3).fit(X + 2.0**27, y)  # about 1.3e8
    scaled = KernelLogisticRegression().fit(X + 2.0**27, y)
    np.testing.assert_allclose(
        far.predict_proba(X + 2.0**27), near.predict_proba(X), atol=1e-5
    )  # the sum itself rounds to 1.5e-8
    assert scaled.gamma_ == pytest.approx(KernelLogisticRegression().fit(X, y).gamma_, rel=1e-6)


@pytest.mark.parametrize("solver", ["exact", "nystroem"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_separable_rows_have_a_finite_answer_and_a_warning_that_says_why(solver, n_classes):
    X, y = np.arange(2.0 * n_classes)[:, None], np.arange(2 * n_classes) // 2
    model = KernelLogisticRegression(C=1e8, kernel="linear", solver=solver)
    with pytest.warns(UserWarning, match="the kernel separates the classes.*Lower C, got 1"):
        model.fit(X, y)
    assert np.all(np.isfinite(model.decision_function(X)))
    assert model.score(X, y) == 1.0


@pytest.mark.parametrize("strength", [1e6, 1e8, 1e12])
@pytest.mark.parametrize("seed", range(4))
def test_classes_told_apart_are_told_apart_however_large_the_strength(seed, strength):
    X, y = make_blobs(60, 3, centers=3, random_state=seed)
    model = KernelLogisticRegression(C=strength, kernel="linear", solver="exact")
    with pytest.warns(UserWarning, match="the kernel separates the classes"):
        assert model.fit(X, y).score(X, y) == 1.0


@pytest.mark.parametrize("n", [300, 1500])  # by factors, and by conjugate gradients
def test_no_strength_is_too_large_for_rows_that_are_not_told_apart(n):
    X, y = make_classification(n, 4, n_informative=3, n_redundant=0, flip_y=0.2, random_state=0)
    free = LogisticRegression(C=np.inf, tol=1e-10).fit(X, y)
    with pytest.warns(ConvergenceWarning) as told:  # digits run out; nothing is told apart
        model = KernelLogisticRegression(C=1e12, kernel="linear").fit(X, y)
    assert len(told) == 1
    assert model.score(X, y) == pytest.approx(free.score(X, y), abs=0.01)


def test_clear_classes_with_a_common_strength_raise_no_alarm():
    X, y = load_iris(return_X_y=True)
    KernelLogisticRegression(C=100).fit(X, y)  # warnings are errors here
    KernelLogisticRegression(C=100).fit(*make_circles(200, noise=0.05, factor=0.3, random_state=0))


@pytest.mark.parametrize("n", [60, 1200])
def test_a_warm_start_takes_fewer_steps_to_the_same_place(n):
    X, y = table(n=n)
    model = KernelLogisticRegression(warm_start=True).fit(X, y)
    cold = KernelLogisticRegression(1.1).fit(X, y)
    warm = model.set_params(C=1.1).fit(X, y)
    few = n == 60  # beyond, a cold start is the solution of a low-rank model
    assert warm.n_iter_ <= cold.n_iter_ - few
    np.testing.assert_allclose(warm.decision_function(X), cold.decision_function(X), atol=1e-6)


@pytest.mark.parametrize("solver", ["exact", "nystroem"])
def test_bad_data_is_named_by_every_solver(solver):
    X, y = table(n=1200)
    model = KernelLogisticRegression(solver=solver, n_components=50)
    holed = X.copy()
    holed[3, 2] = np.nan
    for rows, labels, weights, message in [
        (holed, y, None, "contains NaN"),
        (X[:0], y[:0], None, "0 sample"),
        (X, np.zeros(len(y)), None, "at least 2 classes"),
        (X, y, np.zeros(len(y)), "(?i)weight"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.fit(rows, labels, weights)
    with pytest.raises(ValueError, match="kernel must be positive semi-definite"):
        model.set_params(kernel="sigmoid", gamma=1.0, coef0=-1.0, C=100).fit(X, y)


@pytest.mark.parametrize("solver", ["exact", "nystroem"])
def test_duplicates_and_a_kernel_that_is_the_identity(solver):
    X, y = table(n=600)
    double, labels = np.repeat(X, 2, axis=0), np.repeat(y, 2)
    model = KernelLogisticRegression(solver=solver, random_state=0).fit(double, labels)
    once = KernelLogisticRegression(solver="exact").fit(X, y, np.full(600, 2.0))
    np.testing.assert_allclose(model.predict_proba(X), once.predict_proba(X), atol=2e-2)
    alone = KernelLogisticRegression(solver=solver, gamma=1e9, n_components=1200).fit(X, y)
    shares = np.bincount(y) / len(y)  # far from all rows the intercept is all there is
    assert np.isfinite(alone.predict_proba(X)).all()
    np.testing.assert_allclose(alone.predict_proba(X + 5.0), shares[None].repeat(600, 0), atol=0.1)


def test_log_probabilities_are_finite_where_probabilities_underflow():
    X, y = np.array([[-1.0], [1.0]]), [0, 1]
    model = KernelLogisticRegression(C=1e3, kernel="linear").fit(X, y)
    far = np.array([[1e4]])
    assert model.predict_proba(far)[0, 0] == 0
    assert np.isfinite(model.predict_log_proba(far)).all()
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)))


def test_prediction_in_blocks_equals_prediction_at_once():
    X, y = table(3)
    model = KernelLogisticRegression().fit(X, y)
    whole = model.predict_proba(X)
    with config_context(working_memory=0.002):  # four rows of 60 numbers
        np.testing.assert_allclose(model.predict_proba(X), whole, rtol=1e-12)


def test_the_number_of_threads_changes_nothing_but_rounding():
    X, y = table(3, n=300)
    fits = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            fits.append(KernelLogisticRegression().fit(X, y).predict_proba(X))
    np.testing.assert_allclose(*fits, atol=1e-10)


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X.astype(np.float32),
        lambda X: X.tolist(),
        lambda X: np.asfortranarray(X),
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: pd.DataFrame(X, columns=list("abcdef")),
    ],
    ids=["float32", "list", "fortran", "strided", "frame"],
)
def test_rows_in_any_form(form):
    X, y = table()
    X = X.astype(np.float32).astype(np.float64)
    base = KernelLogisticRegression().fit(X, y).predict_proba(X)
    model = KernelLogisticRegression().fit(form(X), y)
    np.testing.assert_allclose(model.predict_proba(form(X)), base, atol=1e-10)


def test_read_only_input_is_taken_and_left_alone():
    X, y = table()
    weights = np.ones(len(y))
    before = X.copy(), y.copy(), weights.copy()
    for array in (X, y, weights):
        array.setflags(write=False)
    KernelLogisticRegression().fit(X, y, weights).predict(X)
    for array, copy in zip((X, y, weights), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_in_a_grid_search_over_a_pipeline_and_through_pickle():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), KernelLogisticRegression())
    grid = {
        "kernellogisticregression__C": [0.1, 10],
        "kernellogisticregression__gamma": [0.1, "scale"],
    }
    search = GridSearchCV(model, grid, scoring="neg_log_loss", cv=3).fit(X, y)
    assert search.best_params_["kernellogisticregression__C"] == 10
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
    clone(search)


def test_verbose_prints_one_line_for_each_step(capsys):
    X, y = table()
    model = KernelLogisticRegression(verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_ + 1
    assert lines[0].startswith("[KernelLogisticRegression] step   0  objective")


def test_too_few_steps_warn_with_the_cure():
    X, y = table()
    with pytest.warns(ConvergenceWarning, match="Increase max_iter or lower C"):
        KernelLogisticRegression(max_iter=1).fit(X, y)


def test_constant_columns_and_duplicate_rows():
    X, y = np.zeros((6, 2)), [0, 1, 0, 1, 1, 1]
    model = KernelLogisticRegression().fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 4 / 6, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"C": 0}, r"'C' parameter of KernelLogisticRegression must be a float in the range"),
        ({"C": "1"}, r"'C' parameter"),
        ({"kernel": "gauss"}, r"'kernel' parameter .* must be a str among"),
        ({"gamma": -1.0}, r"'gamma' parameter"),
        ({"gamma": "median?"}, r"'gamma' parameter"),
        ({"max_iter": 0}, r"'max_iter' parameter"),
        ({"tol": 0.0}, r"'tol' parameter"),
        ({"class_weight": "even"}, r"'class_weight' parameter"),
    ],
)
def test_bad_options_are_named_with_what_is_allowed(options, message):
    with pytest.raises(ValueError, match=message):
        KernelLogisticRegression(**options).fit(*table())


def test_bad_data_gets_one_clear_line():
    X, y = table()
    holed = X.copy()
    holed[3, 2] = np.nan
    model = KernelLogisticRegression()
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(holed, y)
    with pytest.raises(ValueError, match="y must hold at least 2 classes, got one class: 1"):
        model.fit(X, np.ones(len(y), dtype=int))
    with pytest.raises(ValueError, match=r"(?i)weight"):
        model.fit(X, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(ValueError, match=r"(?i)negative"):
        model.fit(X, y, sample_weight=-np.ones(len(y)))
    with pytest.raises(ValueError, match="X must be square for kernel='precomputed', got 60 rows"):
        KernelLogisticRegression(kernel="precomputed").fit(X, y)
    with pytest.raises(ValueError, match="7 features, but KernelLogisticRegression is expecting 6"):
        model.fit(X, y).predict(np.ones((2, 7)))


def test_a_kernel_that_is_not_one_is_named():
    X, y = table()
    gram = pairwise_kernels(X)
    with pytest.raises(ValueError, match="kernel must be symmetric and finite"):
        KernelLogisticRegression(kernel="precomputed").fit(np.triu(gram), y)
    with pytest.raises(ValueError, match="kernel must be symmetric and finite"):
        KernelLogisticRegression(kernel=lambda a, b: np.nan).fit(X, y)
    with pytest.raises(ValueError, match="kernel must be positive semi-definite, got 'sigmoid'"):
        KernelLogisticRegression(C=100, kernel="sigmoid", gamma=1.0, coef0=-1.0).fit(X, y)
