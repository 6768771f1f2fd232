"""Checks of saving and loading."""

import io
from typing import Any

from rlextras.testing.subject import N_STEPS, Subject, expect, optimizers_of, same


def check_loaded_models_act_the_same(subject: Subject) -> None:
    """A model from a file acts as the one that was saved, and has its parameters.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model = subject.trained()
    loaded = reloaded(subject, model)
    expect(same(subject.choices(model), subject.choices(loaded)), "the loaded model acts otherwise")
    states = dict(model.policy.state_dict()), dict(loaded.policy.state_dict())
    expect(same(*states), "the loaded model has other parameters")


def check_loaded_models_keep_their_optimizers(subject: Subject) -> None:
    """The state of every optimiser is in the file: moments, steps and learning rates.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model = subject.trained()
    ours, theirs = optimizers_of(model), optimizers_of(reloaded(subject, model))
    expect(ours, "no optimiser was found in the model or its policy")
    for name, optimizer in ours.items():
        expect(name in theirs, f"the loaded model has no optimiser {name}")
        states = optimizer.state_dict()["state"], theirs[name].state_dict()["state"]
        expect(same(*states), f"the state of {name} was lost on the way through the file")


def check_loaded_models_keep_their_options(subject: Subject) -> None:
    """Numbers, words and flags of the model are those of the loaded one.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model = subject.trained(gamma=0.9, learning_rate=2e-3)
    loaded = reloaded(subject, model)
    for name, value in vars(model).items():
        if not name.startswith("_") and isinstance(value, bool | int | float | str):
            kept = getattr(loaded, name, None)
            expect(kept == value, f"{name} was {value!r}, is {kept!r} after loading")


def check_loaded_models_learn_on(subject: Subject) -> None:
    """A loaded model counts on from where the saved one stood.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model = subject.trained()
    loaded = reloaded(subject, model, env=subject.env(has_luck=True))
    before = {name: each.clone() for name, each in loaded.policy.state_dict().items()}
    loaded.learn(N_STEPS, reset_num_timesteps=False)
    expect(
        loaded.num_timesteps >= model.num_timesteps + N_STEPS,
        f"saved at {model.num_timesteps} steps, {loaded.num_timesteps} after {N_STEPS} more",
    )
    changed = not same(before, dict(loaded.policy.state_dict()))
    expect(changed, "the loaded model did not learn")


def check_parameters_can_be_set(subject: Subject) -> None:
    """``set_parameters`` makes one model act as another.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model, other = subject.trained(seed=1), subject.make(seed=2)
    other.set_parameters(model.get_parameters(), device="cpu")
    expect(same(subject.choices(model), subject.choices(other)), "the other model acts otherwise")


def reloaded(subject: Subject, model: Any, env: Any = None) -> Any:
    """Send a model through a file.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    model : BaseAlgorithm
        The model.
    env : VecEnv, optional
        Where it goes on to learn.

    Returns
    -------
    BaseAlgorithm
        What came out.
    """
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    return subject.algorithm.load(file, env=env, device="cpu")


CHECKS = (
    check_loaded_models_act_the_same,
    check_loaded_models_keep_their_optimizers,
    check_loaded_models_keep_their_options,
    check_loaded_models_learn_on,
    check_parameters_can_be_set,
)
