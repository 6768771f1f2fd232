"""The recursions of chains against their slow twin, sequence by sequence."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from skextras.mixture import GaussianHMM, chain, chain_kernels
from skextras.mixture.chain import Chain
from skextras.mixture.components import Components
from skextras.mixture.discrete_components import CategoricalComponents
from skextras.mixture.kernels import relative_densities
from skextras.mixture.sweeping import Rows, Sweep, padded
from tests.oracles.mixture import chain_posterior


class Emissions:
    """Stands in for a sweep: hands out a table of log densities."""

    def __init__(self, logs, n_threads):
        self.logs, self.n_threads = logs, n_threads
        self.k, self.dtype, self.components = logs.shape[1], np.dtype(float), self

    def prepare(self, emissions, dtype):
        return emissions

    def relative(self, ready, rows, out, tops):
        relative_densities(np.ascontiguousarray(self.logs.T), out, tops)

    def assigned(self, ready, rows, shares, span):
        return [shares[slice(*span), : self.k].sum(axis=0)]


@st.composite
def chains(draw):
    """Log densities, probabilities and lengths of a few sequences."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k = draw(st.integers(1, 9))
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=6))
    spread = draw(st.sampled_from([1.0, 30.0, 200.0]))  # of logs: up to e-400 between states
    logs = rng.uniform(-spread, spread, (sum(sizes), k))
    moves = rng.dirichlet(np.ones(k), k)
    # States that cannot be left for the first; but not where it may fall behind by e-700, which is
    # no number beside the others: what no move brings back is lost for good then, here and there.
    if spread < 200 and draw(st.booleans()) and k > 1:
        moves[1:, 0] = 0
        moves /= moves.sum(axis=1, keepdims=True)
    return logs, rng.dirichlet(np.ones(k)), moves, np.cumsum([0, *sizes]), rng


def chain_of(logs, ends, weight, n_threads=1):
    return Chain(Emissions(logs, n_threads), Rows(np.zeros((len(logs), 1))), ends, weight)


@given(case=chains(), n_threads=st.integers(1, 3), part=st.integers(1, 50))
@settings(max_examples=50, deadline=None)
def test_messages_in_parts_equal_those_of_each_sequence(case, n_threads, part):
    logs, start, moves, ends, rng = case
    weight = rng.integers(1, 4, len(ends) - 1).astype(float)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain, "PART", part)
        own = chain_of(logs, ends, weight, n_threads)
        found = own.expect(own.prepare(()), start, moves)
        own.prepare(())
        shares, alone = own.posterior(start, moves), own.likelihoods(start, moves)
    first, pairs, total = np.zeros_like(start), np.zeros_like(moves), np.zeros_like(start)
    for s, (a, b) in enumerate(itertools.pairwise(ends)):
        top = logs[a:b].max(axis=1, keepdims=True)
        expected = chain_posterior(start, moves, np.exp(logs[a:b] - top))
        # (Forty steps of nine products, each rounded: a few hundred units in the last place.)
        np.testing.assert_allclose(shares[a:b], expected[0], atol=1e-12)
        assert found[0][s] == pytest.approx(expected[2] + top.sum(), rel=1e-12, abs=1e-9)
        first += weight[s] * expected[0][0]
        pairs += weight[s] * expected[1]
        total += weight[s] * expected[0].sum(axis=0)
    np.testing.assert_array_equal(alone, found[0])
    np.testing.assert_allclose(found[1], first, atol=1e-11)
    np.testing.assert_allclose(found[2], pairs, atol=1e-9)
    np.testing.assert_allclose(found[3][0], total, atol=1e-9)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_impossible_sequence_has_no_states_and_leaves_others_alone(n_threads):
    logs = np.zeros((9, 2))
    logs[4] = -np.inf
    moves, start = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0.5, 0.5])
    own = chain_of(logs, np.array([0, 3, 6, 9]), np.ones(3), n_threads)
    own.prepare(())
    shares = own.posterior(start, moves)
    np.testing.assert_array_equal(shares[3:6], 0)
    np.testing.assert_allclose(shares[[0, 1, 2, 6, 7, 8]].sum(axis=1), 1)
    np.testing.assert_array_equal(own.likelihoods(start, moves) == -np.inf, [False, True, False])


def test_a_forgotten_state_becomes_none_and_stays_no_subnormal_number():
    densities = np.ones((2000, padded(2)))
    densities[:, 1:] = 0
    densities[:, 1] = 0.5
    moves, alpha = np.zeros((4, 4)), np.empty_like(densities)
    moves[:2, :2] = np.eye(2)
    start, likelihood = np.array([0.5, 0.5, 0, 0]), np.empty(1)
    chain_kernels.forward(
        densities, np.zeros(2000), start, moves, np.array([0, 2000]), 0, 1, alpha, likelihood
    )
    assert likelihood[0] == pytest.approx(np.log(0.5), rel=1e-12)
    is_subnormal = (alpha > 0) & (alpha < np.finfo(float).tiny)
    assert is_subnormal.sum() <= chain_kernels.OFTEN
    assert np.all(alpha[1024 + chain_kernels.OFTEN :, 1] == 0)  # 2^-1024 is the smallest normal


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_an_iteration_equals_that_of_a_plain_transcription(kind):
    """One step of Baum-Welch, Rabiner's equations 95 to 97, from the start of the fit."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((60, 2)) + 3 * (rng.random((60, 1)) < 0.5)
    options = {"covariance_type": kind, "random_state": 0, "reg_covar": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        here, there = (
            GaussianHMM(2, max_iter=n, **options).fit(X, lengths=[40, 20]) for n in (0, 1)
        )
    shares, pairs = here.predict_proba(X, lengths=[40, 20]), 0.0
    densities = np.exp(log_densities(here, X))
    for a, b in ((0, 40), (40, 60)):
        pairs = pairs + chain_posterior(here.startprob_, here.transmat_, densities[a:b])[1]
    counts = shares.sum(axis=0)
    means = shares.T @ X / counts[:, None]
    apart = X[:, None, :] - means
    scatter = np.einsum("nk,nkd,nke->kde", shares, apart, apart)
    expected = {
        "full": scatter / counts[:, None, None],
        "tied": scatter.sum(axis=0) / counts.sum(),
        "diag": np.einsum("kdd->kd", scatter) / counts[:, None],
        "spherical": np.einsum("kdd->k", scatter) / (2 * counts),
    }[kind]
    np.testing.assert_allclose(there.transmat_, pairs / pairs.sum(axis=1, keepdims=True), rtol=1e-9)
    np.testing.assert_allclose(there.means_, means, rtol=1e-9)
    np.testing.assert_allclose(there.covariances_, expected, rtol=1e-8)


def log_densities(model, X):
    """Of each row in each state."""
    C = model.covariances_
    if model.covariance_type == "tied":
        C = np.array([C] * 2)
    elif model.covariance_type != "full":
        C = np.array([np.diag(np.broadcast_to(own, 2)) for own in C])
    apart = X[:, None, :] - model.means_
    squares = np.einsum("nkd,kde,nke->nk", apart, np.linalg.inv(C), apart)
    return -0.5 * (squares + np.linalg.slogdet(2 * np.pi * C)[1])


class Slow(CategoricalComponents):
    """Categories as every family takes them, through a table of log densities."""

    relative, assign = Components.relative, Components.assign


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    k=st.integers(1, 9),
    has_holes=st.booleans(),
    seed=st.integers(0, 9999),
)
@settings(max_examples=40, deadline=None)
def test_categories_side_by_side_equal_their_table(sizes, k, has_holes, seed):
    rng = np.random.default_rng(seed)
    n, d = 300, len(sizes)
    X = rng.integers(0, sizes, (n, d)).astype(float)
    if has_holes:
        X[rng.random((n, d)) < 0.2] = np.nan
    chances = rng.uniform(1e-12, 1, (k, sum(sizes)))
    shares = np.zeros((n, padded(k)))
    shares[:, :k] = rng.random((n, k))
    found = []
    for kind in (CategoricalComponents, Slow):
        sweep = Sweep(kind(sizes, 0.0), k, np.zeros(d), float, 1)
        ready = sweep.components.prepare((chances,), float)
        rows = Rows(X, n_complete=0 if has_holes else -1)
        out, tops = np.empty((n, k)), np.empty(n)
        sweep.relative(ready, rows, out, tops)
        found.append((out, tops, *sweep.assigned(ready, rows, shares)))
    for ours, slow in zip(*found, strict=True):
        np.testing.assert_allclose(ours, slow, rtol=1e-12, atol=0)
