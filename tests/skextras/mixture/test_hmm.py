"""Hidden Markov models against exhaustive enumeration, and the laws of EM."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning

from skextras.mixture import CategoricalHMM, GaussianHMM
from tests.skextras.mixture.tables import with_holes


def steps(seed=0, n=200):
    rng = np.random.default_rng(seed)
    states = np.cumsum(rng.random(n) < 0.1) % 2
    return rng.standard_normal((n, 2)) + 2.5 * states[:, None]


def letters(seed=0, n=200):
    return (steps(seed, n)[:, :1] > 1).astype(float) + (steps(seed, n)[:, 1:] > 2)


CASES = {GaussianHMM: steps, CategoricalHMM: letters}
EVERY = pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)


def fitted(kind, X, k=2, *, lengths=None, sequence_weight=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = kind(k, **{"random_state": 0, "n_jobs": 1, **options})
        return model.fit(X, lengths=lengths, sequence_weight=sequence_weight)


def density(model, x, j):
    if isinstance(model, CategoricalHMM):
        return model.probabilities_[0][j, int(x[0])] if not np.isnan(x[0]) else 1.0
    scale = np.sqrt(model.covariances_[j])
    seen = ~np.isnan(x)
    return np.prod(norm(model.means_[j], scale).pdf(x)[seen])


def enumerated(model, X):
    """Likelihood, posterior and best path by going through all paths."""
    k, n = len(model.startprob_), len(X)
    total, shares, best = 0.0, np.zeros((n, k)), (0.0, ())
    for path in itertools.product(range(k), repeat=n):
        value = model.startprob_[path[0]]
        for now, later in itertools.pairwise(path):
            value *= model.transmat_[now, later]
        for x, state in zip(X, path, strict=True):
            value *= density(model, x, state)
        total += value
        shares[np.arange(n), path] += value
        best = max(best, (value, path))
    return total, shares / total, best


@pytest.mark.parametrize("has_holes", [False, True])
@EVERY
def test_recursions_equal_all_paths(kind, has_holes):
    X = CASES[kind]()
    X = with_holes(X) if has_holes else X
    model = fitted(kind, X, max_iter=3)
    some = X[:7]
    total, shares, (value, path) = enumerated(model, some)
    assert model.score(some) == pytest.approx(np.log(total), rel=1e-9)
    np.testing.assert_allclose(model.predict_proba(some), shares, atol=1e-9)
    best, found = model.decode(some)
    assert best == pytest.approx(np.log(value), rel=1e-9)
    np.testing.assert_array_equal(found, path)


@given(
    seed=st.integers(0, 999),
    kind=st.sampled_from(list(CASES)),
    has_holes=st.booleans(),
    acceleration=st.sampled_from([None, "squarem", "anderson"]),
)
@settings(max_examples=20, deadline=None)
def test_the_likelihood_never_falls(seed, kind, has_holes, acceleration):
    X = CASES[kind](seed, 90)
    X = with_holes(X, seed=seed) if has_holes else X
    options = {"acceleration": acceleration, "tol": 1e-9, "max_iter": 30}
    model = fitted(kind, X, lengths=[40, 30, 20], **options)
    assert np.all(np.diff(model.lower_bounds_) >= -1e-9)
    assert model.score(X, lengths=[40, 30, 20]) / 90 >= model.lower_bound_ - 1e-9


@EVERY
def test_sequences_are_independent_and_their_order_does_not_matter(kind):
    X = CASES[kind]()
    model = fitted(kind, X, lengths=[120, 80])
    other = fitted(kind, np.vstack([X[120:], X[:120]]), lengths=[80, 120])
    np.testing.assert_allclose(other.transmat_, model.transmat_, rtol=1e-6)
    parts = model.score(X[:120]) + model.score(X[120:])
    assert model.score(X, lengths=[120, 80]) == pytest.approx(parts)
    np.testing.assert_array_equal(
        model.predict(X, lengths=[120, 80]), np.r_[model.predict(X[:120]), model.predict(X[120:])]
    )


@given(
    seed=st.integers(0, 999),
    kind=st.sampled_from(list(CASES)),
    has_holes=st.booleans(),
    weight=st.lists(st.integers(0, 3), min_size=3, max_size=3).filter(any),
)
@settings(max_examples=20, deadline=None)
def test_a_weight_repeats_a_whole_sequence(seed, kind, has_holes, weight):
    X = CASES[kind](seed, 90)
    X = with_holes(X, seed=seed) if has_holes else X
    lengths, options = np.array([40, 30, 20]), {"max_iter": 4}
    if kind is CategoricalHMM:  # "auto" would count the categories of a sequence of weight 0
        options["categories"] = [[0.0, 1.0, 2.0]]
    copies = np.repeat(np.arange(3), weight)
    parts = np.split(X, np.cumsum(lengths)[:-1])
    many = {"lengths": lengths[copies]}
    repeated = np.vstack([parts[i] for i in copies])
    once = {"lengths": lengths, "sequence_weight": weight}
    expected = fitted(kind, repeated, **many, **options)
    model = fitted(kind, X, **once, **options)
    # (Sums of up to nine terms in another order, over four iterations.)
    np.testing.assert_allclose(model.lower_bounds_, expected.lower_bounds_, rtol=1e-8)
    np.testing.assert_allclose(model.startprob_, expected.startprob_, atol=1e-6)
    np.testing.assert_allclose(model.transmat_, expected.transmat_, atol=1e-6)
    assert model.score(X, **once) == pytest.approx(model.score(repeated, **many), rel=1e-9)
    assert model.bic(X, **once) == pytest.approx(model.bic(repeated, **many), rel=1e-9)


@pytest.mark.parametrize(
    ("weight", "got"),
    [
        ([1.0, 2.0, 3.0], r"2 numbers, one for each sequence, got an array of shape \(3,\)"),
        ([1.0, -1.0], r"finite and at least 0, got \[-1\.\]"),
        ([1.0, np.nan], r"finite and at least 0, got \[nan\]"),
        ([0.0, 0.0], "above 0 for a sequence, got 0 for all"),
    ],
)
def test_weights_other_than_one_a_sequence_are_refused(weight, got):
    with pytest.raises(ValueError, match=f"GaussianHMM: sequence_weight must be {got}"):
        GaussianHMM().fit(steps(), lengths=[120, 80], sequence_weight=weight)


@EVERY
def test_long_sequences_underflow_nowhere_and_threads_agree(kind):
    X = CASES[kind](n=50_000)
    one, two = (fitted(kind, X, max_iter=2, n_jobs=n) for n in (1, 2))
    assert np.isfinite(one.score(X))
    np.testing.assert_array_equal(one.transmat_, two.transmat_)
    assert one.lower_bounds_ == two.lower_bounds_


@EVERY
def test_samples_come_from_the_model(kind):
    model = fitted(kind, CASES[kind](n=2000))
    X, states = model.sample(5000)
    moves = np.zeros((2, 2))
    np.add.at(moves, (states[:-1], states[1:]), 1)
    np.testing.assert_allclose(moves / moves.sum(axis=1, keepdims=True), model.transmat_, atol=0.03)
    assert np.mean(model.predict(X) == states) > 0.8


def test_an_offset_of_a_hundred_million_costs_no_digit():
    X = np.round(steps(), 6)
    here, there = fitted(GaussianHMM, X), fitted(GaussianHMM, X + 1e8)
    np.testing.assert_allclose(there.covariances_, here.covariances_, rtol=1e-5)
    np.testing.assert_allclose(there.transmat_, here.transmat_, rtol=1e-5)


@pytest.mark.parametrize("lengths", [[100], [100, 101], [0, 200], [200.0], [-1, 201]])
def test_impossible_lengths_are_refused(lengths):
    with pytest.raises(ValueError, match=r"GaussianHMM: lengths must be .* 200 rows .* got"):
        GaussianHMM().fit(steps(), lengths=lengths)


@EVERY
def test_steps_without_any_value_are_refused(kind):
    with pytest.raises(ValueError, match=rf"{kind.__name__}: X must have a step with a value"):
        kind(2).fit(np.full((9, 2), np.nan))
    X = CASES[kind]()
    X[40:60] = np.nan  # a gap is none of that: the chain goes through it
    assert np.isfinite(fitted(kind, X).score(X))


def test_more_states_than_steps_are_refused():
    with pytest.raises(ValueError, match=r"n_components must be at most .* got 9"):
        GaussianHMM(9).fit(steps()[:3])
    with pytest.raises(ValueError, match=r"n_samples must be a positive integer, got 0"):
        fitted(GaussianHMM, steps()).sample(0)


def test_no_iteration_leaves_the_start():
    X = np.arange(40.0).reshape(-1, 1) % 7
    with pytest.warns(ConvergenceWarning, match="max_iter must be enough"):
        model = GaussianHMM(2, max_iter=0, random_state=0).fit(X)
    assert model.n_iter_ == 0
    np.testing.assert_allclose(model.transmat_, [[0.75, 0.25], [0.25, 0.75]])
    assert np.isfinite(model.score(X))
