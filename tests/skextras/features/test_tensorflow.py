"""Hashes, crosses and buckets equal those that TensorFlow computed."""

import numpy as np
import pytest

from skextras.features import Bucketized, Crossed, FeatureColumns, HashBucket
from skextras.features.kernels.farmhash import fingerprints
from skextras.features.values import Text
from tests.skextras.features import tensorflow_values as tf


def codes(column, table):
    """What one column gives, as whole numbers."""
    out = FeatureColumns([column], sparse_output=False).fit_transform(table)
    return out[:, 0].astype(int).tolist()


def test_fingerprints_of_all_lengths():
    text, out = Text.of(tf.STRINGS), np.empty(len(tf.STRINGS), np.uint64)
    fingerprints(text.offsets, text.data, out)
    assert out.tolist() == tf.FINGERPRINTS
    assert {len(text) for text in tf.STRINGS} > {0, 8, 9, 16, 17, 32, 33, 64, 65}


@pytest.mark.parametrize(
    ("n_buckets", "expected"), [(1000, tf.BUCKETS_1000), (2**20, tf.BUCKETS_1048576)]
)
def test_buckets_of_strings(n_buckets, expected):
    assert codes(HashBucket("s", n_buckets=n_buckets), {"s": tf.STRINGS}) == expected


def test_buckets_of_integers_are_those_of_their_digits():
    assert codes(HashBucket("i", n_buckets=1000), {"i": tf.INTS}) == tf.INT_BUCKETS_1000


def test_crosses_of_strings():
    cross = Crossed(["a", "b"], n_buckets=1024, encode="ordinal")
    assert codes(cross, {"a": tf.CROSS_A, "b": tf.CROSS_B}) == tf.CROSSES_1024


def test_crosses_with_integers():
    cross = Crossed(["a", "i"], n_buckets=1024, encode="ordinal")
    table = {"a": tf.CROSS_A, "i": np.arange(len(tf.CROSS_A))}
    assert codes(cross, table) == tf.CROSSES_WITH_ROW_NUMBER_1024


def test_crosses_with_codes_of_a_column_type():
    """A code is hashed as the number that it is: here the row's own."""
    n = len(tf.CROSS_A)
    own = Bucketized("i", boundaries=list(range(1, n)))
    cross = Crossed(["a", own], n_buckets=1024, encode="ordinal")
    table = {"a": tf.CROSS_A, "i": np.arange(n)}
    assert codes(cross, table) == tf.CROSSES_WITH_ROW_NUMBER_1024


def test_buckets_of_numbers():
    own = Bucketized("x", boundaries=tf.BOUNDARIES, encode="ordinal", missing="last")
    assert codes(own, {"x": tf.BUCKETIZED_X}) == tf.BUCKETIZED
