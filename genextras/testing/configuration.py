"""Config and files: what a scheduler was given comes back, in any combination."""

import inspect
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import DiffusionPipeline

from genextras.testing.subject import (
    ALTERNATIVES,
    REFUSALS,
    CheckFailedError,
    Subject,
    close,
    expect,
    images,
    is_refused,
)


class Folder(DiffusionPipeline):
    """The least pipeline that holds a scheduler.

    Parameters
    ----------
    scheduler : SchedulerMixin
        The scheduler.
    """

    def __init__(self, scheduler: Any) -> None:
        super().__init__()
        self.register_modules(scheduler=scheduler)  # type: ignore[attr-defined]  # untyped base


def settings(scheduler: Any) -> dict[str, Any]:
    """Options of a scheduler without what diffusers notes beside them.

    Parameters
    ----------
    scheduler : SchedulerMixin
        Any.

    Returns
    -------
    dict of str to object
        Its config.
    """
    return {name: value for name, value in scheduler.config.items() if not name.startswith("_")}


def other_options(subject: Subject) -> dict[str, Any]:
    """Another value for each option that takes one together with the rest.

    Parameters
    ----------
    subject : Subject
        The scheduler.

    Returns
    -------
    dict of str to object
        Its options.
    """
    chosen: dict[str, Any] = {}
    for name in [each for each in ALTERNATIVES if each in subject.words]:
        default = subject.words[name].default
        for value in ALTERNATIVES[name]:
            more = {**chosen, name: value}
            runs = partial(_runs, subject, more)
            if value != default and not is_refused(runs):
                chosen = more
                break
    return chosen


def _runs(subject: Subject, options: dict[str, Any]) -> None:
    """Run once with these options."""
    subject.loop(subject.ready(**options), images())


def check_constructor_keeps_each_option(subject: Subject) -> None:
    """The config says what the constructor was told.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    options = other_options(subject)
    made = settings(subject.make(**options))
    lost = {name for name, value in options.items() if made.get(name) != value}
    expect(not lost, f"the config does not hold {sorted(lost)} as given")
    kinds = [each.kind for each in subject.words.values()]
    has_star = inspect.Parameter.VAR_POSITIONAL in kinds
    expect(not has_star, "the constructor takes *args, which a config cannot hold")


def check_config_returns_from_a_folder(subject: Subject) -> None:
    """Save, load: the same options, the same run.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made = subject.make(**other_options(subject))
    with TemporaryDirectory() as folder:
        made.save_pretrained(folder)
        loaded = subject.scheduler.from_pretrained(folder)  # type: ignore[attr-defined]  # a SchedulerMixin
    expect(settings(loaded) == settings(made), "options change on the way through a folder")
    results = []
    for each in (made, loaded):
        subject.set_timesteps(each)
        results.append(subject.loop(each, images()))
    expect(close(*results, atol=0.0), "a loaded scheduler runs otherwise than the saved one")


def check_a_pipeline_returns_it(subject: Subject) -> None:
    """The scheduler of a saved pipeline is of the same class, with the same options.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made = subject.make(**other_options(subject))
    with TemporaryDirectory() as folder:
        Folder(made).save_pretrained(folder)  # type: ignore[attr-defined]  # untyped base
        loaded = Folder.from_pretrained(folder).scheduler
    expect(type(loaded) is subject.scheduler, f"a pipeline loads {type(loaded).__name__} instead")
    expect(settings(loaded) == settings(made), "options change on the way through a pipeline")


def check_foreign_options_survive(subject: Subject) -> None:
    """Options of another scheduler stay in the config, for the way back.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    config = {**subject.make().config, "an_option_of_another": 3}
    made = subject.scheduler.from_config(config)  # type: ignore[attr-defined]  # a ConfigMixin
    kept = made.config.get("an_option_of_another")
    expect(kept == 3, f"an option of another scheduler is {kept!r} after from_config, and was 3")


def check_all_pairs_of_options(subject: Subject) -> None:
    """Any two options together run to finite numbers, or are refused.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    for options in subject.variants():
        try:
            made = subject.ready(4, **options)
            result = subject.loop(made, images() * getattr(made, "init_noise_sigma", 1.0))
        except REFUSALS:
            continue
        except Exception as error:
            raise CheckFailedError(f"{options} ends in {type(error).__name__}: {error}") from error
        expect(torch.isfinite(result).all(), f"{options} gives numbers that are not finite")


CHECKS = (
    check_constructor_keeps_each_option,
    check_config_returns_from_a_folder,
    check_a_pipeline_returns_it,
    check_foreign_options_survive,
    check_all_pairs_of_options,
)
