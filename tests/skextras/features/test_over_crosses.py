"""Crosses: a second hash, documented to the bit; means and counts of combinations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.features import (
    Bucketized,
    CountRank,
    Crossed,
    FeatureColumns,
    Indicator,
    Numeric,
    TargetMean,
    Vocabulary,
)
from tests.oracles import feature_kernels as oracle
from tests.skextras.features import tensorflow_values as tf

FEW_COLLISIONS = 2**30
GOLDEN = [343, 232, 570, 529]
PAIR = Crossed(["a", "b"], n_buckets=FEW_COLLISIONS, encode="ordinal")


def buckets(cross, table):
    return FeatureColumns([cross]).fit_transform(table)[:, 0].astype(int).tolist()


# ------------------------------------------------------------ the hash
def test_the_step_is_that_of_splitmix64():
    """The generator's first numbers from seeds 0 and 1234567, as its authors' C gives them."""
    assert oracle.splitmix(0) == 0xE220A8397B1DCDAF
    assert oracle.splitmix(1234567) == 6457827717110365317


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(0, 99)), min_size=1, max_size=9),
    st.integers(1, 2**31 - 2),
    st.integers(0, 2**63),
)
def test_buckets_are_those_of_the_documented_formula(pairs, n_buckets, seed):
    a, b = (list(own) for own in zip(*pairs, strict=True))
    cross = Crossed(["a", "b"], n_buckets=n_buckets, encode="ordinal", hash="splitmix", seed=seed)
    expected = [oracle.splitmix_bucket([*pair], seed, n_buckets) for pair in pairs]
    assert buckets(cross, {"a": a, "b": b}) == expected


def test_buckets_of_text_never_change():
    """Recorded: files that people keep depend on them."""
    cross = Crossed(["a", "b"], n_buckets=1024, encode="ordinal", hash="splitmix")
    table = {"a": ["JFK", "LGA", "Zürich", ""], "b": ["LAX", "LAX", "Genève", "x"]}
    assert buckets(cross, table) == GOLDEN
    words = dict(zip(tf.STRINGS, tf.FINGERPRINTS, strict=True))
    known = [s for s in tf.STRINGS if s][:20]
    expected = [oracle.splitmix_bucket([words[s], words[s]], cross.seed, 1024) for s in known]
    assert buckets(cross, {"a": known, "b": known}) == expected


def test_buckets_are_filled_alike():
    """65,536 combinations in 256 buckets: χ² has 255 degrees of freedom, deviation 23."""
    a, b = np.divmod(np.arange(65536), 256)
    cross = Crossed(["a", "b"], n_buckets=256, encode="ordinal", hash="splitmix")
    counts = np.bincount(buckets(cross, {"a": a, "b": b}), minlength=256)
    assert ((counts - 256) ** 2 / 256).sum() < 255 + 5 * 23


def test_an_unknown_hash_is_refused():
    with pytest.raises(ValueError, match="hash must be one of"):
        Crossed(["a", "b"], n_buckets=9, hash="md5")


# ------------------------------------------------------------ means and counts
def rows(n=200):
    random = np.random.default_rng(0)
    a = [[None, "x", "y"][k] for k in random.integers(0, 3, n)]
    b = random.choice(list("pqrs"), n).tolist()
    both = [None if one is None else f"{one}_{other}" for one, other in zip(a, b, strict=True)]
    return {"a": a, "b": b, "both": both}, random.normal(size=n)


KINDS = {
    "mean": TargetMean,
    "rank": CountRank,
    "count": lambda name: CountRank(name, output="count", missing_indicator=True),
    "mean, missing": lambda name: TargetMean(name, missing="keep", missing_indicator=True),
}


@pytest.mark.parametrize("kind", ["mean", "count", "mean, missing"])
@pytest.mark.parametrize("is_cross_fitted", [True, False])
def test_a_cross_is_as_a_column_of_joined_text(kind, is_cross_fitted):
    table, y = rows()
    weights = np.arange(200) % 3
    found = []
    for name in (PAIR, "both"):
        columns = FeatureColumns([KINDS[kind](name)])
        out = columns.fit_transform(table, y, weights)
        found.append(out if is_cross_fitted else columns.transform(table))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12, atol=1e-12)


def test_names_tell_the_cross():
    table, y = rows()
    columns = FeatureColumns([TargetMean(PAIR), CountRank(PAIR)]).fit(table, y)
    assert columns.get_feature_names_out().tolist() == ["a_x_b_mean", "a_x_b_rank"]
    unseen = columns.transform({"a": ["x"], "b": ["nowhere"]})
    assert unseen[0].tolist() == [pytest.approx(y.mean()), 10.0]  # 8 pairs, and the missing


def test_any_type_that_gives_a_category_will_do():
    """Buckets by quantiles have to be learned first: a pass of their own."""
    x, y = np.arange(100.0), np.repeat([0.5, 1.0, 5.0, 7.0], 25)
    column = TargetMean(Bucketized("x", n_buckets=4), smooth=0.0)
    assert column.n_passes == 2
    batches = [({"x": x[own::3]}, y[own::3]) for own in range(3)]
    out = FeatureColumns([column]).fit(batches).transform({"x": x})
    np.testing.assert_allclose(out[:, 0], y)


@pytest.mark.parametrize("kind", KINDS)
def test_json_restores_them(kind):
    table, y = rows()
    columns = FeatureColumns([KINDS[kind](PAIR)]).fit(table, y)
    restored = FeatureColumns.from_json(columns.to_json())
    np.testing.assert_array_equal(restored.transform(table), columns.transform(table))


def test_what_gives_no_category_is_refused():
    with pytest.raises(ValueError, match="name must be a name or a categorical column type"):
        FeatureColumns([CountRank(Numeric("x"))]).fit({"x": [1.0]})
    with pytest.raises(ValueError, match="must hold one category a row, got lists"):
        FeatureColumns([CountRank(Vocabulary("x"))]).fit({"x": [["a"], ["b"]]})
    with pytest.raises(ValueError, match="goes through the rows 2 times"):
        FeatureColumns([CountRank(PAIR)]).partial_fit(rows()[0])
    with pytest.raises(ValueError, match="name must be a name or a categorical column type"):
        FeatureColumns([CountRank(Indicator(Vocabulary("x")))]).fit({"x": ["a"]})
