"""Checks of the constructor: options, policies, and what was handed in."""

import copy
import math
from functools import partial
from itertools import compress
from typing import Any

from rlextras.testing.subject import N_STEPS, Subject, expect, refuses

IMPOSSIBLE = {
    "gamma": (1.7, -0.1, math.nan),
    "learning_rate": (-1.0, math.nan),
    "batch_size": (0, -1),
    "n_steps": (0, -1),
    "n_epochs": (0,),
    "buffer_size": (0, -1),
    "tau": (-0.5, math.inf),
}


def check_options_are_kept(subject: Subject) -> None:
    """An option given to the constructor is an attribute of that name.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model = subject.make(gamma=0.9, learning_rate=1e-3, seed=5)
    for name, value in {"gamma": 0.9, "learning_rate": 1e-3, "seed": 5}.items():
        kept = getattr(model, name, None)
        expect(kept == value, f"{name}={value} was given, the model holds {kept}")


def check_unknown_options_are_refused(subject: Subject) -> None:
    """A misspelt option raises a TypeError.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    try:
        subject.make(gama=0.9)
    except TypeError:
        return
    expect(False, "gama=0.9 must raise a TypeError, and was taken")


def check_unknown_policies_are_refused(subject: Subject) -> None:
    """A policy that nobody knows raises a ValueError.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    try:
        subject.make(policy="NoSuchPolicy")
    except ValueError:
        return
    expect(False, "policy='NoSuchPolicy' must raise a ValueError, and was taken")


def check_impossible_options_are_refused(subject: Subject) -> None:
    """An option with which nothing can be learned is refused before any work.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    pairs: list[dict[str, Any]] = [
        {name: value}
        for name, values in IMPOSSIBLE.items()
        for value in values
        if name in subject.known | {"gamma"}
    ]
    is_taken = [not refuses(partial(subject.make, **pair)) for pair in pairs]
    taken = list(compress(pairs, is_taken))
    expect(not taken, f"impossible options must be refused, these were taken: {taken}")


def check_options_handed_in_are_not_written(subject: Subject) -> None:
    """Dicts given as options are the same after training as before.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    given = {"net_arch": [8], "optimizer_kwargs": {"weight_decay": 0.0}}
    before = copy.deepcopy(given)
    subject.make(policy_kwargs=given).learn(N_STEPS)
    expect(given == before, f"policy_kwargs was {before} and became {given}")


def check_environment_by_id(subject: Subject) -> None:
    """The id of a registered environment is as good as the environment.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    env_id = "Pendulum-v1" if hasattr(subject.action_space, "low") else "CartPole-v1"
    model = subject.make(env_id)
    model.learn(N_STEPS)
    expect(model.get_env() is not None, f"a model made with {env_id!r} must have an environment")


CHECKS = (
    check_options_are_kept,
    check_unknown_options_are_refused,
    check_unknown_policies_are_refused,
    check_impossible_options_are_refused,
    check_options_handed_in_are_not_written,
    check_environment_by_id,
)
