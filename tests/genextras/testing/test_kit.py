"""Good schedulers pass; what is known to be wrong with diffusers' own stands here, with reasons."""

import diffusers
import pytest

import genextras
from genextras.testing import (
    CheckFailedError,
    check_scheduler,
    parametrize_with_checks,
    scheduler_checks,
)

# the host's own warning, of NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
OURS = [
    genextras.AnnealedLangevinScheduler,
    genextras.DDIMInverseScheduler,
    genextras.DDIMScheduler,
    genextras.DDPMScheduler,
    genextras.EDMScheduler,
    genextras.FlowMatchScheduler,
    genextras.MultistepScheduler,
    genextras.SDEScheduler,
]
SHAPES = {"check_shapes_that_differ_are_refused": "one channel is stretched over three"}
RANGES = {"check_reversed_ranges_are_refused": "the ends of a range may be reversed"}
WORDS = {"check_misspelt_choices_are_refused": "prediction_type='epsilonx' is taken"}
ALL = {
    **SHAPES,
    "check_each_sample_may_have_its_label": "labels for each sample end in a RuntimeError",
    "check_a_run_reads_nothing_back": "labels are looked up on the device",
    "check_impossible_counts_are_refused": "0 steps are taken, or divide by zero",
    "check_a_label_off_the_grid": "an IndexError or AttributeError from within",
}
CURSOR = {
    "check_the_same_arguments_give_the_same_step": "a step counts, whatever its label",
    "check_a_second_run_needs_no_new_timesteps": "the counter runs past the end",
}
HALVES = {"check_add_noise_in_half_precision": "1 - alpha is rounded before its root: no noise"}
UNSORTED = {"check_unsorted_grids_are_refused": "own timesteps may rise and fall"}
PAIRS = "check_all_pairs_of_options"
NO_NOISE = "there is no add_noise"
NEEDS_NOISE = (
    "check_add_noise_grows_with_the_level",
    "check_add_noise_takes_a_label_a_sample",
    "check_add_noise_in_half_precision",
    "check_a_step_arrives_at_the_next_level",
    "check_a_step_keeps_the_law",
    "check_nothing_handed_in_is_written",
)
BEFORE = {"check_a_step_before_set_timesteps": "an attribute that is not there yet, or None"}
SIGMAS = ALL | CURSOR | WORDS | RANGES
UPSTREAM = {
    diffusers.DDPMScheduler: ALL
    | HALVES
    | WORDS
    | RANGES
    | {
        PAIRS: "fixed_large_log is NaN",
        "check_the_last_step_gives_the_data": "fixed_large with trailing leaves noise of 0.3",
    },
    diffusers.DDIMScheduler: ALL
    | HALVES
    | WORDS
    | RANGES
    | {"check_a_step_arrives_at_the_next_level": "linspace: it goes to t - T // n"},
    diffusers.DDIMInverseScheduler: ALL
    | WORDS
    | RANGES
    | BEFORE
    | dict.fromkeys(NEEDS_NOISE, NO_NOISE)
    | {PAIRS: "sample at clean data divides by zero"},
    diffusers.EulerDiscreteScheduler: SIGMAS | UNSORTED,
    diffusers.EulerAncestralDiscreteScheduler: SIGMAS | {PAIRS: "squaredcos_cap_v2 is not finite"},
    diffusers.HeunDiscreteScheduler: {  # 0 steps end in a TypeError, by chance
        name: reason
        for name, reason in (SIGMAS | UNSORTED).items()
        if name != "check_impossible_counts_are_refused"
    },
    diffusers.EDMEulerScheduler: SIGMAS | UNSORTED,
    diffusers.EDMDPMSolverMultistepScheduler: SIGMAS,
    diffusers.DPMSolverMultistepScheduler: SIGMAS
    | UNSORTED
    | {PAIRS: "squaredcos_cap_v2 with Karras sigmas runs past the end"},
    diffusers.UniPCMultistepScheduler: SIGMAS
    | {
        PAIRS: "bh1 is not finite",
        "check_constructor_keeps_each_option": "solver_type='heun' becomes 'bh2'",
    },
    diffusers.PNDMScheduler: ALL
    | CURSOR
    | HALVES
    | WORDS
    | RANGES
    | BEFORE
    | {
        "check_timesteps_are_a_walk": "one step is not possible",
        "check_a_step_arrives_at_the_next_level": "Runge-Kutta's four calls go by a counter",
        "check_a_step_keeps_the_law": "Runge-Kutta's four calls go by a counter",
        "check_the_last_step_gives_the_data": "it needs the steps before",
    },
    diffusers.FlowMatchEulerDiscreteScheduler: ALL | CURSOR | UNSORTED,
    diffusers.FlowMatchHeunDiscreteScheduler: ALL
    | CURSOR
    | BEFORE
    | dict.fromkeys(
        ["check_add_noise_takes_a_label_a_sample", "check_nothing_handed_in_is_written"],
        "scale_noise takes one label only",
    ),
}


@parametrize_with_checks([*OURS, *UPSTREAM], expected_failed_checks=UPSTREAM.get)
def test_a_good_scheduler_passes(check):
    check()


def test_options_are_those_of_every_check():
    check_scheduler(genextras.EDMScheduler, options={"solver": "euler", "s_churn": 5.0})


def test_all_failures_are_named_at_once():
    with pytest.raises(CheckFailedError, match=r"FlowMatchEuler.* fails \d checks:") as caught:
        check_scheduler(
            diffusers.FlowMatchEulerDiscreteScheduler, expected_failed_checks=CURSOR | UNSORTED
        )
    for name in ALL:
        assert f"  {name}: " in str(caught.value)


def test_an_expected_failure_that_passes_is_an_error():
    with pytest.raises(CheckFailedError, match=r"check_sigmas_fall: .* Take it off"):
        check_scheduler(
            genextras.FlowMatchScheduler, expected_failed_checks={"check_sigmas_fall": "not so"}
        )


def test_names_are_unique():
    names = [name for name, _ in scheduler_checks(genextras.DDIMScheduler)]
    assert len(names) == len(set(names)) == 35


@pytest.mark.parametrize("wrong", [None, 3, object, genextras.DDIMScheduler()])
def test_what_is_no_scheduler_is_refused(wrong):
    with pytest.raises(TypeError, match="scheduler must be a subclass of SchedulerMixin"):
        check_scheduler(wrong)


def test_a_check_that_does_not_exist_is_refused():
    wrong = {"check_nothing": "?"}
    with pytest.raises(ValueError, match="must name checks, got 'check_nothing'"):
        check_scheduler(genextras.DDIMScheduler, expected_failed_checks=wrong)
    with pytest.raises(ValueError, match="must name checks, got 'check_nothing'"):
        parametrize_with_checks([genextras.DDIMScheduler], expected_failed_checks=lambda _: wrong)
