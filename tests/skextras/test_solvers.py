"""The Newton solver against a general minimiser, and the laws that its solution obeys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from skextras.kernel.solvers import solve_newton
from tests.oracles.skextras import logistic_objective, primal_logistic_scores


@st.composite
def problems(draw):
    """A kernel of random rank, targets of two or three classes that all occur, and weights."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k, n = draw(st.sampled_from([1, 3])), draw(st.integers(4, 12))
    features = rng.normal(size=(n, draw(st.integers(1, n)))) * draw(st.sampled_from([0.1, 1, 3]))
    codes = rng.permutation(np.arange(n) % max(k, 2))
    targets = codes[:, None].astype(float) if k == 1 else np.eye(k)[codes]
    weights = rng.uniform(0.1, 2, size=n) * draw(st.sampled_from([0.1, 1, 10]))
    return features @ features.T, targets, weights


def negative_gradient(F, targets, weights):
    p = expit(F) if F.shape[1] == 1 else softmax(F, axis=1)
    return weights[:, None] * (targets - p)


@settings(max_examples=40, deadline=None)
@given(problems(), st.booleans())
def test_newton_equals_a_general_minimiser_in_feature_space(problem, fit_intercept):
    K, targets, weights = problem
    solution = solve_newton(K, targets, weights, fit_intercept=fit_intercept)
    F = K @ solution.dual_coef + solution.intercept
    expected = primal_logistic_scores(K, targets, weights, fit_intercept=fit_intercept)
    if targets.shape[1] > 1:  # a common constant is left open
        F, expected = (S - S.mean(axis=1, keepdims=True) for S in (F, expected))
    np.testing.assert_allclose(F, expected, atol=2e-5)  # BFGS stops at a gradient of about 1e-8


@settings(max_examples=60, deadline=None)
@given(problems(), st.booleans())
def test_coefficients_equal_the_negative_gradient_at_the_solution(problem, fit_intercept):
    K, targets, weights = problem
    solution = solve_newton(K, targets, weights, fit_intercept=fit_intercept)
    G = negative_gradient(K @ solution.dual_coef + solution.intercept, targets, weights)
    np.testing.assert_allclose(solution.dual_coef, G, atol=2e-8 * weights.max())
    assert solution.residual <= 1e-8


@settings(max_examples=60, deadline=None)
@given(problems(), st.booleans())
def test_the_objective_never_rises(problem, fit_intercept):
    objectives = np.array(solve_newton(*problem, fit_intercept=fit_intercept).objectives)
    assert np.all(np.diff(objectives) <= 1e-13 * objectives[:-1])  # rounding of a sum of ~12 terms


def test_the_reported_objective_is_the_penalised_loss():
    rng = np.random.default_rng(0)
    K, targets, weights = np.eye(9) + 1, rng.integers(0, 2, (9, 1)).astype(float), np.ones(9)
    solution = solve_newton(K, targets, weights)
    F = K @ solution.dual_coef + solution.intercept
    penalty = 0.5 * np.sum(solution.dual_coef * (K @ solution.dual_coef))
    expected = logistic_objective(F, targets, weights) + penalty
    assert solution.objectives[-1] == pytest.approx(expected, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_coefficients_sum_to_zero_with_an_intercept(problem):
    K, targets, weights = problem
    solution = solve_newton(K, targets, weights)
    assert np.abs(solution.dual_coef.sum(axis=0)).max() <= 1e-9 * weights.sum()
    if targets.shape[1] > 1:
        assert np.abs(solution.dual_coef.sum(axis=1)).max() <= 1e-9 * weights.sum()
        assert abs(solution.intercept.sum()) <= 1e-8


@settings(max_examples=30, deadline=None)
@given(problems())
def test_an_intercept_makes_the_solution_blind_to_a_shift_of_the_kernel(problem):
    K, targets, weights = problem
    shift = np.linspace(-2, 3, len(K))
    shifted = K + shift[:, None] + shift  # what moving the origin does to a linear kernel
    here, there = (solve_newton(gram, targets, weights) for gram in (K, shifted))
    np.testing.assert_allclose(here.dual_coef, there.dual_coef, atol=1e-7 * weights.max())


def test_an_indefinite_kernel_is_refused():
    K = np.array([[0.0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]]) * 1e3
    with pytest.raises(np.linalg.LinAlgError):
        solve_newton(K, np.array([[0.0], [1], [0], [1]]), np.ones(4))


def test_report_is_called_before_each_step_with_falling_objectives():
    lines = []
    targets = np.array([[0.0], [1], [0], [1]])
    solution = solve_newton(np.eye(4), targets, np.ones(4), report=lambda *line: lines.append(line))
    assert [line[0] for line in lines] == list(range(solution.n_iter + 1))
    assert lines[-1][2] == solution.residual
