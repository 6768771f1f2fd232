"""The Nyström solver: exact when every row is a centre, the best in its span when few are."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.datasets import make_classification
from sklearn.metrics.pairwise import rbf_kernel

from skextras import KernelLogisticRegression
from skextras.kernel import solving
from skextras.kernel.kernels import MatrixPairs
from skextras.kernel.leverage import leverages
from skextras.kernel.solvers import (
    KernelRows,
    kernel_rows,
    likelihood,
    solve_newton,
    solve_nystroem,
)
from skextras.kernel.solvers.products import times, transposed_times
from skextras.kernel.solvers.secants import Secants
from skextras.kernel.solvers.whitening import inverse_hessian
from tests.oracles.skextras import logistic_objective

ROOM = 1e9


def table(n_classes=2, n=300, seed=0):
    return make_classification(
        n, 6, n_informative=4, n_classes=n_classes, n_clusters_per_class=1, random_state=seed
    )


def problem(*, k=1, n=80, m=20, seed=0):
    """K_nm, K_mm, targets, weights of a random problem, and a sample of half its rows."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    codes = rng.permutation(np.arange(n) % max(k, 2))
    targets = codes[:, None].astype(float) if k == 1 else np.eye(k)[codes]
    K = rbf_kernel(X, gamma=0.3)
    centres = np.sort(rng.choice(n, m, replace=False))
    sample = {"sample": rng.choice(n, n // 2, replace=False)}
    return K[:, centres], K[np.ix_(centres, centres)], targets, rng.uniform(0.5, 4, n), sample


def solve(K_nm, K_mm, *rest, room=ROOM, **options):
    """The solver on copies, since it overwrites K_mm."""
    return solve_nystroem(rows_of(K_nm, room), K_mm.copy(), *rest, **options)


def rows_of(K_nm, room=ROOM):
    return KernelRows.within(room, *K_nm.shape, lambda rows, dtype: K_nm[rows].astype(dtype))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3]), st.booleans())
def test_the_solution_is_a_minimum_in_the_span_of_the_centres(seed, k, fit_intercept):
    K_nm, K_mm, targets, weights, sample = problem(k=k, seed=seed)
    solution = solve(K_nm, K_mm, targets, weights, fit_intercept=fit_intercept, **sample)

    def objective(A, b):
        loss = logistic_objective(K_nm @ A + b, targets, weights)
        return loss + 0.5 * np.sum(A * (K_mm @ A))

    best = objective(solution.dual_coef, solution.intercept)
    rng = np.random.default_rng(seed)
    for size in (1e-3, 1e-2, 1e-1):
        A = solution.dual_coef + size * rng.normal(size=solution.dual_coef.shape)
        b = solution.intercept + fit_intercept * size * rng.normal(size=solution.intercept.shape)
        assert objective(A, b) >= best - 1e-8 * best  # K_mm has a jitter of 1e-12 or more


@pytest.mark.parametrize("k", [1, 3])
def test_all_rows_as_centres_give_the_exact_solution(k):
    K, _, targets, weights, sample = problem(k=k, n=60, m=60)
    ours = solve(K, K, targets, weights, **sample)
    exact = solve_newton(K, targets, weights)
    link = expit if k == 1 else lambda F: softmax(F, axis=1)
    np.testing.assert_allclose(
        link(K @ ours.dual_coef + ours.intercept),
        link(K @ exact.dual_coef + exact.intercept),
        atol=1e-7,
    )


@pytest.mark.parametrize("k", [1, 3])
def test_the_objective_never_rises_and_the_gradient_vanishes(k):
    K_nm, *rest, sample = problem(k=k)
    solution = solve(K_nm, *rest, **sample)
    assert np.all(np.diff(solution.objectives) <= 1e-14 * solution.objectives[0])
    assert solution.residual <= 1e-8
    assert abs(solution.intercept.sum()) <= (1e-12 if k > 1 else np.inf)


@pytest.mark.parametrize("k", [1, 3])
def test_streaming_costs_a_hundred_thousandth_of_the_objective(k):
    K_nm, K_mm, targets, weights, sample = problem(k=k)
    kept, streamed = (
        solve(K_nm, K_mm, targets, weights, room=room, **sample) for room in (ROOM, 0)
    )
    assert rows_of(K_nm, 0).kept is None
    assert streamed.is_settled
    least, found = (
        logistic_objective(K_nm @ each.dual_coef + each.intercept, targets, weights)
        + 0.5 * np.sum(each.dual_coef * (K_mm @ each.dual_coef))
        for each in (kept, streamed)
    )
    assert found <= (1 + 1e-5) * least


@pytest.mark.parametrize("k", [1, 3])
def test_a_guess_from_few_rows_leads_to_the_same_place(k):
    K_nm, K_mm, targets, weights, _ = problem(k=k, n=200)
    few, every = (solve(K_nm, K_mm, targets, weights, sample=np.arange(size)) for size in (90, 200))
    assert few.objectives[0] < every.objectives[0]  # it starts lower
    np.testing.assert_allclose(K_nm @ few.dual_coef, K_nm @ every.dual_coef, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 4), st.integers(0, 99))
def test_blocks_cover_all_rows_once(m, n, k, seed):
    rng = np.random.default_rng(seed)
    K, V, U = rng.normal(size=(n, m)), rng.normal(size=(m, k)), rng.normal(size=(n, k))
    targets = rng.integers(0, 2, (n, k)).astype(float)
    loss = likelihood(targets, np.ones(n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_rows, "BLOCK_NUMBERS", 4 * m)  # four rows in a block
        rows = KernelRows(n, m, lambda rows, dtype: K[rows].astype(dtype), np.float32)
        product, pull = rows.visit(V, V.sum(axis=0), loss)
        np.testing.assert_array_equal(rows.at(np.arange(n)), K.astype(np.float32))
    np.testing.assert_allclose(product, K @ V, atol=1e-5 * m)
    expected = K.T @ loss.descent(K @ V + V.sum(axis=0))
    np.testing.assert_allclose(pull, expected, atol=1e-4 * n)
    np.testing.assert_allclose(times(K, V), K @ V, atol=1e-12 * m)
    np.testing.assert_allclose(transposed_times(K, U), K.T @ U, atol=1e-12 * n)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(0, 99))
def test_secants_know_a_quadratic_after_as_many_steps_as_it_has_variables(p, seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(p, p))
    A, secants = root @ root.T + np.eye(p), Secants()
    for s in np.linalg.qr(rng.normal(size=(p, p)))[0]:
        g = A @ s
        np.testing.assert_allclose(
            s @ secants.times(g, lambda v: v) >= 0, True
        )  # positive definite from the first
        secants.add(s, g)
        np.testing.assert_allclose(secants.times(g, lambda v: v), s, atol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("k", [1, 3])
def test_the_preconditioner_inverts_what_it_says(k, fit_intercept):
    rng = np.random.default_rng(0)
    features, w = rng.normal(size=(40, 7)), rng.uniform(0.1, 2, (40, k))
    ones = np.column_stack([features, np.full(40, float(fit_intercept))])
    V = rng.normal(size=(8, k))
    V -= V.mean(axis=1, keepdims=True) * (k > 1)
    V[-1] *= fit_intercept
    hessians = [ones.T @ (w[:, [j]] * ones) + np.diag([1.0] * 7 + [0.0]) for j in range(k)]
    expected = np.column_stack(
        [np.linalg.pinv(H, rcond=1e-12) @ v for H, v in zip(hessians, V.T, strict=True)]
    )
    expected -= expected.mean(axis=1, keepdims=True) * (k > 1)
    found = inverse_hessian(features, w, fit_intercept=fit_intercept)(V)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_an_indefinite_kernel_of_the_centres_is_refused():
    K_nm, K_mm, *rest, sample = problem()
    with pytest.raises(np.linalg.LinAlgError):
        solve(K_nm, K_mm - 2 * np.eye(len(K_mm)), *rest, **sample)


@pytest.mark.parametrize("k", [1, 3])
def test_the_sample_of_the_preconditioner_does_not_change_the_solution(k):
    K_nm, K_mm, targets, weights, _ = problem(k=k)
    few, all_rows = (
        solve(K_nm, K_mm, targets, weights, sample=np.arange(size)) for size in (25, len(K_nm))
    )
    np.testing.assert_allclose(
        K_nm @ few.dual_coef + few.intercept,
        K_nm @ all_rows.dual_coef + all_rows.intercept,
        atol=1e-6,
    )


# The estimator


@pytest.mark.parametrize("n_classes", [2, 3])
def test_enough_components_are_exact(n_classes):
    X, y = table(n_classes)
    exact = KernelLogisticRegression(solver="exact").fit(X, y)
    ours = KernelLogisticRegression(solver="nystroem", n_components=1000).fit(X, y)
    assert len(ours.support_) == len(y)
    np.testing.assert_allclose(ours.predict_proba(X), exact.predict_proba(X), atol=1e-6)


def test_more_components_come_closer_to_the_exact_probabilities():
    X, y = table()
    exact = KernelLogisticRegression(solver="exact", C=10).fit(X, y).predict_proba(X)
    errors = []
    for m in (10, 50, 150):
        model = KernelLogisticRegression(10, solver="nystroem", n_components=m, random_state=0).fit(
            X, y
        )
        assert model.dual_coef_.shape == (1, m)
        np.testing.assert_array_equal(model.X_fit_, X[model.support_])
        errors.append(np.abs(model.predict_proba(X) - exact).mean())
    assert errors[0] > errors[1] > errors[2]


def test_auto_is_exact_for_few_rows_and_not_for_many(monkeypatch):
    X, y = table()
    monkeypatch.setattr(sys.modules[KernelLogisticRegression.__module__], "EXACT_ROWS", 100)
    assert len(KernelLogisticRegression().fit(X[:100], y[:100]).support_) == 100
    assert len(KernelLogisticRegression(n_components=20).fit(X, y).support_) == 20


def test_random_state_decides_the_centres():
    X, y = table()
    one, same, other = (
        KernelLogisticRegression(solver="nystroem", n_components=20, random_state=seed).fit(X, y)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.dual_coef_, same.dual_coef_)
    assert not np.array_equal(one.support_, other.support_)


def test_leverages_are_those_of_the_whole_kernel_where_all_rows_tell_them():
    X, _ = table()
    K = rbf_kernel(X, gamma=0.1)
    found = leverages(MatrixPairs(K), K, np.diag(K).copy(), 0.05)
    expected = np.diag(K @ np.linalg.inv(K + 0.05 * np.eye(len(K))))
    np.testing.assert_allclose(found, expected, atol=1e-3)  # the kernel is in single precision


def test_leverages_find_the_small_cluster_that_uniform_draws_miss():
    rng = np.random.default_rng(0)
    crowd, few, new = (
        middle + width * rng.normal(size=(n, 2))
        for n, middle, width in ((4000, 0.0, 1.0), (20, 9.0, 0.3), (500, 9.0, 0.3))
    )
    X, y = np.r_[crowd, few], np.r_[crowd[:, 0] > 0, few[:, 0] > 9]
    options = {"solver": "nystroem", "n_components": 60, "C": 100, "gamma": 1.0}
    right = {
        sampling: [
            KernelLogisticRegression(sampling=sampling, random_state=seed, **options)
            .fit(X, y)
            .score(new, new[:, 0] > 9)
            for seed in range(5)
        ]
        for sampling in ("leverage", "uniform")
    }
    assert np.mean(right["leverage"]) > np.mean(right["uniform"]) + 0.2


@pytest.mark.parametrize("sampling", ["leverage", "uniform"])
def test_a_warm_start_goes_on_from_the_same_centres(sampling):
    X, y = table()
    model = KernelLogisticRegression(
        solver="nystroem", n_components=40, sampling=sampling, random_state=0, warm_start=True
    ).fit(X, y)
    support, n_iter = model.support_, model.n_iter_
    assert model.set_params(C=1.1).fit(X, y).n_iter_ < n_iter
    np.testing.assert_array_equal(model.support_, support)


def test_the_seed_draws_the_rows_of_the_preconditioner(monkeypatch):
    monkeypatch.setattr(solving, "MIN_SAMPLE", 60)
    seen, solver = [], solving.solve_nystroem

    def spy(*args, sample, **options):
        seen.append(sample)
        return solver(*args, sample=sample, **options)

    monkeypatch.setattr(solving, "solve_nystroem", spy)
    X, y = table()
    for seed in (0, 0, 1):
        KernelLogisticRegression(solver="nystroem", n_components=20, random_state=seed).fit(X, y)
    np.testing.assert_array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])


@pytest.mark.parametrize("form", ["sparse", "precomputed", "callable", "linear"])
def test_every_kind_of_kernel_may_be_approximated(form):
    X, y = table()
    sampling = "uniform" if form == "callable" else "leverage"  # whose pilots cost calls
    options = {"solver": "nystroem", "n_components": 40, "random_state": 0, "sampling": sampling}
    named = KernelLogisticRegression(gamma=0.2, **options).fit(X, y)
    rows, model = {
        "sparse": (sparse.csr_array(X), KernelLogisticRegression(gamma=0.2, **options)),
        "precomputed": (
            rbf_kernel(X, gamma=0.2),
            KernelLogisticRegression(kernel="precomputed", **options),
        ),
        "callable": (
            X,
            KernelLogisticRegression(
                kernel=lambda a, b: np.exp(-0.2 * np.sum((a - b) ** 2)), **options
            ),
        ),
        "linear": (X, KernelLogisticRegression(kernel="linear", **options)),
    }[form]
    model.fit(rows, y)
    if form == "linear":  # forty rows span six dimensions
        exact = KernelLogisticRegression(kernel="linear").fit(X, y)
        np.testing.assert_allclose(model.coef_, exact.coef_, rtol=1e-3)
    else:
        np.testing.assert_allclose(model.predict_proba(rows), named.predict_proba(X), atol=1e-4)


def test_a_weight_of_zero_is_never_a_centre():
    X, y = table()
    weights = np.ones(len(y))
    weights[::2] = 0
    model = KernelLogisticRegression(solver="nystroem", n_components=30, random_state=0)
    assert np.all(model.fit(X, y, weights).support_ % 2 == 1)


def test_a_kernel_that_breaks_on_some_rows_is_named():
    X, y = table()
    X[7] = 1e6
    model = KernelLogisticRegression(
        solver="nystroem",
        n_components=5,
        random_state=0,
        kernel=lambda a, b: np.nan if max(a.max(), b.max()) > 1e5 else float(a @ b),
    )
    with pytest.raises(ValueError, match=r"kernel must be .*finite"):
        model.fit(X, y)


def test_single_precision_costs_little_and_warns_of_nothing(monkeypatch):
    X, y = table()
    model = KernelLogisticRegression(solver="nystroem", n_components=30, random_state=0)
    double = model.fit(X, y).predict_proba(X)
    monkeypatch.setattr(kernel_rows, "SMALL_BYTES", 0)
    np.testing.assert_allclose(model.fit(X, y).predict_proba(X), double, atol=5e-3)
