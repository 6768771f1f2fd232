"""L1 chooses, L2 brings in the partners."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from skextras.features.selection import L1L2Selector
from skextras.features.selection.scaled import scaled
from tests.oracles import selection as oracle


def twins(n=300, seed=0):
    """Features 0, 1 and (turned round) 2 are nearly the same, 3 matters, the rest is noise."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 7))
    X[:, 1] = X[:, 0] + 0.02 * random.normal(size=n)
    X[:, 2] = -5 * X[:, 0] + 0.1 * random.normal(size=n)
    return X, X[:, 0] + X[:, 3] + 0.3 * random.normal(size=n)


def test_partners_that_the_lasso_leaves_out_come_in():
    X, y = twins()
    found = L1L2Selector(0.5).fit(X, y)
    alone = np.flatnonzero(found.l1_coef_[0])
    assert len(set(alone) & {0, 1, 2}) < 3
    assert found.get_support(indices=True).tolist() == [0, 1, 2, 3]
    chosen = (set(alone) & {0, 1, 2}).pop()
    assert set(found.partners_[int(chosen)]) | set(alone) == {0, 1, 2, 3}
    assert found.coef_[0, 2] < 0 < found.coef_[0, 0]
    np.testing.assert_allclose(np.abs(found.coef_).sum(), np.abs(found.l1_coef_).sum())


@pytest.mark.parametrize("min_correlation", [0.0, 0.5])
@pytest.mark.parametrize("closeness", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("n_classes", [0, 2, 4])
def test_shares_are_those_of_the_recipe_step_by_step(min_correlation, closeness, n_classes):
    X, f = twins(120)
    y = np.digitize(f, np.linspace(-1, 1, n_classes - 1)) if n_classes else f
    options = {"closeness": closeness, "min_correlation": min_correlation}
    found = L1L2Selector(0.3, **options).fit(X, y)
    correlation = np.corrcoef(X.T)
    for l1, l2, shared in zip(found.l1_coef_, found.l2_coef_, found.coef_, strict=True):
        expected = oracle.partners(l1, l2, correlation, **options)
        np.testing.assert_allclose(shared, expected, atol=1e-12)
    largest = found.scores_.max()
    assert np.array_equal(found.support_, found.scores_ >= max(1e-3 * largest, 1e-300))


def test_the_second_model_is_the_peers():
    X, y = twins(100)
    rows = L1L2Selector()
    share = np.full(100, 0.01)
    Z = scaled(X, share).design.T
    penalty = np.abs(Z @ (share * scaled(y[:, None], share).design[:, 0])).max() * 0.2
    found = rows.set_params(l2_alpha=0.2).fit(X, y)
    peer = Ridge(alpha=penalty * 100).fit(Z.T, scaled(y[:, None], share).design[:, 0])
    np.testing.assert_allclose(found.l2_coef_[0], peer.coef_, rtol=1e-8)
    label = y > 0
    found.fit(X, label)
    penalty = np.abs(Z @ (share * (label - label.mean()))).max() * 0.2
    peer = LogisticRegression(C=1 / (penalty * 100), solver="newton-cholesky", tol=1e-10)
    np.testing.assert_allclose(found.l2_coef_, peer.fit(Z.T, label).coef_, rtol=1e-5)


def test_more_features_than_rows():
    random = np.random.default_rng(0)
    X = random.normal(size=(40, 120))
    for y in (3 * X[:, 7], X[:, 7] > 0):
        assert L1L2Selector(0.6).fit(X, y).support_[7]


def test_a_target_that_nothing_moves_selects_nothing():
    X, _ = twins(20)
    found = L1L2Selector().fit(X, np.full(20, 0.5))
    assert not found.support_.any()
    assert not found.scores_.any()
