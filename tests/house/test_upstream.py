"""The list of upstream tests left out is well formed, and a substitution that failed is seen."""

from collections import Counter

import pytest

from tests.upstream.__main__ import Outcome, deselected
from tests.upstream.deselected import DESELECTED, TESTS
from tests.upstream.suites import SUITES

SUITE = SUITES["sb3_contrib"]  # of one class
[HOST] = SUITE.substitutes


def test_every_test_left_out_belongs_to_a_suite_and_has_a_reason():
    for entry, reason in DESELECTED.items():
        name, _, node = entry.partition(": ")
        assert (node.split("::")[0] in SUITES[name].files) is (entry in TESTS)
        assert len(reason) > 20
    assert sum(len(deselected(suite)) for suite in SUITES.values()) == len(TESTS)


@pytest.mark.parametrize("suite", SUITES.values(), ids=list(SUITES))
def test_the_quick_files_are_among_the_files(suite):
    assert set(suite.quick_files) <= set(suite.files)
    assert len(set(suite.files)) == len(suite.files)


@pytest.mark.parametrize(
    ("counts", "status", "n_faults"),
    [
        ({f"ours {HOST}": 3}, 0, 0),
        ({f"ours {HOST}": 3, f"genuine {HOST}": 1}, 0, 1),
        ({}, 0, 1),
        ({f"ours {HOST}": 3}, 1, 1),
    ],
)
def test_a_run_counts_only_if_ours_was_built_and_theirs_was_not(counts, status, n_faults):
    outcome = Outcome(SUITE, status, Counter(counts))
    assert len(outcome.faults(quick=True)) == n_faults


def test_a_stale_entry_of_the_list_is_a_fault_of_a_whole_run():
    suite = SUITES["sklearn"]
    counts = Counter({f"ours {host}": 1 for host in suite.substitutes})
    outcome = Outcome(suite, 0, counts)
    assert len(outcome.faults(quick=False)) == len(deselected(suite))
