"""Whole runs: again, from the middle, with a network that breaks, without waiting for a device."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from genextras.recording import check_finite
from genextras.testing.subject import N_STEPS, CheckFailedError, Subject, expect, images, seeded

WAITS = ("local_scalar_dense", "nonzero", "aten.equal")


class Waits(TorchDispatchMode):
    """Counts what would make the host wait for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        self.found += [str(func)] * any(word in str(func) for word in WAITS)
        return func(*args, **(kwargs or {}))


def check_a_second_run_starts_anew(subject: Subject) -> None:
    """What a run leaves behind does not count after ``set_timesteps``.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made, x = subject.ready(), images()
    first = subject.loop(made, x)
    subject.set_timesteps(made, N_STEPS + 2)
    subject.loop(made, x)
    subject.set_timesteps(made)
    expect(torch.equal(subject.loop(made, x), first), "a second run differs from the first")


def check_a_second_run_needs_no_new_timesteps(subject: Subject) -> None:
    """The same timesteps may be walked again.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made, x = subject.ready(), images()
    first = subject.loop(made, x)
    try:
        second = subject.loop(made, x)
    except Exception as error:
        raise CheckFailedError(f"a second run ends in {type(error).__name__}: {error}") from error
    expect(torch.equal(second, first), "a second run over the same timesteps differs")


def check_runs_may_start_in_the_middle(subject: Subject) -> None:
    """Image-to-image: a run from row k knows nothing of the rows before, nor of an earlier run.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    used, fresh = subject.ready(), subject.ready()
    start, x = 2 * used.order, images()
    subject.loop(used, x)
    subject.set_timesteps(used)
    results = []
    for made in (used, fresh):
        if hasattr(made, "set_begin_index"):
            made.set_begin_index(start)
            expect(made.begin_index == start, f"begin_index is {made.begin_index}, not {start}")
        results.append(subject.loop(made, x, start=start))
    expect(torch.equal(*results), "a run that starts in the middle depends on an earlier one")
    expect(torch.isfinite(results[0]).all(), "a run that starts in the middle is not finite")
    sliced = subject.ready()
    rest = subject.loop(sliced, x, start=start)
    expect(torch.equal(rest, results[0]), "set_begin_index changes what slicing gives")


def check_a_broken_network_is_named(subject: Subject) -> None:
    """NaN in one sample stays there, to the end, and ``check_finite`` names the step.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made, x = subject.ready(), images()
    x_0, generator = x.clone(), [seeded(7), seeded(8)]
    row, message = 2, ""
    try:
        with check_finite(made):
            for i, t in enumerate(made.timesteps):
                output = torch.tanh(subject.scaled(made, x, t))
                if i == row:
                    output[0, 0, 0, 0] = torch.nan
                x = subject.step(made, output, t, x, generator)[0]
    except ValueError as error:
        message = str(error)
    expect(f"step {row} " in message, f"NaN from the network at step {row} says {message!r}")
    expect(x.shape == x_0.shape, "the shape changes in a run")
    expect(x[0].isnan().any(), "NaN from the network is hidden")
    expect(torch.isfinite(x[1]).all(), "NaN of one sample spreads to another")


def check_a_run_reads_nothing_back(subject: Subject) -> None:
    """No step asks the device for a number.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made = subject.ready(10)
    with Waits() as waits:
        subject.loop(made, images())
    kinds = sorted(set(waits.found))
    expect(not waits.found, f"a run of 10 steps waits {len(waits.found)} times, in {kinds}")


CHECKS = (
    check_a_second_run_starts_anew,
    check_a_second_run_needs_no_new_timesteps,
    check_runs_may_start_in_the_middle,
    check_a_broken_network_is_named,
    check_a_run_reads_nothing_back,
)
