"""What is left out, what is chosen, and which kernels there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.gaussian_process.kernels import Matern

from skextras import KernelLogisticRegression, KernelLogisticRegressionCV
from skextras.kernel.kernels import Kernel
from skextras.kernel.solvers import (
    Curve,
    Laplace,
    SquareKernel,
    left_out,
    left_out_scores,
    likelihood,
    operators,
    solve_large,
    solve_newton,
)
from tests.oracles.kernel_posterior import refits, symmetric_product


def problem(k=1, n=60, seed=0):
    """A table, its labels as targets, and its kernel."""
    X, y = make_classification(
        n,
        5,
        n_informative=4,
        n_redundant=0,
        n_classes=max(k, 2),
        n_clusters_per_class=1,
        flip_y=0.2,
        random_state=seed,
    )
    targets = y[:, None].astype(float) if k == 1 else np.eye(k)[y]
    return X, targets, Kernel("rbf", {"gamma": 0.1}).pairs(X, X)


def matrix(pairs, n):
    return pairs.block(slice(0, n), slice(0, n), np.float64).copy()


def fitted(K, targets, c, fit_intercept):
    """Scores and coefficients of an exact fit, the loss and the posterior there."""
    loss = likelihood(targets, c)
    whole = solve_newton(K, targets, c, fit_intercept=fit_intercept)
    F = K @ whole.dual_coef + whole.intercept
    return F, whole.dual_coef, loss, Laplace(K, loss, F, fit_intercept=fit_intercept)


@pytest.mark.parametrize("strength", [0.1, 2.0, 100.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("k", [1, 3])
def test_leave_one_out_from_one_fit_equals_refits(k, fit_intercept, strength):
    n = 60
    _, targets, pairs = problem(k)
    c = strength * np.linspace(0.5, 1.5, n)
    K = matrix(pairs, n)
    F, A, loss, posterior = fitted(K, targets, c, fit_intercept)
    exact = refits(K, targets, c, fit_intercept=fit_intercept)
    mean = likelihood(targets, np.full(n, 1 / n))
    approximate = left_out_scores(posterior, loss, F, A)
    assert abs(mean.value(approximate) - mean.value(exact)) <= 1e-3


def test_one_step_serves_where_the_covariance_would_not_fit(monkeypatch):
    monkeypatch.setattr(left_out, "JOINT", 0)
    n, c = 60, np.full(60, 2.0)
    _, targets, pairs = problem(3)
    K = matrix(pairs, n)
    F, A, loss, posterior = fitted(K, targets, c, fit_intercept=True)
    mean, exact = likelihood(targets, np.full(n, 1 / n)), refits(K, targets, c, fit_intercept=True)
    error = mean.value(left_out_scores(posterior, loss, F, A)) - mean.value(exact)
    assert abs(error) <= 0.1 * (mean.value(exact) - mean.value(F))  # of what being left out costs


@pytest.mark.parametrize("k", [1, 3])
def test_steps_without_a_row_end_at_the_refit(k, monkeypatch):
    monkeypatch.setattr(left_out, "OPEN", 0.0)  # none is done after two steps
    monkeypatch.setattr(left_out, "CLOSED", 1e-9)
    monkeypatch.setattr(left_out, "CHUNK", 500)  # several batches
    n, c = 30, np.full(30, 5.0)
    _, targets, pairs = problem(k, n)
    K = matrix(pairs, n)
    F, A, loss, posterior = fitted(K, targets, c, fit_intercept=True)
    approximate, exact = left_out_scores(posterior, loss, F, A), refits(K, targets, c)
    if k > 1:  # what is common to all classes means nothing
        approximate, exact = (V - V.mean(axis=1, keepdims=True) for V in (approximate, exact))
    np.testing.assert_allclose(approximate, exact, atol=1e-6)


@pytest.mark.parametrize("k", [1, 3])
def test_the_bend_is_the_second_difference_of_the_gradient(k):
    rng = np.random.default_rng(0)
    _, targets, _ = problem(k)
    loss, F, M = likelihood(targets, rng.random(60)), *rng.normal(size=(2, 60, k))
    h = 1e-3
    around = loss.descent(F + h * M) + loss.descent(F - h * M) - 2 * loss.descent(F)
    np.testing.assert_allclose(loss.bend(F, M), 0.5 * around / h**2, atol=1e-5)


def test_a_path_is_followed_between_the_fits():
    X, y = make_classification(80, 6, n_informative=4, flip_y=0.2, random_state=0)
    Cs = np.logspace(-2, 3, 30)
    path = KernelLogisticRegressionCV(Cs, gamma=0.05).fit(X, y).scores_[0]
    one_by_one = [KernelLogisticRegressionCV([C], gamma=0.05).fit(X, y).scores_[0, 0] for C in Cs]
    np.testing.assert_allclose(path, one_by_one, atol=5e-4)


def test_left_out_scores_hold_where_hardly_anything_binds_the_scores():
    """At C = 10,000 some rows are hundreds of steps from where they end."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60, 4))
    y = X[:, 0] + 0.3 * rng.normal(size=60) > 0
    score = KernelLogisticRegressionCV([1e4], gamma=0.25).fit(X, y).scores_[0, 0]
    model = KernelLogisticRegression(1e4, gamma=0.25, solver="exact", tol=1e-10)
    own = []
    for i in range(60):
        others = np.arange(60) != i
        fitted = model.fit(X[others], y[others])
        own.append(fitted.predict_log_proba(X[i : i + 1])[0, int(y[i])])
    assert score == pytest.approx(np.mean(own), abs=1e-3)


@pytest.mark.parametrize("n", [1, 2, 5, 6, 43])
def test_a_smooth_curve_takes_few_points_and_a_rough_one_all(n):
    grid = np.linspace(0, 3, n)
    smooth = Curve(lambda x, _: (np.tanh(x), np.ones(1)), np.zeros(1))
    np.testing.assert_allclose(smooth.over(grid, 1e-4), np.tanh(grid), atol=1e-3)
    assert len(smooth.known) <= 5 + n // 2
    rough = Curve(lambda x, _: (np.sin(1e4 * x), np.ones(1)), np.zeros(1))
    np.testing.assert_array_equal(rough.over(grid, 1e-4), np.sin(1e4 * grid))


def test_a_curve_hands_on_what_lies_near():
    starts = {}

    def line(x, start):
        starts[x] = start
        return 0.0, np.array([2 * x, 1.0])

    Curve(line, np.zeros(2)).over(np.linspace(0, 1, 9), 1e-4)
    np.testing.assert_allclose(starts[1.0], [2.0, 1.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 3])
def test_the_iterative_solver_equals_the_factored_one(k, dtype):
    n, c = 150, np.linspace(1, 4, 150)
    _, targets, pairs = problem(k, n)
    square = SquareKernel.of(n, pairs, dtype=dtype, is_centred=False)
    ours, exact = solve_large(square, targets, c), solve_newton(matrix(pairs, n), targets, c)
    assert ours.residual <= 1e-8
    np.testing.assert_allclose(ours.dual_coef, exact.dual_coef, atol=1e-6)
    np.testing.assert_allclose(ours.intercept, exact.intercept, atol=1e-6)


class Held:
    """A matrix that gives blocks."""

    def __init__(self, matrix):
        self.matrix = matrix

    def block(self, rows, columns, dtype):
        return np.ascontiguousarray(self.matrix[rows, columns], dtype)


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 40),
    k=st.integers(1, 3),
    panel=st.integers(1, 600),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 10_000),
)
def test_products_rows_and_diagonal_of_panels_are_those_of_the_matrix(n, k, panel, dtype, seed):
    rng = np.random.default_rng(seed)
    K, V = rng.normal(size=(n, n)), rng.normal(size=(n, k))
    K += K.T
    some = rng.choice(n, rng.integers(1, n + 1), replace=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operators, "PANEL_NUMBERS", panel)
        square = SquareKernel.of(n, Held(K), dtype=dtype, is_centred=False)
        eps = float(np.finfo(dtype).eps)
        bound = (
            4 * eps * n * (np.abs(K) @ np.abs(V)).max()
        )  # of n roundings of a sum, and the casts
        np.testing.assert_allclose(square.times(V), symmetric_product(K, V), rtol=0, atol=bound)
        np.testing.assert_allclose(square.exact_times(V), K @ V, rtol=0, atol=1e-9)
        np.testing.assert_allclose(square.rows(some), K[some], rtol=1e-6)
        np.testing.assert_allclose(square.diagonal(), np.diag(K), rtol=1e-6)


def test_offsets_are_taken_away_and_only_move_the_intercept():
    K, V = 1e3 + np.eye(30), np.random.default_rng(0).normal(size=(30, 2))
    V -= V.mean(axis=0)
    square = SquareKernel.of(30, Held(K), dtype=np.float64, is_centred=True)
    u = square.offsets
    assert np.abs(square.rows(np.arange(30))).max() < 2
    np.testing.assert_allclose(square.times(V) + u @ V, K @ V, atol=1e-10)


@pytest.mark.parametrize(("name", "nu"), [("matern12", 0.5), ("matern32", 1.5), ("matern52", 2.5)])
def test_matern_kernels_equal_those_of_gaussian_processes(name, nu):
    X, _, _ = problem()
    kernel, expected = Kernel(name, {"gamma": 0.5}), Matern(1.0, nu=nu)(X)
    np.testing.assert_allclose(kernel.between(X, X), expected, atol=1e-12)
    np.testing.assert_allclose(kernel.between(sparse.csr_array(X), X), expected, atol=1e-7)


def test_the_additive_kernel_is_the_mean_over_features():
    X, _, _ = problem()
    expected = np.mean([np.exp(-0.3 * (x[:, None] - x) ** 2) for x in X.T], axis=0)
    np.testing.assert_allclose(Kernel("additive", {"gamma": 0.3}).between(X, X), expected)


def test_words_are_rows_for_a_kernel_of_ones_own():
    words, y = ["aa", "ab", "bb", "ba", "aab", "bba"] * 3, [0, 0, 1, 1, 0, 1] * 3
    model = KernelLogisticRegression(kernel=lambda a, b: float(a[0] == b[0])).fit(words, y)
    assert list(model.predict(["abba", "baab"])) == [0, 1]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_import_vectors_are_few_and_nearly_as_good(n_classes):
    X, y = make_classification(
        300, 6, n_informative=4, n_classes=n_classes, n_clusters_per_class=1, random_state=0
    )
    exact = KernelLogisticRegression(solver="exact").fit(X, y)
    few = KernelLogisticRegression(solver="ivm", n_components=40).fit(X, y)
    assert len(few.support_) <= 40
    assert np.abs(few.predict_proba(X) - exact.predict_proba(X)).mean() < 0.03


@pytest.mark.parametrize("options", [{}, {"criterion": "evidence"}, {"cv": 3}])
def test_the_choice_is_the_best_score_and_the_fit_is_with_it(options):
    X, y = make_classification(90, 6, n_informative=4, flip_y=0.2, random_state=0)
    model = KernelLogisticRegressionCV([0.1, 1, 10], gammas=[0.01, 0.1], **options).fit(X, y)
    width, strength = np.argwhere(model.scores_ == model.best_score_)[0]
    assert (model.gamma_, model.C_) == (model.gammas_[width], model.Cs_[strength])
    same = KernelLogisticRegression(model.C_, gamma=model.gamma_).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), same.predict_proba(X), atol=1e-12)


def test_strengths_must_be_positive():
    X, y = make_classification(30, random_state=0)
    with pytest.raises(ValueError, match="Cs must be positive numbers"):
        KernelLogisticRegressionCV([1.0, -1.0]).fit(X, y)


@pytest.mark.parametrize("gammas", [[], [-1.0], ["wide"], [np.inf]])
def test_widths_must_be_positive_or_named(gammas):
    X, y = make_classification(30, random_state=0)
    with pytest.raises(ValueError, match="gammas must be positive numbers, 'scale'"):
        KernelLogisticRegressionCV([1.0], gammas=gammas).fit(X, y)


def test_a_strength_given_twice_is_tried_once():
    X, y = make_classification(40, random_state=0)
    model = KernelLogisticRegressionCV([1.0, 0.1, 1.0], gammas=np.array([0.1])).fit(X, y)
    np.testing.assert_array_equal(model.Cs_, [0.1, 1.0])
    assert np.isfinite(model.scores_).all()


def test_classes_must_weigh_something():
    X, y = make_classification(30, random_state=0)
    with pytest.raises(ValueError, match=r"class_weight must be positive, got \{0: 0, 1: 1\}"):
        KernelLogisticRegression(class_weight={0: 0, 1: 1}).fit(X, y)


def test_import_vectors_refuse_what_is_no_kernel_and_take_one_of_zeros():
    X, y = make_classification(30, random_state=0)
    for indefinite in (-np.eye(30), np.eye(30) - np.ones((30, 30))):
        model = KernelLogisticRegression(kernel="precomputed", solver="ivm")
        with pytest.raises(ValueError, match="kernel must be positive semi-definite"):
            model.fit(indefinite, y)
    model = KernelLogisticRegression(kernel="linear", solver="ivm").fit(0 * X, y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], y.mean(), atol=1e-9)


def test_two_steps_of_all_rows_at_once_are_those_of_each():
    n = 40
    _, targets, pairs = problem(1, n)
    K, c = matrix(pairs, n), np.linspace(2.0, 6.0, n)
    F, A, loss, _ = fitted(K, targets, c, fit_intercept=True)
    posterior = Laplace(K, loss, 0.9 * F, fit_intercept=True)  # whose curvature is stale
    without = left_out._Without(posterior, loss, F, A)
    together, _ = left_out._two_steps_of_one(without)
    first, second = without.two_steps(np.arange(n))
    np.testing.assert_allclose(together, F + first + second, rtol=1e-9)


def test_the_fit_starts_where_the_path_has_been():
    X, y = make_classification(90, 6, n_informative=4, flip_y=0.2, random_state=0)
    Cs = [0.1, 1.0, 10.0]
    for fit_intercept in (True, False):
        model = KernelLogisticRegressionCV(Cs, gamma=0.1, fit_intercept=fit_intercept).fit(X, y)
        cold = KernelLogisticRegression(model.C_, gamma=0.1, fit_intercept=fit_intercept).fit(X, y)
        assert model.n_iter_ < cold.n_iter_
