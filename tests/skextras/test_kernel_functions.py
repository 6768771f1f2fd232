"""Kernels that users write: of two rows, or of two tables as scikit-learn's SVC takes them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from skextras import KernelLogisticRegression, ProbabilisticSVC

X, y = make_classification(80, 5, n_informative=3, random_state=0)
NAMED = KernelLogisticRegression(gamma=0.3).fit(X, y).decision_function(X[:9])


def of_rows(a, b):
    return np.exp(-0.3 * ((a - b) ** 2).sum())


def of_tables(A, B):
    return np.exp(-0.3 * ((A[:, None] - B) ** 2).sum(axis=2))


def shared_letters(words, others):
    return np.array([[len(set(one) & set(other)) for other in others] for one in words])


@pytest.mark.parametrize(
    ("kernel", "params"),
    [(of_rows, None), (of_tables, None), (rbf_kernel, {"gamma": 0.3})],
)
@pytest.mark.parametrize("solver", ["exact", "nystroem"])
def test_functions_of_rows_and_of_tables_equal_the_name(kernel, params, solver):
    options = {"kernel": kernel, "kernel_params": params, "random_state": 0}
    model = KernelLogisticRegression(solver=solver, **options).fit(X, y)
    assert_allclose(model.decision_function(X[:9]), NAMED, atol=1e-6)
    assert_allclose(model.decision_function(X[:1]), NAMED[:1], atol=1e-6)


def test_a_function_that_svc_takes_serves_all():
    for model in (SVC(), ProbabilisticSVC(), KernelLogisticRegression()):
        model.set_params(kernel=of_tables).fit(X, y)
        assert model.score(X, y) > 0.9


def test_tables_may_be_sparse_or_lists_of_words():
    def product(A, B):
        return A @ B.T

    table = sparse.random(60, 12, 0.4, format="csr", random_state=0)
    labels = np.arange(60) % 2
    found = KernelLogisticRegression(kernel=product).fit(table, labels)
    linear = KernelLogisticRegression(kernel="linear").fit(table, labels)
    assert_allclose(found.decision_function(table), linear.decision_function(table), atol=1e-6)

    words = ["aab", "ba", "cd", "dcc"] * 5
    model = KernelLogisticRegression(kernel=shared_letters).fit(words, [0, 0, 1, 1] * 5)
    assert model.predict(["abba", "ccd"]).tolist() == [0, 1]


@pytest.mark.parametrize(
    "kernel",
    [
        lambda a, b: np.ones((3, 2)),
        lambda a, b: "close",
        lambda a, b: a["missing"],
        lambda a: 1.0,
    ],
)
def test_what_is_neither_is_refused_in_one_line(kernel):
    allowed = "kernel must be a function of two rows that returns a number, or of two tables"
    with pytest.raises(ValueError, match=f"^KernelLogisticRegression: {allowed}"):
        KernelLogisticRegression(kernel=kernel).fit(X, y)


def test_the_users_own_error_is_told_as_the_cause():
    def broken(a, b):
        raise KeyError("weights")

    with pytest.raises(ValueError, match="kernel must be a function") as caught:
        KernelLogisticRegression(kernel=broken).fit(X, y)
    assert isinstance(caught.value.__cause__.__cause__, KeyError)


def test_a_function_that_new_rows_break_is_named_by_predictions_too():
    def timid(A, B):
        if A.max() > 100:
            raise OverflowError
        return of_tables(A, B)

    model = KernelLogisticRegression(kernel=timid).fit(X, y)
    with pytest.raises(ValueError, match="kernel must be a function of two rows"):
        model.predict(1000 * X)
