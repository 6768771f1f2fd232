"""Checks of ``predict`` and of randomness."""

import numpy as np

from rlextras.testing.subject import N_STEPS, Subject, expect, same


def check_predict_shapes(subject: Subject) -> None:
    """One observation gives one action of the space, n of them give n.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model, places, space = subject.trained(), subject.places(), subject.action_space
    for deterministic in (True, False):
        one, _ = model.predict(places[0], deterministic=deterministic)
        expect(np.shape(one) == space.shape, f"shape {space.shape}, got {np.shape(one)}")
        action = one if space.shape else np.int64(one)
        expect(space.contains(action), f"an action in {space}, got {one!r}")
        many, _ = model.predict(places, deterministic=deterministic)
        expected = (len(places), *(space.shape or ()))
        expect(np.shape(many) == expected, f"shape {expected}, got {np.shape(many)}")


def check_predict_is_deterministic(subject: Subject) -> None:
    """``deterministic=True`` gives the same action each time, alone or in a batch.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model = subject.trained()
    first = subject.choices(model)
    for _ in range(5):
        expect(same(first, subject.choices(model)), "the same observations gave other actions")
    alone = [model.predict(place, deterministic=True)[0] for place in subject.places()]
    close = np.allclose(first, np.array(alone).reshape(first.shape), atol=1e-5)  # float32
    expect(close, "an observation in a batch gave another action than alone")


def check_predict_changes_nothing(subject: Subject) -> None:
    """``predict`` writes neither into what it is given nor into the model.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model, places = subject.trained(), subject.places()
    kept = {name: each.clone() for name, each in model.policy.state_dict().items()}
    model.policy.set_training_mode(True)
    model.predict(places)
    expect(same(places, subject.places()), "predict wrote into its observations")
    expect(same(kept, dict(model.policy.state_dict())), "predict changed the parameters")
    expect(not model.policy.training, "predict must leave the policy out of training mode")


def check_same_seed_gives_the_same_model(subject: Subject) -> None:
    """Two trainings with the same seed end with the same parameters, to the last bit.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    first, second = (dict(subject.trained(seed=3).policy.state_dict()) for _ in range(2))
    expect(same(first, second), "two trainings with seed=3 ended with different parameters")


def check_other_seed_gives_another_model(subject: Subject) -> None:
    """Another seed gives other parameters, and seeds the environments.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    first, second = (dict(subject.make(seed=seed).policy.state_dict()) for seed in (3, 4))
    expect(not same(first, second), "models with seed=3 and seed=4 have the same parameters")
    starts = []
    for seed in (3, 3, 4):
        env = subject.env()
        subject.make(env, seed=seed)
        starts.append(env.reset())
    expect(same(starts[0], starts[1]), "seed=3 gave two different first observations")
    expect(not same(starts[0], starts[2]), "seed=3 and seed=4 gave the same first observations")


def check_learning_changes_parameters(subject: Subject) -> None:
    """Training changes the policy, and leaves every parameter finite.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model = subject.make(subject.env(has_luck=True), seed=0)
    before = {name: each.clone() for name, each in model.policy.state_dict().items()}
    model.learn(N_STEPS)
    after = dict(model.policy.state_dict())
    expect(not same(before, after), f"{N_STEPS} steps of training changed no parameter")
    wrong = [name for name, each in after.items() if not each.isfinite().all()]
    expect(not wrong, f"parameters must be finite after training, these are not: {wrong}")


CHECKS = (
    check_predict_shapes,
    check_predict_is_deterministic,
    check_predict_changes_nothing,
    check_same_seed_gives_the_same_model,
    check_other_seed_gives_another_model,
    check_learning_changes_parameters,
)
