"""Threads: every chunk once, beside other pools, after a fork, and gone when the fit is."""

import gc
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest

from skextras.trees.memory import address_of, int64s, operation, word
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth
from tests.skextras.trees.grown import as_table, grown, table


@operation
def count(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Count a chunk, and say who ran it."""
    n = word(table, 0)
    int64s(word(table, 1), n)[chunk] += 1
    int64s(word(table, 2), n)[chunk] = thread


def assert_gone(before):
    """No helper is left, at least in a moment: an interrupt may have cut the wait for it short."""
    gc.collect()
    for helper in set(threading.enumerate()) - before:
        helper.join(timeout=60)
    assert set(threading.enumerate()) <= before


def counted(threads, n):
    counts, who = np.zeros(n, np.int64), np.full(n, -1)
    table = np.array([n, address_of(counts), address_of(who)])
    threads.run(count, table, n)
    return counts, who


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_each_chunk_is_run_once(n_threads):
    with Threads(n_threads) as threads:
        for n in (1, 2, 3, 1000, 5):
            counts, who = counted(threads, n)
            np.testing.assert_array_equal(counts, 1)
            assert who.min() >= 0
            assert who.max() < n_threads


def test_many_short_jobs_follow_one_another():
    with Threads(3) as threads:
        assert all(counted(threads, 4)[0].tolist() == [1] * 4 for _ in range(2000))


def test_no_chunk_is_no_work():
    with Threads(2) as threads:
        threads.run(count, np.zeros(3, np.int64), 0)


def test_a_caller_that_fails_leaves_no_helper_behind():
    before = set(threading.enumerate())

    def fail():
        with Threads(3) as threads:
            counted(threads, 10)
            assert len(set(threading.enumerate()) - before) == 2
            raise KeyError("between two jobs")

    with pytest.raises(KeyError):
        fail()
    assert set(threading.enumerate()) == before


def test_an_array_with_gaps_has_no_address():
    with pytest.raises(ValueError, match="memory: array must be C-contiguous"):
        address_of(np.zeros((4, 4))[:, 1])


# ------------------------------------------------------------ fits
def leaf_values(seed, n_threads):
    """Values of a tree of 6000 rows: enough for every pass to be shared."""
    random = np.random.default_rng(seed)
    binned = as_table(table(random, 6000, 9))
    g = random.standard_normal(6000)
    return grown(binned, g, g * g, Growth(), n_threads=n_threads)[0].value.ravel().tolist()


def test_fits_beside_each_other_in_one_process():
    expected = [leaf_values(seed, 1) for seed in range(6)]
    with ThreadPoolExecutor(3) as executor:
        assert list(executor.map(lambda seed: leaf_values(seed, 2), range(6))) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_fits_after_its_parent_did():
    expected = leaf_values(0, 2)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if leaf_values(0, 2) == expected else 3)
        finally:
            os._exit(4)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert leaf_values(0, 2) == expected


def test_workers_of_joblib_fit():
    expected = [leaf_values(seed, 1) for seed in range(2)]
    parallel = joblib.Parallel(n_jobs=2, backend="loky")
    assert parallel(joblib.delayed(leaf_values)(seed, 2) for seed in range(2)) == expected


# ------------------------------------------------------------ interrupts
@pytest.fixture
def _interrupts_are_heard():
    """Processes that a shell starts in the background ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interrupts_are_heard")
def test_an_interrupt_leaves_no_helper_and_the_next_fit_as_it_was():
    expected, before = leaf_values(0, 2), set(threading.enumerate())
    timer = threading.Timer(0.05, signal.raise_signal, (signal.SIGINT,))
    timer.start()

    def fit_for_long():
        end = time.monotonic() + 60
        while time.monotonic() < end:
            leaf_values(1, 2)

    with pytest.raises(KeyboardInterrupt):
        fit_for_long()
    timer.join()
    assert_gone(before)
    assert leaf_values(0, 2) == expected


def test_threads_that_were_never_left_stop_when_nobody_holds_them():
    before = set(threading.enumerate())
    assert counted(Threads(3).__enter__(), 50)[0].tolist() == [1] * 50
    assert_gone(before)
