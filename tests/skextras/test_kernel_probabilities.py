"""How sure a kernel model is of its probabilities, probabilities of a margin, and pictures."""

import pickle

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_moons
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from skextras import KernelLogisticRegression, KernelLogisticRegressionCV, ProbabilisticSVC
from skextras.inspection import KernelLogisticDisplay
from tests.oracles.kernel_posterior import deviations_of_probabilities

MOONS = make_moons(300, noise=0.25, random_state=0)
OTHERS = make_moons(2000, noise=0.25, random_state=1)


# ------------------------------------------------------------ deviations
@settings(deadline=None, max_examples=25)
@given(st.integers(3, 4), st.integers(1, 4), st.booleans(), st.integers(0, 2**32 - 1))
def test_deviations_are_those_of_the_weights_of_features(k, d, fit_intercept, seed):
    rng = np.random.default_rng(seed)
    X, new = rng.normal(size=(40, d)), rng.normal(size=(5, d))
    y, weights = rng.permutation(np.arange(40) % k), rng.integers(1, 4, 40).astype(float)
    options = {"kernel": "linear", "fit_intercept": fit_intercept, "solver": "exact"}
    model = KernelLogisticRegression(C=2.0, **options).fit(X, y, weights)
    proba, std = model.predict_proba(new, return_std=True)
    ones = np.ones if fit_intercept else np.zeros
    A, B = np.c_[X, ones(40)], np.c_[new, ones(5)]
    penalty = np.append(np.ones(d), 0 if fit_intercept else 1)
    expected = deviations_of_probabilities(
        A, model.predict_proba(X), 2 * weights, B, proba, penalty
    )
    assert std == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_deviations_of_two_classes_by_hand(fit_intercept):
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(50, 3)), rng.normal(size=(6, 3))
    y = X[:, 0] + rng.normal(size=50) > 0
    model = KernelLogisticRegression(C=3.0, kernel="linear", fit_intercept=fit_intercept)
    p = model.fit(X, y).predict_proba(X)[:, 1]
    A, B = (np.c_[X, np.ones(50)], np.c_[new, np.ones(6)]) if fit_intercept else (X, new)
    prior = np.diag([1.0, 1.0, 1.0] + [0.0] * fit_intercept)
    covariance = np.linalg.inv(A.T @ (A * (3 * p * (1 - p))[:, None]) + prior)
    proba, std = model.predict_proba(new, return_std=True)
    slope = proba[:, 0] * proba[:, 1]
    expected = slope * np.sqrt(np.einsum("ij,jk,ik->i", B, covariance, B))
    assert std == pytest.approx(np.c_[expected, expected], rel=1e-9)


def test_far_from_all_rows_the_prior_is_left():
    model = KernelLogisticRegression(gamma=2.0, fit_intercept=False).fit(*MOONS)
    proba, std = model.predict_proba([[100.0, 100.0]], return_std=True)
    assert proba == pytest.approx(0.5)
    assert std == pytest.approx(0.25)  # the slope at zero, times a deviation of one


def test_a_file_keeps_deviations_but_not_their_factors():
    model = KernelLogisticRegressionCV(Cs=3).fit(*MOONS)
    _, std = model.predict_proba(OTHERS[0], return_std=True)
    data = pickle.dumps(model)
    assert len(data) < 8 * 300**2
    assert np.array_equal(pickle.loads(data).predict_proba(OTHERS[0], return_std=True)[1], std)
    _, of_sparse = model.predict_proba(sparse.csr_array(OTHERS[0]), return_std=True)
    assert of_sparse == pytest.approx(std, rel=1e-6)


def test_a_new_fit_forgets_the_old_factors():
    X, y = MOONS
    model = KernelLogisticRegression().fit(X, y)
    model.predict_proba(X, return_std=True)
    again = model.fit(X[:100], y[:100]).predict_proba(X, return_std=True)[1]
    fresh = KernelLogisticRegression().fit(X[:100], y[:100]).predict_proba(X, return_std=True)[1]
    assert np.array_equal(again, fresh)


def test_deviations_are_refused_where_they_would_be_wrong():
    X, y = MOONS
    few = KernelLogisticRegression(solver="nystroem", n_components=20, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"return_std needs all training rows, got 20 rows"):
        few.predict_proba(X, return_std=True)
    K = rbf_kernel(X)
    given_kernel = KernelLogisticRegression(kernel="precomputed").fit(K, y)
    with pytest.raises(ValueError, match=r"return_std needs rows .* a precomputed kernel"):
        given_kernel.predict_proba(K, return_std=True)


# ------------------------------------------------------------ two stages
def test_two_stages_are_as_good_as_platts_in_scikit_learn():
    ours = ProbabilisticSVC(C=10).fit(*MOONS)
    theirs = CalibratedClassifierCV(SVC(C=10), ensemble=False).fit(*MOONS)
    X, y = OTHERS
    assert log_loss(y, ours.predict_proba(X)) <= log_loss(y, theirs.predict_proba(X)) + 0.005
    assert ours.score(X, y) > 0.92


def test_the_second_stage_is_affine_in_the_machines_score():
    X, y = MOONS
    model = ProbabilisticSVC(C=2).fit(X, y)
    score = model.svc_.decision_function(X) * model.slope_[0, 0] + model.offset_[0]
    assert model.predict_proba(X)[:, 1] == pytest.approx(expit(score))
    assert model.svc_.dual_coef_ == pytest.approx(SVC(C=2, gamma=model.gamma_).fit(X, y).dual_coef_)


def test_own_scores_are_too_sure_where_the_machine_learns_by_heart():
    X, y = MOONS
    held_out, own = (ProbabilisticSVC(C=1e3, gamma=50.0, cv=cv).fit(X, y) for cv in (5, None))
    X, y = OTHERS
    assert log_loss(y, held_out.predict_proba(X)) < log_loss(y, own.predict_proba(X))


def test_several_classes_and_precomputed_kernels():
    X, y = load_iris(return_X_y=True)
    names = np.array(["a", "b", "c"])[y]
    model = ProbabilisticSVC().fit(X, names)
    assert model.score(X, names) > 0.95
    assert log_loss(names, model.predict_proba(X)) < 0.15
    weights = (np.arange(150) % 4 != 0).astype(float)
    K = rbf_kernel(X, gamma=0.2)
    of_matrix = ProbabilisticSVC(kernel="precomputed").fit(K, names, weights)
    of_rows = ProbabilisticSVC(gamma=0.2).fit(X, names, weights)
    assert of_matrix.predict_proba(K) == pytest.approx(of_rows.predict_proba(X))
    table = sparse.csr_array(X)
    of_table = ProbabilisticSVC(gamma=0.2).fit(table, names, weights)
    assert of_table.predict_proba(table) == pytest.approx(of_rows.predict_proba(X), rel=1e-3)


def test_few_rows_of_a_class_and_bad_folds():
    X, y = MOONS
    rows = np.r_[np.flatnonzero(y == 0)[:20], np.flatnonzero(y == 1)[:1]]
    assert ProbabilisticSVC().fit(X[rows], y[rows]).predict_proba(X).shape == (300, 2)
    order = np.argsort(y, kind="stable")
    with pytest.raises(ValueError, match=r"cv must leave rows of every class .* with 1 of 2"):
        ProbabilisticSVC(cv=[(order[:150], order[150:])]).fit(X, y)
    with pytest.raises(ValueError, match=r"y must hold at least 2 classes, got one class: \[0\]"):
        ProbabilisticSVC().fit(X, np.zeros(300, int))


# ------------------------------------------------------------ pictures
def test_the_plane_rings_the_rows_that_carry_the_model():
    X, y = MOONS
    model = KernelLogisticRegression(solver="ivm", n_components=7).fit(X, y)
    display = KernelLogisticDisplay.from_estimator(model, X, y)
    assert display.ax_.get_title() == "probability of class 1, 7 of 300 rows carry it"
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["0", "1"]
    X, y = load_iris(return_X_y=True)
    model = KernelLogisticRegression().fit(X[:, :2], y)
    display = KernelLogisticDisplay.from_estimator(model, X[:, :2], y, ax=display.ax_)
    assert display.ax_.get_title() == "the likeliest class"


def test_calibration_has_a_curve_for_each_class():
    X, y = load_iris(return_X_y=True)
    model = KernelLogisticRegression().fit(X, y)
    display = KernelLogisticDisplay.from_estimator(model, X, y, kind="calibration")
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert {"class 0", "class 1", "class 2"} <= set(labels)
    binary = KernelLogisticRegression().fit(*MOONS)
    display = KernelLogisticDisplay.from_estimator(binary, *OTHERS, kind="calibration")
    assert [line.get_label() for line in display.ax_.lines][-1] == "class 1"


def test_pictures_refuse_what_they_cannot_draw():
    X, y = load_iris(return_X_y=True)
    model = KernelLogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match=r"X must have 2 features .* got 4"):
        KernelLogisticDisplay.from_estimator(model, X, y)
    with pytest.raises(ValueError, match=r"kind must be one of .* got 'plane'"):
        KernelLogisticDisplay.from_estimator(model, X, y, kind="plane")
