"""Selection of mixtures, their pictures, and models of users."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.base import clone
from sklearn.cluster import KMeans

from skextras.mixture import (
    BernoulliMixture,
    CategoricalMixture,
    EMModel,
    GaussianMixture,
    InfeasibleError,
    MixtureDisplay,
    PoissonMixture,
    StudentMixture,
    ascend,
    responsibilities,
    select_mixture,
)
from skextras.mixture.acceleration import Squarem
from tests.skextras.mixture.tables import clusters, with_holes
from tests.skextras.mixture.test_families import bits, categories, counts, every_family, mixed


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("criterion", ["bic", "icl", "aic", "cv"])
def test_the_best_value_belongs_to_the_best_model(criterion):
    X = clusters(300, d=2, apart=6, seed=4)
    found = select_mixture(X, (1, 3), ("full", "diag"), criterion=criterion, cv=3)
    best = found.best_params_
    assert best["n_components"] == 3
    value = found.values_[best["covariance_type"], best["n_components"]]
    assert value == min(found.values_.values())
    if criterion != "cv":
        assert getattr(found.best_estimator_, criterion)(X) == pytest.approx(value)
    ax = found.plot().ax_
    assert ax.get_ylabel() == criterion.upper()
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"full", "diag"}


@pytest.mark.parametrize("criterion", ["bic", "icl", "aic"])
def test_a_weight_is_a_repetition_in_every_criterion(criterion):
    X = clusters(120, d=2, apart=6, seed=4)
    weight = np.random.default_rng(1).integers(0, 4, len(X))
    options = {"n_components": (1, 3), "covariance_types": ("full", "tied"), "criterion": criterion}
    once = select_mixture(X, **options, sample_weight=weight)
    many = select_mixture(np.repeat(X, weight, axis=0), **options)
    assert once.best_params_ == many.best_params_
    assert once.values_ == pytest.approx(many.values_, rel=1e-6)


def test_weights_count_in_cross_validation():
    """Held-out rows count as often as they weigh, and rows of weight 0 are in no fold."""
    X = clusters(120, d=2, apart=6, seed=4)
    weight = np.tile([1.0, 3.0], 60)
    model = GaussianMixture(random_state=0, n_jobs=1)
    found = select_mixture(X, (2,), ("diag",), criterion="cv", cv=2, sample_weight=weight)
    total = 0.0
    for seen, unseen in ((slice(60, None), slice(60)), (slice(60), slice(60, None))):
        own = clone(model).set_params(n_components=2, covariance_type="diag")
        own.fit(X[seen], sample_weight=weight[seen])
        total += weight[unseen] @ own.score_samples(X[unseen])
    assert found.values_["diag", 2] == pytest.approx(-total / weight.sum(), rel=1e-9)
    more, none = np.vstack([1e3 + X, X]), np.r_[np.zeros(120), weight]
    options = {"criterion": "cv", "cv": 2}
    other = select_mixture(more, (2,), ("diag",), **options, sample_weight=none)
    assert other.values_ == pytest.approx(found.values_, rel=1e-6)


def test_weights_that_fit_no_rows_are_refused():
    with pytest.raises(ValueError, match=r"sample_weight"):
        select_mixture(clusters(30, d=2), (1, 2), sample_weight=[1.0, 2.0])


@pytest.mark.parametrize("criterion", ["bic", "icl", "aic", "cv"])
@pytest.mark.parametrize(
    ("estimator", "table"),
    [(BernoulliMixture(), bits), (CategoricalMixture(), categories), (PoissonMixture(), counts)],
    ids=lambda own: getattr(own, "__name__", type(own).__name__),
)
def test_mixtures_of_one_kind_are_sized(estimator, table, criterion):
    X, owner = table(), type(estimator).__name__
    model = clone(estimator).set_params(random_state=0, n_jobs=1)
    found = select_mixture(X, (1, 2), criterion=criterion, estimator=model, cv=3)
    size = 1 if (owner, criterion) == ("BernoulliMixture", "icl") else 2  # bits overlap
    assert found.best_params_ == {"n_components": size}
    assert found.values_[owner, size] < found.values_[owner, 3 - size]
    assert type(found.best_estimator_) is type(estimator)
    if criterion != "cv":
        value = getattr(clone(model).set_params(n_components=2).fit(X), criterion)(X)
        assert found.values_[owner, 2] == pytest.approx(value)
    assert found.plot().ax_.get_title() == f"best: {size} {owner}"


def test_mixed_student_and_factor_mixtures_are_sized():
    table = mixed()
    found = select_mixture(table, (1, 2), estimator=every_family(1, random_state=0))
    assert found.best_params_ == {"n_components": 2}
    X = clusters(300, d=2, apart=6, seed=4)
    robust = StudentMixture(random_state=0, n_jobs=1)
    found = select_mixture(X, (1, 3), estimator=robust)
    assert found.best_params_["n_components"] == 3
    assert isinstance(found.best_estimator_, StudentMixture)
    rng = np.random.default_rng(0)  # one factor each says as much as 21 numbers of a covariance
    wide = rng.standard_normal((300, 6)) + 8 * rng.integers(3, size=(300, 1))
    factors = GaussianMixture(n_factors=1, random_state=0, n_jobs=1)
    found = select_mixture(wide, (1, 3), ("factor", "full"), estimator=factors)
    assert found.best_params_ == {"n_components": 3, "covariance_type": "factor"}


def test_impossible_searches_are_refused():
    with pytest.raises(TypeError, match=r"must be a mixture of skextras, got KMeans\(\)"):
        select_mixture(clusters(), estimator=KMeans())
    with pytest.raises(ValueError, match=r"must be None for PoissonMixture.* got \['full'\]"):
        select_mixture(clusters(), covariance_types=["full"], estimator=PoissonMixture())
    with pytest.raises(ValueError, match=r"criterion must be one of .* got 'best'"):
        select_mixture(clusters(), criterion="best")
    with pytest.raises(ValueError, match=r"must name at least one each, got \[\]"):
        select_mixture(clusters(), [])


@pytest.mark.parametrize("kind", ["ellipses", "density"])
def test_pictures_show_every_component(kind):
    X = clusters()
    model = GaussianMixture(3, random_state=0).fit(X)
    ax = MixtureDisplay.from_estimator(model, X, features=(2, 0), kind=kind).ax_
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x[2]", "x[0]")
    if kind == "ellipses":
        lines = [line.get_xydata() for line in ax.lines]
        marks = np.array([line[0] for line in lines if len(line) == 1])
        np.testing.assert_allclose(marks, model.means_[:, [2, 0]])
    with pytest.raises(ValueError, match="kind must be 'ellipses' or 'density', got 'map'"):
        MixtureDisplay.from_estimator(model, kind="map")


def test_one_feature_is_a_curve_of_area_one():
    X = with_holes(clusters(d=2))[:, :1]
    model = GaussianMixture(2, random_state=0).fit(X)
    curve = MixtureDisplay.from_estimator(model, X).ax_.lines[0].get_xydata()
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("columns", [["a"], ["a", "b"]])
def test_a_frame_is_drawn_with_the_names_of_its_columns(columns):
    X = pd.DataFrame(clusters(60, d=2)[:, : len(columns)], columns=columns)
    ax = MixtureDisplay.from_estimator(GaussianMixture(2, random_state=0).fit(X), X).ax_
    assert ax.get_xlabel() == "a"


def test_only_gaussian_mixtures_are_drawn():
    X = clusters(60, d=2)
    with pytest.raises(TypeError, match="must be a GaussianMixture, got StudentMixture"):
        MixtureDisplay.from_estimator(StudentMixture(2, random_state=0).fit(X), X)


class TwoCoins(EMModel):
    """Five rounds of ten tosses, each with one of two coins (Do and Batzoglou, 2008)."""

    def e_step(self, heads, bias):
        if not np.all((bias > 0) & (bias < 1)):
            raise InfeasibleError("a bias must be in (0, 1)")
        return responsibilities(binom.logpmf(heads[:, None], 10, bias) + np.log(0.5))

    def m_step(self, heads, coin):
        return heads @ coin / (10 * coin.sum(axis=0))


HEADS = np.array([5, 9, 8, 4, 7])


def test_the_two_coins_end_where_the_paper_says():
    found = TwoCoins().fit(HEADS, np.array([0.6, 0.5]))
    np.testing.assert_allclose(found.parameters, [0.80, 0.52], atol=0.005)
    assert found.converged


@pytest.mark.parametrize("acceleration", ["squarem", "anderson"])
def test_a_users_model_is_accelerated_and_never_falls(acceleration):
    start = np.array([0.6, 0.5])
    plain = TwoCoins().fit(HEADS, start, tol=1e-12)
    quick = TwoCoins().fit(HEADS, start, tol=1e-12, acceleration=acceleration)
    assert quick.n_iter < plain.n_iter
    assert np.all(np.diff(quick.objectives) >= 0)
    np.testing.assert_allclose(quick.parameters, plain.parameters, atol=1e-5)


def test_a_refused_extrapolation_goes_back_to_em():
    """Parameters of two arrays, of which extrapolation beyond a bound is refused."""

    def step(parameters):
        x, y = parameters
        if x[0] > 1:
            raise InfeasibleError("x must be at most 1")
        return -float((1 - x[0]) + (1 - y[0]) ** 2), ((x + 1) / 2, (y + 1) / 2)

    found = ascend(step, (np.zeros(1), np.zeros(1)), tol=1e-9, acceleration="squarem")
    assert found.converged
    np.testing.assert_allclose(found.parameters[0], 1, atol=1e-6)


def test_a_refused_extrapolation_makes_the_next_ones_shorter_until_they_hold():
    squarem, here = Squarem(), np.zeros(1)

    def proposed():
        squarem.propose(here, here + 1)
        return squarem.propose(here + 1, here + 1.95)[0]  # r = 1, v = -0.05: α = -20

    assert proposed() == pytest.approx(2 * 20 - 0.05 * 20**2)
    squarem.restart()
    assert proposed() == pytest.approx(2 * 5 - 0.05 * 5**2)
    assert proposed() == pytest.approx(2 * 20 - 0.05 * 20**2)


def test_starts_and_accelerations_are_checked():
    with pytest.raises(ValueError, match="at least one start, got none"):
        TwoCoins().fit(HEADS)
    with pytest.raises(ValueError, match=r"acceleration must be .* got 'fast'"):
        TwoCoins().fit(HEADS, np.array([0.6, 0.5]), acceleration="fast")
    several = TwoCoins().fit(HEADS, np.array([0.5, 0.5]), np.array([0.6, 0.5]))
    np.testing.assert_allclose(several.parameters, [0.80, 0.52], atol=0.005)
