"""Losses against scalar formulas, finite differences, and scikit-learn's own."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from sklearn._loss import loss as theirs

from skextras.losses import BLOCK, LOSSES, CustomLoss, gradient_buffers
from skextras.losses.exponent import HIGHEST, LOWEST, exp32
from skextras.losses.lanes import sum_of_magnitudes
from skextras.losses.quantiles import leaf_quantiles, weighted_quantile
from skextras.trees.memory import address_of
from skextras.trees.threads import Threads
from tests.oracles import losses as oracle

# (loss, scalar formula, scikit-learn's, whether its hessian is the second derivative)
MEMBERS = {
    "log_loss": (LOSSES["log_loss"](), oracle.log_loss, theirs.HalfBinomialLoss(), True),
    "exponential": (LOSSES["exponential"](), oracle.exponential, theirs.ExponentialLoss(), True),
    "squared_error": (
        LOSSES["squared_error"](),
        oracle.squared_error,
        theirs.HalfSquaredError(),
        True,
    ),
    "absolute_error": (
        LOSSES["absolute_error"](),
        oracle.absolute_error,
        theirs.AbsoluteError(),
        False,
    ),
    "huber": (
        LOSSES["huber"](delta=0.7),
        lambda y, raw: oracle.huber(y, raw, 0.7),
        theirs.HuberLoss(delta=0.7),
        False,
    ),
    "quantile": (
        LOSSES["quantile"](alpha=0.3),
        lambda y, raw: oracle.quantile(y, raw, 0.3),
        theirs.PinballLoss(quantile=0.3),
        False,
    ),
    "poisson": (LOSSES["poisson"](), oracle.poisson, theirs.HalfPoissonLoss(), True),
    "gamma": (LOSSES["gamma"](), oracle.gamma, theirs.HalfGammaLoss(), True),
    "tweedie": (
        LOSSES["tweedie"](power=1.4),
        lambda y, raw: oracle.tweedie(y, raw, 1.4),
        theirs.HalfTweedieLoss(power=1.4),
        True,
    ),
}
members = pytest.mark.parametrize("name", MEMBERS)


def draw(name, n, seed=0):
    """Targets in the loss's domain, scores and weights."""
    rng = np.random.default_rng(seed)
    y = rng.gamma(2.0, size=n) if name in ("gamma", "poisson", "tweedie") else rng.normal(size=n)
    if MEMBERS[name][0].is_classifier:
        y = (y > 0).astype(float)
    return y.astype("f4"), rng.normal(size=n).astype("f4"), rng.uniform(0.1, 3, n).astype("f4")


def filled(loss, y, raw, weight=None, n_threads=1):
    buffers = gradient_buffers(y, raw, weight, n_threads=n_threads)
    with Threads(n_threads) as threads:
        loss.fill(buffers, threads)
    return buffers


@members
def test_gradient_and_hessian_are_derivatives_of_the_scalar_formula(name):
    loss, formula, _, is_exact = MEMBERS[name]
    y, raw, _ = draw(name, 300)
    buffers = filled(loss, y, raw)
    for i in range(len(y)):
        if not is_exact and abs(y[i] - raw[i]) < 1e-3:
            continue  # a kink within the difference quotient

        def at(score, y_i=float(y[i])):
            return formula(y_i, score)

        slope = oracle.slope(at, float(raw[i]))
        assert buffers.gradient[0, i] == pytest.approx(slope, rel=2e-5, abs=2e-6)  # float32
        if is_exact:
            bend = oracle.curvature(at, float(raw[i]))
            assert buffers.hessian[0, i] == pytest.approx(bend, rel=1e-4, abs=1e-5)
        else:
            assert buffers.hessian[0, i] == 1


@members
def test_value_is_the_weighted_mean_of_the_scalar_formula(name):
    loss, formula, _, _ = MEMBERS[name]
    y, raw, weight = draw(name, 200)
    rows = [formula(float(a), float(b)) for a, b in zip(y, raw, strict=True)]
    assert loss.value(y, raw) == pytest.approx(np.mean(rows), rel=1e-12)
    assert loss.value(y, raw, weight) == pytest.approx(np.average(rows, weights=weight), rel=1e-9)


@members
def test_scikit_learn_has_the_same_gradients_values_and_predictions(name):
    loss, _, peer, is_exact = MEMBERS[name]
    y, raw, weight = (a.astype(float) for a in draw(name, 500, seed=1))
    gradient, hessian = peer.gradient_hessian(y, raw, weight)
    buffers = filled(loss, *(a.astype("f4") for a in (y, raw, weight)))
    np.testing.assert_allclose(buffers.gradient[0], gradient, rtol=1e-5, atol=1e-6)
    if is_exact:
        expected = weight if loss.has_constant_hessian else hessian
        np.testing.assert_allclose(buffers.hessian[0], expected, rtol=1e-5)
    assert loss.value(y, raw, weight) == pytest.approx(peer(y, raw, weight), rel=1e-10)
    np.testing.assert_allclose(loss.inverse_link(raw), peer.link.inverse(raw), rtol=1e-12)


@members
@pytest.mark.parametrize("weighted", [False, True])
def test_no_constant_score_is_better_than_the_start(name, weighted):
    loss = MEMBERS[name][0]
    y, _, weight = draw(name, 301)
    weight = weight if weighted else None
    start = loss.start(y, weight)
    assert start.shape == (1,)
    assert start.dtype == np.float64

    def value(score):
        return loss.value(y, np.full(len(y), score), weight)

    # Huber's is one step from the median (Friedman), not the minimum itself.
    slack = 0.02 if name == "huber" else 1e-12
    best = value(start[0])
    for step in (-0.3, -0.01, 0.01, 0.3):
        assert best <= value(start[0] + step) + slack


@members
@pytest.mark.parametrize("n", [1, 15, BLOCK - 1, BLOCK, 2 * BLOCK + 17])
def test_sums_do_not_depend_on_the_threads_and_are_those_of_the_buffers(name, n):
    loss = MEMBERS[name][0]
    y, raw, weight = draw(name, n)
    one, three = filled(loss, y, raw, weight), filled(loss, y, raw, weight, n_threads=3)
    for field in ("gradient", "hessian", "sums"):
        np.testing.assert_array_equal(getattr(one, field), getattr(three, field))
    expected = [np.abs(one.gradient[0]).sum(dtype="f8"), one.hessian[0].sum(dtype="f8")]
    np.testing.assert_allclose(one.totals[0], expected, rtol=1e-12)


@pytest.mark.parametrize("n_classes", [3, 7])
@pytest.mark.parametrize("size", [1, 300])
def test_multinomial_equals_scikit_learn_and_the_formula(n_classes, size):
    rng = np.random.default_rng(n_classes)
    n = BLOCK + 100
    y = rng.integers(0, n_classes, n).astype("f4")
    raw = (rng.normal(size=(n_classes, n)) * size).astype("f4")
    weight = rng.uniform(0.1, 2, n).astype("f4")
    loss, peer = (
        LOSSES["log_loss"](n_classes=n_classes),
        theirs.HalfMultinomialLoss(None, n_classes),
    )
    buffers = filled(loss, y, raw, weight, n_threads=2)
    scores = np.ascontiguousarray(raw.T, dtype=float)
    gradient, hessian = peer.gradient_hessian(y.astype(float), scores, weight.astype(float))
    np.testing.assert_allclose(buffers.gradient, gradient.T, rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(buffers.hessian, hessian.T, rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(buffers.gradient.sum(axis=0), 0, atol=3e-6)
    np.testing.assert_allclose(loss.probabilities(raw), peer.link.inverse(scores), atol=1e-6)
    np.testing.assert_allclose(
        loss.start(y, weight), peer.fit_intercept_only(y.astype(float), weight)
    )
    if size == 1:
        rows = [oracle.multinomial_log_loss(y[i], scores[i]) for i in range(n)]
        assert loss.value(y, raw) == pytest.approx(np.mean(rows), rel=1e-10)


def test_what_a_sure_class_leaves_to_the_others_does_not_cancel():
    gaps = np.array([0.0, 1.0, 10.0, 20.0, 40.0, 500.0], "f4")
    raw = np.stack([np.zeros(6, "f4"), -gaps, -gaps])
    y = np.ones(6, "f4")
    buffers = filled(LOSSES["log_loss"](n_classes=3), y, raw, np.ones(6, "f4"), n_threads=1)
    other = np.exp(-np.minimum(gaps, 50).astype(float))  # beyond it is as good as far
    share = np.stack([np.ones(6), other, other]) / (1 + 2 * other)
    left = np.stack([2 * other, 1 + other, 1 + other]) / (1 + 2 * other)
    np.testing.assert_allclose(buffers.gradient[[0, 2]], share[[0, 2]], rtol=1e-6)
    np.testing.assert_allclose(buffers.gradient[1], -left[1], rtol=1e-6)
    np.testing.assert_allclose(buffers.hessian, share * left, rtol=1e-6)


@njit
def _exponentials(x, out):
    for i in range(x.size):
        out[i] = exp32(x[i])


def test_the_exponential_errs_by_less_than_1e_6_over_its_whole_range():
    x = np.linspace(LOWEST, HIGHEST, 2_000_003).astype("f4")[1:-1]
    out = np.empty_like(x)
    _exponentials(x, out)
    assert np.abs(out / np.exp(x.astype("f8")) - 1).max() < 3e-7
    edge = np.array([-np.inf, -1e30, LOWEST - 0.1, 0, HIGHEST + 1, np.inf, np.nan], "f4")
    out = np.empty_like(edge)
    _exponentials(edge, out)
    np.testing.assert_array_equal(out[:4], [0, 0, 0, 1])
    np.testing.assert_allclose(out[4:6], np.exp(HIGHEST), rtol=1e-5)
    assert np.isnan(out[6])


@pytest.mark.parametrize("name", ["log_loss", "exponential", "poisson", "gamma", "tweedie"])
def test_far_scores_leave_finite_gradients(name):
    loss = MEMBERS[name][0]
    raw = np.array([-1e30, -500, -60, 60, 500, 1e30] * 2, "f4")
    y = np.repeat([0, 1], 6).astype("f4") if loss.is_classifier else np.full(12, 1e20, "f4")
    buffers = filled(loss, y, raw)
    assert np.isfinite(buffers.gradient).all()
    assert np.isfinite(buffers.totals).all()
    assert (buffers.hessian >= 0).all()
    assert np.isfinite(loss.inverse_link(raw)).all()


def test_a_sure_row_keeps_its_relative_digits():
    raw = np.array([-30, -20, 20, 30], "f4")
    buffers = filled(LOSSES["log_loss"](), np.array([0, 0, 1, 1], "f4"), raw)
    small = np.exp(-np.abs(raw.astype(float)))
    np.testing.assert_allclose(np.abs(buffers.gradient[0]), small, rtol=1e-6)
    np.testing.assert_allclose(buffers.hessian[0], small, rtol=1e-6)


@given(st.integers(0, 100), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_magnitudes_add_up_in_the_order_of_sixteen_lanes(n, seed):
    x = np.random.default_rng(seed).normal(size=n + 1).astype("f4")[:n]
    lanes, whole = [0.0] * 16, n - n % 16
    for i in range(whole):
        lanes[i % 16] += abs(float(x[i]))
    total = 0.0
    for number in [*lanes, *map(abs, map(float, x[whole:]))]:
        total += number
    assert sum_of_magnitudes(address_of(x), n) == total


@st.composite
def leaves(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 30))
    y = rng.integers(0, draw(st.sampled_from([3, 1000])), n).astype("f4")
    counts = rng.integers(1 - draw(st.integers(0, 1)), 4, n)
    cuts = np.sort(rng.integers(0, n + 1, draw(st.integers(0, 4))))
    return y, counts, rng.permutation(n).astype("u4"), np.r_[0, cuts, n]


@settings(max_examples=150, deadline=None)
@given(leaves(), st.sampled_from([0.1, 0.25, 0.5, 0.9]), st.sampled_from([np.inf, 0.8]))
def test_leaf_values_equal_those_of_repeated_rows(case, alpha, delta):
    y, counts, rows, bounds = case
    alpha = alpha if delta == np.inf else 0.5
    raw = np.full_like(y, 0.25)
    spans = (rows, bounds[:-1], bounds[1:])
    weighted = leaf_quantiles(y, raw, counts.astype("f4") / 8, spans, alpha=alpha, delta=delta)
    plain = leaf_quantiles(y, raw, None, spans, alpha=alpha, delta=delta)
    for leaf, (start, end) in enumerate(itertools.pairwise(bounds)):
        own = rows[start:end]
        values = (y[own] - 0.25).tolist()
        for found, times in ((weighted, counts[own]), (plain, np.ones(len(own), int))):
            if times.sum() == 0:
                assert found[leaf] == 0
            elif delta == np.inf:
                assert found[leaf] == oracle.repeated_quantile(values, times, alpha)
            else:
                expected = oracle.huber_centre(values, times, delta)
                assert found[leaf] == pytest.approx(expected, rel=1e-12)


def test_the_quantile_without_weights_is_the_median_and_does_not_sort_the_callers_array():
    values = np.random.default_rng(0).normal(size=1000)
    before = values.copy()
    assert weighted_quantile(values, None, 0.5) == pytest.approx(np.median(values), rel=1e-15)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "huber", "quantile"])
def test_an_offset_of_the_targets_moves_the_start_by_as_much(name):
    loss = MEMBERS[name][0]
    assert loss.is_translation_invariant
    y = np.random.default_rng(0).integers(0, 99, 50).astype(float)
    assert loss.start(y + 1e8)[0] - 1e8 == pytest.approx(loss.start(y)[0], abs=1e-7)


def test_starts_are_finite_for_one_class_and_for_no_count():
    for y in (np.zeros(5), np.ones(5)):
        assert np.isfinite(LOSSES["log_loss"]().start(y)).all()
        assert np.isfinite(LOSSES["exponential"]().start(y)).all()
        assert np.isfinite(LOSSES["log_loss"](n_classes=4).start(y)).all()
    assert np.isfinite(LOSSES["poisson"]().start(np.array([0.0, 1]), np.array([1.0, 0]))).all()


def test_huber_reads_its_delta_off_the_residuals():
    y, raw = np.arange(100, dtype="f4"), np.zeros(100, "f4")
    loss = LOSSES["huber"](quantile=0.9)
    assert loss.refreshed(y, raw).settled == 89.5
    assert loss.refreshed(raw, raw) is loss
    assert LOSSES["huber"](delta=2.0).refreshed(y, raw).settled == 2.0


@pytest.mark.parametrize(
    ("name", "y", "message"),
    [
        ("gamma", [0.0, 1.0], r"Owner: loss='gamma' requires strictly positive y\."),
        ("poisson", [-1.0, 1.0], r"requires non-negative y and sum\(y\) > 0\."),
        ("tweedie", [0.0, 0.0], r"requires non-negative y and sum\(y\) > 0\."),
        ("log_loss", [0.0, 2.0], "must hold the class numbers 0 to 1"),
    ],
)
def test_targets_outside_the_domain_are_refused(name, y, message):
    with pytest.raises(ValueError, match=message):
        MEMBERS[name][0].check(np.array(y), "Owner")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("quantile", {"alpha": 1.0}),
        ("tweedie", {"power": 3}),
        ("huber", {"delta": 0}),
        ("huber", {"quantile": 0}),
    ],
)
def test_options_outside_their_range_are_refused(name, options):
    with pytest.raises(ValueError, match=rf"{next(iter(options))} must be"):
        LOSSES[name](**options)


@members
def test_a_pickle_is_the_loss_itself(name):
    loss = MEMBERS[name][0]
    assert pickle.loads(pickle.dumps(loss)) == loss


class Logistic:
    link = "logit"

    def value(self, y, raw):
        return np.logaddexp(0, raw) - y * raw

    def gradient(self, y, raw):
        return 1 / (1 + np.exp(-raw)) - y

    def hessian(self, y, raw):
        p = 1 / (1 + np.exp(-raw))
        return p * (1 - p)


def test_a_custom_loss_equals_the_built_in_one():
    y, raw, weight = draw("log_loss", BLOCK + 5)
    ours, built_in = CustomLoss(source=Logistic()), LOSSES["log_loss"]()
    a, b = filled(ours, y, raw, weight), filled(built_in, y, raw, weight)
    np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(a.sums, b.sums, rtol=1e-6)
    assert ours.value(y, raw, weight) == pytest.approx(built_in.value(y, raw, weight), rel=1e-10)
    np.testing.assert_allclose(ours.start(y, weight), built_in.start(y, weight), atol=1e-6)
    np.testing.assert_allclose(ours.inverse_link(raw), built_in.inverse_link(raw))


@pytest.mark.parametrize(
    ("method", "result", "message"),
    [
        ("gradient", lambda y, raw: raw[:2], "gradient must return 9 numbers"),
        ("gradient", lambda y, raw: raw * np.nan, "gradient must be finite, got nan"),
        ("hessian", lambda y, raw: raw * 0 - 1, "hessian must be finite and not negative"),
    ],
)
def test_a_custom_loss_is_not_trusted(method, result, message):
    source = Logistic()
    setattr(source, method, result)
    with pytest.raises(ValueError, match=message):
        filled(CustomLoss(source=source), np.zeros(9, "f4"), np.zeros(9, "f4"))


def test_a_custom_loss_without_a_method_or_a_link_is_refused():
    with pytest.raises(TypeError, match="without value"):
        CustomLoss(source=object())
    source = Logistic()
    source.link = "cauchit"
    with pytest.raises(ValueError, match="link must be one of"):
        CustomLoss(source=source)
