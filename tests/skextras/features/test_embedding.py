"""Vectors: shared where said, combined as said, and learned by the model that is described."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from skextras.features import Embedding, FeatureColumns, HashBucket, SharedEmbedding, Vocabulary
from skextras.features.blocks import Bags
from skextras.features.kernels.factorisation import train
from skextras.features.vectors import Items, association, shares_of, singular_vectors
from tests.oracles import learned_features as oracle

GIVEN = {"a": [1.0, 0.0], "b": [0.0, 2.0], "c": [4.0, 4.0]}


@pytest.mark.parametrize(
    ("combiner", "expected"),
    [("sum", [4.0, 6.0]), ("mean", [4 / 3, 2.0]), ("sqrtn", [4 / 3**0.5, 6 / 3**0.5])],
)
def test_vectors_of_a_list_are_combined(combiner, expected):
    column = Embedding("tags", dimension=2, combiner=combiner, initial=GIVEN)
    out = FeatureColumns([column]).fit_transform({"tags": [["b", "c", "d"], [], ["a"]]})
    np.testing.assert_allclose(out, [expected, [0, 0], [1, 0]])


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
def test_weights_count_as_in_the_definition(combiner):
    weights = np.array([1.0, 3.0, 2.0])
    bags = Bags(np.array([0, 2, 3]), np.array([0, 1, -1], np.int32), weights, 2)
    offsets, codes, shares = shares_of(bags, combiner)
    norm = {"sum": 1.0, "mean": 4.0, "sqrtn": 10**0.5}[combiner]
    assert offsets.tolist() == [0, 2, 2]
    assert codes.tolist() == [0, 1]
    np.testing.assert_allclose(shares, np.array([1.0, 3.0]) / norm)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_a_step_is_adagrad_on_the_slopes_of_the_described_model(seed, n_fields, k, is_binary):
    random = np.random.default_rng(seed)
    m, d, rate = 5, 3, 0.1
    sizes = random.integers(0, 3, n_fields)
    fields = [
        [(int(c), float(random.uniform(0.2, 1))) for c in random.permutation(m)[:s]] for s in sizes
    ]
    items = [(code, f, share) for f, field in enumerate(fields) for code, share in field]
    vectors, heads = random.normal(size=(m, d)), random.normal(size=(2, k, d))
    biases = random.normal(size=k)
    y = random.integers(0, 2, (1, k)).astype(float) if is_binary else random.normal(size=(1, k))
    loss, *slopes = oracle.factorisation_step(
        vectors, heads, biases, fields, y[0], is_binary=is_binary
    )
    model = vectors.copy(), heads.copy(), biases.copy()
    codes, owners, shares = (
        (np.array(own) for own in zip(*items, strict=True)) if items else ([],) * 3
    )
    columns = (
        np.asarray(codes, np.int32),
        np.asarray(owners, np.int32),
        np.asarray(shares, np.float64),
        np.ones(1),
    )
    squares = tuple(np.zeros_like(part) for part in model)
    options = (n_fields, is_binary, rate, 0.0)
    found = train(np.array([0]), np.array([0, len(items)]), columns, y, model, squares, options)
    assert found == pytest.approx(loss / k)
    # A code that stands once in a row gets one step of Adagrad: its size is the rate.
    used = [code for field in fields for code, _ in field]
    once = [code for code in used if used.count(code) == 1]
    for part, before, slope in (
        (model[0][once], vectors[once], slopes[0][once]),
        (model[1][0], heads[0], slopes[1]),
        (model[1][1], heads[1], slopes[2]),
        (model[2], biases, slopes[3]),
    ):
        step = -rate * slope / (np.abs(slope) + 1e-8)
        np.testing.assert_allclose(part - before, step, rtol=1e-6, atol=1e-9)


def test_slopes_of_the_oracle_are_those_of_differences():
    random = np.random.default_rng(0)
    vectors, heads, biases = random.normal(size=(4, 3)), random.normal(size=(2, 2, 3)), np.zeros(2)
    fields, y = [[(0, 1.0)], [(1, 0.5), (2, 0.5)], [(3, 1.0)]], np.array([1.0, 0.0])
    for is_binary in (True, False):
        _, slopes, *_ = oracle.factorisation_step(
            vectors, heads, biases, fields, y, is_binary=is_binary
        )
        for place in np.ndindex(vectors.shape):
            moved = [vectors.copy(), vectors.copy()]
            moved[0][place] += 1e-6
            moved[1][place] -= 1e-6
            high, low = (
                oracle.factorisation_step(own, heads, biases, fields, y, is_binary=is_binary)[0]
                for own in moved
            )
            assert slopes[place] == pytest.approx((high - low) / 2e-6, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), max_size=5), min_size=1, max_size=12))
def test_association_is_that_of_counting_pairs(rows):
    offsets = np.cumsum([0, *map(len, rows)])
    codes = np.array([code for row in rows for code in row], np.int32)
    items = Items(
        offsets, codes, np.zeros(len(codes), np.int32), np.ones(len(codes)), 1, np.ones(len(rows))
    )
    found = association(items, 6, 6).toarray()
    np.testing.assert_allclose(found, oracle.association(rows, 6), atol=1e-12)


@pytest.mark.parametrize("size", [30, 900])
def test_singular_vectors_rebuild_what_they_are_of(size):
    """Dense and iterative: with all of a symmetric positive matrix of low rank nothing is lost."""
    from scipy import sparse

    factor = np.random.default_rng(0).normal(size=(size, 3)) * [3.0, 2.0, 1.0]
    vectors = singular_vectors(sparse.csr_array(factor @ factor.T), 5)
    scale = np.abs(factor @ factor.T).max()
    np.testing.assert_allclose(vectors @ vectors.T, factor @ factor.T, atol=1e-6 * scale)
    assert (np.diff(np.square(vectors).sum(axis=0)) <= 1e-6 * scale).all()
    largest = np.abs(vectors[:, :3]).argmax(axis=0)
    assert (vectors[largest, np.arange(3)] > 0).all()


def groups(n=400, seed=0):
    """Ten towns in two groups; flights go within a group, and those of group 0 are late."""
    random = np.random.default_rng(seed)
    group = random.integers(0, 2, n)
    names = np.array([[f"t{g}{k}" for k in range(5)] for g in range(2)])
    rows = {
        "origin": names[group, random.integers(0, 5, n)].tolist(),
        "dest": names[group, random.integers(0, 5, n)].tolist(),
    }
    return rows, group


def first_coordinates(column, rows, y=None):
    fitted = FeatureColumns([column]).fit(rows, y).columns_[0]
    by_level = dict(zip(fitted.levels, fitted.vectors, strict=True))
    return np.array([by_level[f"t{g}{k}"] for g in range(2) for k in range(5)])


@pytest.mark.parametrize("is_supervised", [True, False])
@pytest.mark.parametrize("kind", ["context", "shared"])
def test_groups_that_stand_together_are_parted(is_supervised, kind):
    rows, group = groups()
    column = (
        Embedding("origin", dimension=2, context="dest")
        if kind == "context"
        else SharedEmbedding(["origin", "dest"], dimension=2)
    )
    vectors = first_coordinates(column, rows, group if is_supervised else None)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = unit @ unit.T
    assert likeness[:5, :5].min() > likeness[:5, 5:].max()


def test_the_target_is_learned_and_the_loss_falls():
    rows, group = groups()
    labels = np.array(["red", "green", "blue"])[group + (np.arange(400) % 2) * group]
    for y in (group, labels, group + 0.1 * np.random.default_rng(0).normal(size=400)):
        columns = FeatureColumns([Embedding("origin", dimension=3)])
        out = columns.fit_transform(rows, y)
        loss = columns.columns_[0].learned["loss"]
        assert len(loss) == 5
        assert loss[-1] < loss[0]
        assert LogisticRegression().fit(out, group).score(out, group) > 0.95


def test_vectors_are_shared():
    rows = {"origin": ["a", "b", "a", "c"], "dest": ["b", "a", "c", "b"], "via": list("xyxy")}
    column = SharedEmbedding(["origin", "dest"], dimension=2, context=["via"])
    for y in (None, [0, 1, 1, 0]):
        columns = FeatureColumns([column]).fit(rows, y)
        out = columns.transform({"origin": ["a", "b", "c"], "dest": ["a", "b", "c"]})
        np.testing.assert_array_equal(out[:, :2], out[:, 2:])
        assert np.unique(out[:, :2], axis=0).shape == (3, 2)


def test_the_vocabulary_of_shared_columns_is_one():
    rows = {"origin": ["a", "b", None, "e"], "dest": ["c", "a", "a", "e"]}
    column = SharedEmbedding(["origin", "dest"], dimension=2, max_size=2, n_oov_buckets=1)
    fitted = FeatureColumns([column]).fit(rows).columns_[0]
    assert fitted.levels == ["a", "e", "oov_0"]
    assert fitted.vectors.shape == (3, 2)


def test_vectors_that_are_handed_in_are_kept_or_a_start():
    rows, group = {"town": ["a", "b", "a", "z"]}, [0, 1, 0, 1]
    kept = Embedding("town", dimension=2, initial=GIVEN, n_epochs=0)
    for y in (None, group):
        out = FeatureColumns([kept]).fit(rows, y).transform({"town": ["b", "z", None]})
        np.testing.assert_array_equal(out, [[0, 2], [0, 0], [0, 0]])
    start = Embedding("town", dimension=2, initial=GIVEN, n_epochs=1)
    out = FeatureColumns([start]).fit(rows, group).transform({"town": ["a", "b"]})
    assert 0 < np.abs(out - [[1, 0], [0, 2]]).max() < 0.2  # two steps of at most 0.05 or so


def test_missing_and_unknown_categories_have_zeros_or_vectors_of_their_own():
    rows = {"town": ["a", None, "b"], "to": ["x", "y", "x"]}
    out = FeatureColumns([Embedding("town", dimension=2, context=["to"])]).fit(rows)
    np.testing.assert_array_equal(out.transform({"town": [None, "new"]}), np.zeros((2, 2)))
    inner = Vocabulary("town", missing="bucket", n_oov_buckets=1)
    fitted = FeatureColumns([Embedding(inner, dimension=2, context=["to"])]).fit(rows, [0, 1, 0])
    assert fitted.transform({"town": [None, "new"]}).all()


def test_context_is_not_needed_later():
    rows, _ = groups()
    columns = FeatureColumns([Embedding("origin", dimension=2, context=["dest"])]).fit(rows)
    assert columns.transform({"origin": ["t00"]}).shape == (1, 2)
    with pytest.raises(ValueError, match="lacks 'dest'"):
        FeatureColumns([Embedding("origin", context=["dest"])]).fit({"origin": ["a"]})


def test_a_column_alone_stands_with_nothing():
    with pytest.raises(ValueError, match="Pass y, name other columns as context, or hand in"):
        FeatureColumns([Embedding(HashBucket("town", n_buckets=3))]).fit({"town": ["a", "b"]})


def test_the_seed_decides():
    rows, group = groups(100)
    columns = [Embedding("origin", dimension=2, random_state=seed) for seed in (0, 0, 1)]
    one, same, other = (FeatureColumns([own]).fit_transform(rows, group) for own in columns)
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)
