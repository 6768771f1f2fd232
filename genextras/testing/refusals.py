"""Bad input: refused by a ValueError or TypeError where it is given, not broken by further in."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from genextras.testing.subject import (
    REFUSALS,
    CheckFailedError,
    Subject,
    expect,
    expect_refusal,
    images,
)


def check_misspelt_choices_are_refused(subject: Subject) -> None:
    """A word that is none of the choices is refused by the constructor.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    for name, word in subject.words.items():
        if isinstance(word.default, str):
            wrong = f"{word.default}x"
            expect_refusal(
                f"{name}={wrong!r}",
                partial(subject.make, **{name: wrong}),
            )


def check_reversed_ranges_are_refused(subject: Subject) -> None:
    """Ends in the wrong order are refused by the constructor.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    for low, high in (("beta_start", "beta_end"), ("sigma_min", "sigma_max")):
        if {low, high} <= subject.words.keys():
            ends = {low: subject.words[high].default, high: subject.words[low].default}
            if None not in ends.values():
                expect_refusal(f"{low} above {high}", partial(subject.make, **ends))


def check_impossible_counts_are_refused(subject: Subject) -> None:
    """So are 0, -3, 2.5 and "ten" steps, and more steps than there are labels.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    for count in (0, -3, 2.5, "ten"):
        made = subject.make()
        expect_refusal(
            f"set_timesteps({count!r})",
            partial(made.set_timesteps, count),
        )
    made = subject.make()
    n_steps = 2 * made.config["num_train_timesteps"]
    try:
        made.set_timesteps(n_steps)
    except REFUSALS:
        return
    n_labels = len(made.timesteps.unique())
    expect(n_labels >= n_steps, f"{n_steps} steps share {n_labels} labels")


def check_unsorted_grids_are_refused(subject: Subject) -> None:
    """Own timesteps and sigmas have to fall.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    for word, values in (("timesteps", [100, 500, 200]), ("sigmas", [0.2, 0.9, 0.5])):
        if subject.takes("set_timesteps", word):
            made, given = subject.make(), {word: values}
            expect_refusal(
                f"set_timesteps({word}={values})",
                partial(made.set_timesteps, **given),
            )


def _expect_words(what: str, call: Callable[[], Any]) -> None:
    """Fail unless a call is refused in words, or gives finite numbers."""
    try:
        result = call()
    except REFUSALS:
        return
    except Exception as error:
        raise CheckFailedError(f"{what} ends in {type(error).__name__}: {error}") from error
    expect(torch.isfinite(result[0]).all(), f"{what} gives numbers that are not finite")


def check_a_step_before_set_timesteps(subject: Subject) -> None:
    """It works over all labels, or says what is missing.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    x, made = images(), subject.make()

    def _step() -> Any:
        t = made.timesteps[0] if len(made.timesteps) else torch.tensor(1.0)
        return subject.step(made, 0.3 * x, t, x)[0]

    try:
        _step()
    except ValueError as error:
        expect("set_timesteps" in str(error), f"step before set_timesteps says {error}")
        return
    except Exception as error:
        text = f"step before set_timesteps ends in {type(error).__name__}: {error}"
        raise CheckFailedError(text) from error


def check_a_label_off_the_grid(subject: Subject) -> None:
    """It is taken, or refused in words.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    x = images()
    for label in (torch.tensor(3), 10_007, 12.7, "5"):
        step = partial(subject.step, subject.ready(), 0.3 * x, label, x)
        _expect_words(f"a step at the label {label!r}", step)


def check_shapes_that_differ_are_refused(subject: Subject) -> None:
    """An output that torch would stretch to the sample's shape is refused.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made, x = subject.ready(), images()
    expect_refusal(
        "an output with one channel for three",
        lambda: subject.step(made, x[:, :1], made.timesteps[0], x),
    )


CHECKS = (
    check_misspelt_choices_are_refused,
    check_reversed_ranges_are_refused,
    check_impossible_counts_are_refused,
    check_unsorted_grids_are_refused,
    check_a_step_before_set_timesteps,
    check_a_label_off_the_grid,
    check_shapes_that_differ_are_refused,
)
