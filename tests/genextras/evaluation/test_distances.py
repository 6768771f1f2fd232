"""Distances against pairs one by one, against closed forms, and what they promise."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genextras.evaluation import (
    energy_distance,
    frechet_distance,
    mmd,
    precision_recall,
    sliced_wasserstein,
)
from tests.oracles import genextras_evaluation as oracles

FUNCTIONS = {
    "energy_distance": energy_distance,
    "mmd": mmd,
    "sliced_wasserstein": sliced_wasserstein,
    "frechet_distance": frechet_distance,
    "precision_recall": lambda x, y, **options: precision_recall(x, y, k=1, **options),
}


def normal(*shape, seed=0, mean=0.0, std=1.0):
    draw = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return mean + std * draw


samples = st.tuples(
    st.integers(2, 9), st.integers(2, 9), st.integers(1, 3), st.integers(0, 1000)
).map(lambda t: (normal(t[0], t[2], seed=t[3]), normal(t[1], t[2], seed=t[3] + 1, mean=0.5)))
blocks = st.integers(1, 5)


@settings(max_examples=30, deadline=None)
@given(samples, blocks, st.booleans())
def test_energy_distance_equals_pairs_one_by_one(pair, block, is_unbiased):
    expected = oracles.energy_distance(*(x.tolist() for x in pair), is_unbiased=is_unbiased)
    made = energy_distance(*pair, is_unbiased=is_unbiased, block=block)
    assert made == pytest.approx(expected, abs=1e-6)  # roots of squares at 1e-12 of their size


@settings(max_examples=30, deadline=None)
@given(samples, blocks, st.booleans(), st.floats(0.3, 3.0))
def test_mmd_equals_pairs_one_by_one(pair, block, is_unbiased, width):
    def gaussian(one, other):
        return math.exp(-(oracles.distance(one, other) ** 2) / (2 * width**2))

    def cubic(one, other):
        return (sum(a * b for a, b in zip(one, other, strict=True)) / len(one) + 1) ** 3

    lists = [x.tolist() for x in pair]
    for name, kernel in (("gaussian", gaussian), ("cubic", cubic)):
        options = {"is_unbiased": is_unbiased}
        expected = oracles.mmd(*lists, kernel, **options)
        made = mmd(*pair, kernel=name, bandwidth=width, block=block, **options)
        assert made == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(samples, blocks, st.sampled_from([1.0, 2.0, 3.0]))
def test_sliced_wasserstein_equals_matching_repeated_samples(pair, block, order):
    options = {"n_projections": 5, "order": order, "block": block}
    generator = torch.Generator().manual_seed(3)
    lines = torch.randn(
        pair[0].shape[1], 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64
    )
    lines /= lines.norm(dim=0)
    values = [
        oracles.wasserstein_of_numbers(*((x @ line).numpy() for x in pair), order)
        for line in lines.T
    ]
    made = sliced_wasserstein(*pair, generator=generator, **options)
    assert made == pytest.approx(np.mean(values) ** (1 / order), rel=1e-9, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(samples, blocks)
def test_precision_and_recall_equal_the_definition(pair, block):
    k = min(len(x) for x in pair) - 1
    made = precision_recall(*pair, k=k, block=block)
    assert tuple(made) == pytest.approx(oracles.precision_recall(*(x.tolist() for x in pair), k))


def test_numbers_are_measured_as_in_scipy():
    x, y = normal(50, 1), normal(70, 1, seed=1, mean=0.7, std=2.0)
    flat = x[:, 0].numpy(), y[:, 0].numpy()
    biased = energy_distance(x, y, is_unbiased=False)
    assert math.sqrt(biased) == pytest.approx(scipy.stats.energy_distance(*flat), rel=1e-9)
    made = sliced_wasserstein(x, y, order=1.0, n_projections=3)
    assert made == pytest.approx(scipy.stats.wasserstein_distance(*flat), rel=1e-9)


# ------------------------------------------------------------ closed forms for Gaussians


def folded(mean, std):
    """E|N(mean, std²)|."""
    tail = std * math.sqrt(2 / math.pi) * math.exp(-(mean**2) / (2 * std**2))
    return tail + mean * math.erf(mean / (std * math.sqrt(2)))


def with_moments(mean, root, *, n=40, seed=0):
    """Normal samples moved so that their mean and their covariance, root rootᵀ, are exact."""
    x = normal(n, len(root), seed=seed)
    x = x - x.mean(0)
    scale = torch.linalg.cholesky(x.T @ x / (n - 1))
    white = torch.linalg.solve_triangular(scale, x.T, upper=False)
    return mean + white.T @ root.T


def round_gaussians(d, shift, std):
    eye = torch.eye(d, dtype=torch.float64)
    return with_moments(0.0, eye, n=3000), with_moments(shift, std * eye, n=3000, seed=1)


def test_energy_distance_of_gaussians():
    x, y = round_gaussians(1, 1.0, 0.5)
    exact = 2 * folded(1.0, math.sqrt(1.25)) - folded(0, math.sqrt(2)) - folded(0, math.sqrt(0.5))
    assert energy_distance(x, y) == pytest.approx(exact, rel=0.03)


def test_mmd_of_gaussians():
    (x, y), h = round_gaussians(3, 0.5, 0.5), 1.5

    def overlap(shift, variance):
        wide = h**2 + variance
        return (h**2 / wide) ** 1.5 * math.exp(-3 * shift**2 / (2 * wide))

    exact = overlap(0, 2) + overlap(0, 0.5) - 2 * overlap(0.5, 1.25)
    assert mmd(x, y, bandwidth=h) == pytest.approx(exact, rel=0.03)


def test_sliced_wasserstein_of_gaussians():
    x, y = round_gaussians(3, 1.0, 0.5)
    exact = math.sqrt(3 / 3 + (1 - 0.5) ** 2)
    made = sliced_wasserstein(x, y, n_projections=2000, generator=torch.Generator().manual_seed(0))
    assert made == pytest.approx(exact, rel=0.03)


def test_frechet_distance_of_known_moments():
    mean, root, other = normal(3), normal(3, 3, seed=1), normal(3, 3, seed=2)
    x, y = with_moments(mean, root), with_moments(mean * 0, other, seed=5)
    first, second = root @ root.T, other @ other.T
    values = torch.linalg.eigvals(first @ second).real.clamp(min=0)
    exact = mean.square().sum() + first.trace() + second.trace() - 2 * values.sqrt().sum()
    for block in (7, 1000):
        assert frechet_distance(x, y, block=block) == pytest.approx(exact.item(), rel=1e-9)


# ------------------------------------------------------------ laws


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_offset_changes_nothing(name):
    """To 1e-6: float64 holds numbers near 1e8 to 1e-8."""
    measure, lines = FUNCTIONS[name], {}
    x, y = normal(30, 2), normal(20, 2, seed=1, mean=0.3)
    made = []
    for shift in (0.0, 1e8):
        if name == "sliced_wasserstein":
            lines = {"generator": torch.Generator().manual_seed(0)}
        made.append(measure(x + shift, y + shift, **lines))
    assert made[0] == pytest.approx(made[1], abs=1e-6)


@pytest.mark.parametrize("name", ["energy_distance", "mmd", "frechet_distance"])
def test_a_set_has_no_distance_to_itself(name):
    x = normal(30, 2)
    options = {} if name == "frechet_distance" else {"is_unbiased": False}
    assert FUNCTIONS[name](x, x.clone(), **options) == pytest.approx(0, abs=1e-9)


def test_unbiased_estimates_of_equal_laws_are_zero_on_average():
    for measure in (energy_distance, mmd):
        made = [measure(normal(20, 2, seed=i), normal(15, 2, seed=i + 500)) for i in range(100)]
        assert abs(np.mean(made)) < 4 * np.std(made) / 10  # four standard errors, seeds fixed
        biased = [
            measure(normal(20, 2, seed=i), normal(15, 2, seed=i + 500), is_unbiased=False)
            for i in range(20)
        ]
        assert min(biased) > 0


def test_copies_are_at_distance_zero():
    """Digits are held twice sometimes, and their features need not be centred."""
    x = normal(5, 64) + 100
    real = torch.cat([x, x, x])
    assert precision_recall(real, real.clone(), k=2) == (1.0, 1.0)
    assert energy_distance(real, x, is_unbiased=False) == pytest.approx(0, abs=1e-9)


def test_a_lost_mode_costs_recall_and_noise_costs_precision():
    real = torch.cat([normal(200, 2, std=0.1), normal(200, 2, seed=1, std=0.1) + 5])
    one_mode = normal(400, 2, seed=2, std=0.1)
    scattered = torch.cat([real[::2] + 1e-3, normal(200, 2, seed=3, std=20.0)])
    precision, recall = precision_recall(real, one_mode)
    assert precision > 0.9
    assert recall == pytest.approx(0.5, abs=0.05)
    assert precision_recall(real, scattered).precision == pytest.approx(0.5, abs=0.05)


def test_features_are_what_is_compared():
    x, y = normal(30, 2, 3, 3), normal(40, 2, 3, 3, seed=1)
    sizes = []

    def middle(images):
        sizes.append(len(images))
        return images[:, :, 1, 1]

    made = frechet_distance(x, y, features=middle, block=16)
    assert made == pytest.approx(frechet_distance(x[:, :, 1, 1], y[:, :, 1, 1]), rel=1e-9)
    assert max(sizes) <= 16
    k = {"k": 2, "block": 16}
    assert precision_recall(x, y, features=middle, **k) == precision_recall(
        middle(x), middle(y), **k
    )


def test_half_precision_is_computed_in_float64():
    x, y = normal(30, 4), normal(30, 4, seed=1)
    assert energy_distance(x.half(), y.half()) == pytest.approx(energy_distance(x, y), abs=1e-2)


def test_the_generator_decides_the_lines():
    x, y = normal(30, 4), normal(30, 4, seed=1, mean=1.0)
    made = [
        sliced_wasserstein(x, y, n_projections=2, generator=torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    ]
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bad_samples_are_refused(name):
    measure, x = FUNCTIONS[name], normal(6, 2)
    broken = x.clone()
    broken[2] = torch.nan
    with pytest.raises(ValueError, match="must be finite, got 1 of 6 samples that are not"):
        measure(x, broken)
    with pytest.raises(ValueError, match="of one dimension, got"):
        measure(x, normal(6, 3))
    with pytest.raises(TypeError, match="must be a Tensor, got 'list'"):
        measure(x, x.tolist())
    with pytest.raises(ValueError, match="of shape"):
        measure(x[:1], x)
    with pytest.raises(ValueError, match="block must be"):
        measure(x, x, block=0)


def test_bad_options_are_refused():
    x = normal(6, 2)
    with pytest.raises(ValueError, match="Did you mean 'gaussian'"):
        mmd(x, x, kernel="gausian")
    with pytest.raises(ValueError, match="bandwidth must be"):
        mmd(x, x, bandwidth=-1.0)
    with pytest.raises(ValueError, match="order must be"):
        sliced_wasserstein(x, x, order=0.5)
    with pytest.raises(ValueError, match="more than k=6 samples, got 6"):
        precision_recall(x, x, k=6)
    with pytest.raises(TypeError, match="is_unbiased must be True or False"):
        energy_distance(x, x, is_unbiased="no")
