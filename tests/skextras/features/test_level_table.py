"""Levels with what belongs to them: batches add up, in the order of Python's own sort."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.features import (
    CountRank,
    Crossed,
    FeatureColumns,
    Indicator,
    TargetMean,
    Vocabulary,
)
from skextras.features.level_table import LevelList, LevelTable, by_count
from skextras.features.table import as_table
from skextras.features.values import STEP, Numbers, Text
from tests.oracles import feature_kernels as oracle

WORDS = st.text("aäb\0", max_size=9) | st.text(max_size=3)
LEVELS = [WORDS, st.integers(-(2**40), 2**40), st.floats(-9, 9).map(lambda x: x + 0.0)]


def values_of(levels):
    return Text.of(levels) if isinstance(levels[0], str) else Numbers(np.array(levels))


def batches_of(draw, kind):
    batch = st.dictionaries(kind, st.integers(1, 5), min_size=1, max_size=9)
    return [list(own.items()) for own in draw(st.lists(batch, min_size=1, max_size=9))]


# ------------------------------------------------------------ the table
@pytest.mark.parametrize("kind", LEVELS, ids=["text", "int", "float"])
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_batches_add_up_and_are_ordered_as_python_does(kind, data):
    batches, table = batches_of(data.draw, kind), LevelTable()
    for batch in batches:
        levels, counts = zip(*batch, strict=True)
        table.add(values_of(levels), np.array(counts))
        if data.draw(st.booleans()):
            assert len(table.levels) == len(table.values)  # a look between two batches
    expected = oracle.added(batches)
    found, counts = LevelList(table.levels).tolist(), table.values.tolist()
    assert dict(zip(found, counts, strict=True)) == expected
    places = by_count(table.levels, table.values)
    assert [found[place] for place in places] == oracle.falling(expected)
    weighted = by_count(table.levels, table.values / 4)
    assert weighted.tolist() == places.tolist()


def test_tables_merge_whole_numbers_with_fractions():
    first, second = LevelTable(), LevelTable()
    first.add(Numbers(np.array([1, 2])), np.array([[1.0, 10.0], [2.0, 20.0]]))
    second.add(Numbers(np.array([2.0, 0.5])), np.array([[3.0, 30.0], [4.0, 40.0]]))
    first.merge(second)
    assert first.levels.values.tolist() == [1.0, 2.0, 0.5]
    assert first.values.tolist() == [[1.0, 10.0], [5.0, 50.0], [4.0, 40.0]]


def test_counts_beyond_16_bits_keep_their_order():
    levels = Numbers(np.arange(4))
    assert by_count(levels, np.array([1, 2**40, 2**16, 2**16])).tolist() == [1, 2, 3, 0]


# ------------------------------------------------------------ the list
@pytest.mark.parametrize("own", [["b", "ä", ""], [3, 1], [0.5], []], ids=repr)
def test_a_list_of_levels_is_as_the_list(own):
    levels = LevelList(values_of(own) if own else Text.of([]))
    assert levels == own
    assert levels == LevelList(levels.values)
    assert levels != [*own, 0]
    assert levels != "b"
    assert (len(levels), list(levels), repr(levels)) == (len(own), own, repr(own))
    assert [levels[place] for place in range(-len(own), len(own))] == own + own
    assert (levels[1:], levels[::-1]) == (own[1:], own[::-1])
    assert all(level in levels and levels.index(level) == at for at, level in enumerate(own))
    assert pickle.loads(pickle.dumps(levels)) == copy.deepcopy(levels) == own
    with pytest.raises(IndexError):
        levels[len(own)]


def test_levels_that_were_learned_are_pythons_own():
    columns = FeatureColumns([Indicator(Vocabulary("x", missing="bucket"))], sparse_output=False)
    columns.fit({"x": [7, 7, 5, 9, 9]})
    (learned,) = columns.columns_[0].learned["parts"]
    assert learned == {"kind": "number", "levels": [7, 9, 5]}
    assert {type(level) for level in learned["levels"]} == {int}
    assert columns.get_feature_names_out().tolist() == ["x_7", "x_9", "x_5", "x_missing"]
    back = columns.inverse_transform(columns.transform({"x": [9, None]}))["x"]
    assert back.tolist() == [9, None]


# ------------------------------------------------------------ text
@settings(max_examples=80, deadline=None)
@given(st.lists(st.text("aäb日", max_size=20), min_size=1, max_size=40))
def test_joined_strings_are_those_that_were_packed(strings):
    assert Text.joined(strings).strings() == strings


def test_strings_that_are_joined_in_parts():
    strings = [str(i)[: i % 5] for i in range(2 * STEP + 1)]
    text = Text.joined(strings)
    assert text.strings() == strings
    assert text.factor.levels.strings() == list(dict.fromkeys(strings))


@pytest.mark.parametrize("strange", [None, 1.5, b"b", "a\0b", "\0", "\ud800"], ids=repr)
def test_what_cannot_be_joined_is_left_to_others(strange):
    assert Text.joined(["a", strange, "b"]) is None
    assert Text.joined([strange]) is None
    assert Text.joined(["a"] * STEP + [strange]) is None


def test_a_zero_byte_is_a_letter_as_any_other():
    words = ["a\0b", "a", "\0", "", "a\0b"]
    text = as_table({"x": words}, owner="test")["x"]
    assert text.factor.levels.strings() == words[:4]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.binary(max_size=3) | st.text("ä日a", max_size=3).map(str.encode), max_size=5))
def test_text_is_utf8_if_each_string_is(pieces):
    assert Text.of(pieces).is_utf8 == oracle.is_utf8(pieces)


def test_halves_of_a_character_are_not_utf8():
    pieces = ["ä".encode()[:1], "ä".encode()[1:]]
    assert not Text.of(pieces).is_utf8
    with pytest.raises(ValueError, match=r"must hold UTF-8, got b'\\xa4'"):
        FeatureColumns([Vocabulary("x")]).fit({"x": pieces})


# ------------------------------------------------------------ categories of one table
def test_columns_over_one_cross_give_what_each_gives_alone():
    random = np.random.default_rng(0)
    rows = {name: random.integers(0, 9, 300) for name in "ab"}
    y, cross = random.normal(size=300), Crossed(["a", "b"], n_buckets=2**20)
    other = Crossed(["b", "a"], n_buckets=2**20)
    own = [TargetMean(cross), CountRank(cross), CountRank(other), TargetMean(cross, cv=3)]
    together = FeatureColumns(own)
    fitted, later = together.fit_transform(rows, y), together.transform(rows)
    for place, column in enumerate(own):
        alone = FeatureColumns([column])
        np.testing.assert_array_equal(alone.fit_transform(rows, y)[:, 0], fitted[:, place])
        np.testing.assert_array_equal(alone.transform(rows)[:, 0], later[:, place])


def test_what_was_learned_is_not_shared():
    """One table for two transformers, which saw different rows."""
    column = CountRank(Crossed(["a", Vocabulary("b")], n_buckets=2**20), output="count")
    rows = {"a": [1, 1, 2, 2], "b": ["x", "x", "y", "z"]}
    table = as_table(rows, owner="test")
    first = FeatureColumns([column]).fit(rows)
    second = FeatureColumns([column]).fit({"a": [2, 1], "b": ["z", "z"]})
    assert first.transform(table)[:, 0].tolist() == [2, 2, 1, 1]
    assert second.transform(table)[:, 0].tolist() == second.transform(rows)[:, 0].tolist()


@pytest.mark.parametrize("column", [TargetMean("x"), CountRank("x")], ids=repr)
def test_a_batch_of_another_kind_is_refused(column):
    columns = FeatureColumns([column]).partial_fit({"x": ["a", "b"]}, [0.0, 1.5])
    with pytest.raises(ValueError, match="must hold text as it did in fit, got number"):
        columns.partial_fit({"x": [1, 2]}, [0.0, 1.5])
