"""Rows in canonical order: no other order, and no repetition, makes a difference."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.trees import canonical as module
from skextras.trees.canonical import bits_of, canonical, in_order, row_keys, sample_of


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 60), k=st.integers(1, 4), few=st.integers(1, 6), seed=st.integers(0))
def test_repetitions_in_any_order_become_the_weighted_rows(n, k, few, seed):
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, few, (k, n)).astype(np.uint64)
    counts = rng.integers(0, 4, n)
    counts[0] = 1
    index = rng.permutation(np.repeat(np.arange(n), counts))
    ours = canonical(columns, counts.astype(float))
    theirs = canonical(columns[:, index], np.ones(len(index)))
    assert np.array_equal(columns[:, ours.rows], columns[:, index][:, theirs.rows])
    assert np.array_equal(ours.weight, theirs.weight)
    kept = columns[:, ours.rows].T.tolist()
    assert len({tuple(row) for row in kept}) == len(kept)  # each is there once


@given(seed=st.integers(0))
def test_rows_that_may_not_merge_are_only_ordered(seed):
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, 3, (2, 40)).astype(np.uint64)
    weight = rng.random(40)
    order = rng.permutation(40)
    one = canonical(columns, weight, may_merge=False)
    other = canonical(columns[:, order], weight[order], may_merge=False)
    assert np.array_equal(np.sort(one.rows), np.arange(40))
    assert np.array_equal(one.weight, other.weight)
    assert np.array_equal(columns[:, one.rows], columns[:, order][:, other.rows])


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), seed=st.integers(0))
def test_equal_rows_stand_side_by_side_by_weight_whatever_the_order(n, seed):
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, 3, (2, n)).astype(np.uint64)
    weight = rng.random(n).round(1) + 0.1
    order = rng.permutation(n)
    rows, firsts = in_order(columns, weight)
    others, other_firsts = in_order(columns[:, order], weight[order])
    assert np.array_equal(weight[rows], weight[order][others])
    assert np.array_equal(firsts, other_firsts)
    runs = np.split(columns[:, rows].T, firsts[1:])
    assert all((run == run[0]).all() for run in runs)
    assert len({tuple(run[0]) for run in runs}) == len(runs)


def test_rows_of_one_key_that_differ_are_told_apart(monkeypatch):
    monkeypatch.setattr(module, "mixed", lambda words: np.zeros_like(words))
    columns = np.array([[1, 2, 1, 3]], np.uint64)
    found = canonical(columns, np.array([1.0, 1.0, 2.0, 0.0]))
    assert columns[0, found.rows].tolist() == [1, 2]
    assert found.weight.tolist() == [3.0, 1.0]


def test_equal_numbers_have_equal_words():
    assert len(set(bits_of(np.array([0.0, -0.0])).tolist())) == 1
    assert len(set(bits_of(np.array([0.0, 1e-300, 1.0, -1.0])).tolist())) == 4


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 60), size=st.integers(1, 40), seed=st.integers(0))
def test_a_sample_is_moved_by_neither_order_nor_repetition(n, size, seed):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 3, (n, 3)).astype(float)
    counts = rng.integers(0, 3, n)
    counts[0] = 1
    index = rng.permutation(np.repeat(np.arange(n), counts))

    def sampled(X, weight):
        keys = row_keys(((slice(None), column) for column in X.T), len(X))
        found = sample_of(keys, weight, size)
        return X[found.rows].tolist(), found.weight.tolist()

    rows, weight = sampled(X, counts.astype(float))
    assert sampled(X[index], np.ones(len(index))) == (rows, weight)
    assert len({tuple(row) for row in rows}) == len(rows) <= size
    if len(rows) < size:
        assert sum(weight) == counts.sum()


def test_what_a_sparse_table_does_not_store_is_0():
    rng = np.random.default_rng(0)
    X = rng.integers(-1, 2, (50, 4)).astype(float)
    dense = row_keys(((slice(None), column) for column in X.T), 50)
    stored = row_keys(((np.flatnonzero(column), column[column != 0]) for column in X.T), 50)
    assert np.array_equal(dense, stored)
    assert len(set(dense.tolist())) == len(np.unique(X, axis=0))
