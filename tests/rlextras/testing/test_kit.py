"""Good algorithms pass; what is known to be wrong with them stands here, with its reason."""

import pytest
import sb3_contrib
import stable_baselines3

import rlextras
from rlextras.testing import (
    CheckFailedError,
    algorithm_checks,
    check_algorithm,
    parametrize_with_checks,
)

RANGES = "check_impossible_options_are_refused"
WRITES = "check_what_environments_gave_is_not_written"
OPTIONS = "check_options_handed_in_are_not_written"
UNCHECKED = {RANGES: "upstream: gamma=1.7, or no batch at all, is taken without a word"}
BOOTSTRAPS = {WRITES: "upstream: bootstraps are added to the environment's own array of rewards"}
UPSTREAM = {
    stable_baselines3.PPO: UNCHECKED | BOOTSTRAPS,
    stable_baselines3.A2C: UNCHECKED
    | BOOTSTRAPS
    | {OPTIONS: "upstream: the options of RMSprop are written into the caller's policy_kwargs"},
    stable_baselines3.DQN: UNCHECKED,
    stable_baselines3.SAC: UNCHECKED
    | {OPTIONS: "upstream: use_sde is written into the caller's policy_kwargs"},
    stable_baselines3.TD3: UNCHECKED,
    stable_baselines3.DDPG: UNCHECKED
    | {OPTIONS: "upstream: n_critics is written into the caller's policy_kwargs"},
    sb3_contrib.TRPO: UNCHECKED | BOOTSTRAPS,
}
OURS = {getattr(rlextras, name): {} for name in rlextras.__all__}


@parametrize_with_checks([*UPSTREAM, *OURS], expected_failed_checks=(UPSTREAM | OURS).get)
def test_a_good_algorithm_passes(check):
    check()


def test_all_at_once():
    check_algorithm(stable_baselines3.DQN, expected_failed_checks=UNCHECKED)


def test_all_failures_are_named_at_once():
    with pytest.raises(CheckFailedError, match=r"PPO fails 2 checks:") as caught:
        check_algorithm(stable_baselines3.PPO)
    for name in (RANGES, WRITES):
        assert f"  {name}: CheckFailedError: PPO: {name}: " in str(caught.value)
    assert "{'gamma': 1.7}" in str(caught.value)


def test_an_expected_failure_that_passes_is_an_error():
    reasons = UNCHECKED | {WRITES: "not so"}
    with pytest.raises(CheckFailedError, match=rf"{WRITES}: .* Take it off the list"):
        check_algorithm(stable_baselines3.DQN, expected_failed_checks=reasons)


def test_options_that_an_algorithm_needs_are_given_to_each_model():
    class Needs(stable_baselines3.DQN):
        def __init__(self, *args, tail, **kwargs):
            assert tail == 3
            self.tail = tail
            super().__init__(*args, **kwargs)

    checks = dict(algorithm_checks(Needs, options={"tail": 3}))
    checks["check_predict_shapes"]()
    with pytest.raises(CheckFailedError, match="no action space is taken"):
        dict(algorithm_checks(Needs))["check_predict_shapes"]()


def test_names_are_unique_and_said_with_every_check():
    names = [name for name, _ in algorithm_checks(stable_baselines3.PPO)]
    assert len(names) == len(set(names)) == 30


@pytest.mark.parametrize("wrong", [None, 3, object, stable_baselines3.PPO.__init__])
def test_what_is_no_algorithm_is_refused(wrong):
    with pytest.raises(TypeError, match="algorithm must be a subclass of BaseAlgorithm"):
        check_algorithm(wrong)


def test_a_check_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="must name checks, got 'check_nothing'"):
        check_algorithm(stable_baselines3.PPO, expected_failed_checks={"check_nothing": "?"})
    with pytest.raises(ValueError, match="must name checks, got 'check_nothing'"):
        parametrize_with_checks(
            [stable_baselines3.PPO], expected_failed_checks=lambda _: {"check_nothing": "?"}
        )
