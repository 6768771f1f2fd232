"""Each planted fault is found by its check, which passes without the fault."""

import pytest
from stable_baselines3.common.base_class import BaseAlgorithm

from rlextras.testing import algorithm_checks
from tests.rlextras.testing.faults import FAULTS


def run(algorithm, name):
    dict(algorithm_checks(algorithm))[name]()


@pytest.mark.parametrize(("algorithm", "name"), FAULTS.items(), ids=lambda each: str(each))
def test_a_planted_fault_is_found(algorithm, name):
    with pytest.raises(Exception, match=r".") as caught:
        run(algorithm, name)
    if algorithm.__name__ != "OnlyNumbers":  # that one breaks by itself
        assert str(caught.value).startswith(f"{algorithm.__name__}: {name}: ")


HEALTHY = {
    (next(base for base in algorithm.__bases__ if issubclass(base, BaseAlgorithm)), name)
    for algorithm, name in FAULTS.items()
    if algorithm.__module__.startswith("tests")
}


@pytest.mark.parametrize(("algorithm", "name"), sorted(HEALTHY, key=str), ids=str)
def test_the_check_passes_without_the_fault(algorithm, name):
    run(algorithm, name)
