"""What is left out, what is chosen, and which kernels there are."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.gaussian_process.kernels import Matern

from skextras import KernelLogisticRegression, KernelLogisticRegressionCV
from skextras.kernel.kernels import Kernel
from skextras.kernel.solvers import (
    Laplace,
    SquareKernel,
    left_out,
    left_out_scores,
    likelihood,
    solve_large,
    solve_newton,
)


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


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("k", [1, 3])
def test_leave_one_out_from_one_fit_is_near_refits(k, fit_intercept, monkeypatch):
    n, c = 60, np.full(60, 2.0)
    _, targets, pairs = problem(k)
    K, loss = matrix(pairs, n), likelihood(targets, c)
    whole = solve_newton(K, targets, c, fit_intercept=fit_intercept)
    F = K @ whole.dual_coef + whole.intercept
    posterior = Laplace(K, loss, F, fit_intercept=fit_intercept)
    refits = np.empty_like(F)
    for i in range(n):
        rest = np.delete(np.arange(n), i)
        found = solve_newton(
            K[np.ix_(rest, rest)], targets[rest], c[rest], fit_intercept=fit_intercept
        )
        refits[i] = K[i, rest] @ found.dual_coef + found.intercept
    mean = likelihood(targets, np.full(n, 1 / n))
    error = {}
    for few in (0, n * k):  # one step, as for many rows, and several
        monkeypatch.setattr(left_out, "FEW", few)
        approximate = left_out_scores(posterior, K, loss, F)
        error[few] = abs(mean.value(approximate) - mean.value(refits))
    assert error[0] <= 0.1 * (mean.value(refits) - mean.value(F))  # of what being left out costs
    assert error[n * k] <= 1e-4


def test_steps_without_a_row_end_at_the_refit(monkeypatch):
    monkeypatch.setattr(left_out, "STEPS", 30)
    n, c = 30, np.full(30, 0.5)
    _, targets, pairs = problem(3, n)
    K, loss = matrix(pairs, n), likelihood(targets, c)
    whole = solve_newton(K, targets, c)
    F = K @ whole.dual_coef + whole.intercept
    approximate = left_out_scores(Laplace(K, loss, F, fit_intercept=True), K, loss, F)
    for i in (0, 7):
        rest = np.delete(np.arange(n), i)
        found = solve_newton(K[np.ix_(rest, rest)], targets[rest], c[rest], tol=1e-11)
        refit = K[i, rest] @ found.dual_coef + found.intercept
        expected = refit - refit.mean()  # what is common to all classes means nothing
        np.testing.assert_allclose(approximate[i] - approximate[i].mean(), expected, atol=1e-7)


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
