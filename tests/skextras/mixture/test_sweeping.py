"""Sums of chunks do not depend on who brings them when."""

import threading

import numpy as np
import pytest

from skextras.mixture.sweeping import AHEAD, _Tally


def brought(tally, order, parts):
    """Threads that bring one part each, begun in this order."""
    threads = [threading.Thread(target=tally.take, args=(i, [parts[i]])) for i in order]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize("seed", range(3))
def test_early_sums_wait_for_their_turn(seed):
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((AHEAD, 4)) * 10.0 ** rng.integers(-9, 9, (AHEAD, 1))
    total, expected = np.zeros(4), np.zeros(4)
    for part in parts:
        expected += part  # in order: another one rounds otherwise
    for thread in brought(_Tally([total]), rng.permutation(AHEAD), parts):
        thread.join(10)
    np.testing.assert_array_equal(total, expected)


def test_threads_wait_where_too_much_is_kept():
    parts, total = np.ones((AHEAD + 1, 4)), np.zeros(4)
    tally = _Tally([total])
    threads = brought(tally, range(1, AHEAD + 1), parts)
    threads[-1].join(0.2)
    assert any(thread.is_alive() for thread in threads)
    tally.take(0, [parts[0]])
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    np.testing.assert_array_equal(total, AHEAD + 1)


def test_nobody_waits_for_a_chunk_that_failed():
    tally = _Tally([np.zeros(4)])
    threads = brought(tally, range(1, AHEAD + 1), np.ones((AHEAD + 1, 4)))
    tally.give_up()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
