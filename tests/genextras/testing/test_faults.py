"""Each planted fault is found by its check, which passes without the fault."""

import pytest

from genextras.testing import CheckFailedError, scheduler_checks
from tests.genextras.testing.faults import FAULTS, Good

NAMES = [name for name, _ in scheduler_checks(Good)]


@pytest.mark.parametrize(("scheduler", "name"), FAULTS.items(), ids=str)
def test_a_planted_fault_is_found(scheduler, name):
    with pytest.raises(CheckFailedError, match=f"^{scheduler.__name__}: {name}: "):
        dict(scheduler_checks(scheduler))[name]()


@pytest.mark.parametrize("name", NAMES)
def test_the_check_passes_without_the_fault(name):
    dict(scheduler_checks(Good))[name]()


def test_every_check_finds_a_fault():
    assert set(NAMES) == set(FAULTS.values())
