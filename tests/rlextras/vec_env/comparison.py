"""Compare two records of what vector environments said."""

import numpy as np


def assert_same(ours, theirs, *, with_reset_infos=True):
    """Equal to the last bit, but for the time that episodes took."""
    for t, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        stop = None if with_reset_infos else -1
        assert_equal(one[:stop], other[:stop], f"step {t}")


def assert_equal(one, other, where):
    if isinstance(other, dict):
        assert one.keys() == other.keys(), f"{where}: {one} {other}"
        for key in other.keys() - {"t"}:
            assert_equal(one[key], other[key], f"{where}, {key}")
    elif isinstance(other, list | tuple):
        assert len(one) == len(other), where
        for k, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_equal(a, b, f"{where}, {k}")
    else:
        np.testing.assert_array_equal(one, other, err_msg=where)
        assert np.asarray(one).dtype == np.asarray(other).dtype, where
