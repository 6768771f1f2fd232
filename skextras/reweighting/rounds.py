"""ENGINE: rounds until there are enough, or one that says why it is the last."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from skextras.reweighting.algorithm import Algorithm, Ending
from skextras.reweighting.learners import Learner


@dataclass
class Course:
    """What was boosted.

    Attributes
    ----------
    learners : list of object
        Those that are kept, a round after another.
    weights, errors, bounds : list of float
        Of each round: α, ε, and what the training error is at most.
    scores : list of float
        On validation rows, where there are some.
    ending : str
        Why the last round was the last; "" if there were as many as asked for, "early" if the score
        no longer rose.
    refused : tuple of object
        Learners of a round that was no better than chance.
    refused_error : float
        Its ε.
    """

    learners: list[Any] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    ending: Ending | str = ""
    refused: tuple[Any, ...] = ()
    refused_error: float = float("nan")


class Watch(Protocol):
    """Somebody who looks at validation rows."""

    def score(self, said: list[np.ndarray], weight: float) -> float:
        """Score after a round.

        Parameters
        ----------
        said : list of ndarray
            What each learner of the round says of the rows.
        weight : float
            α of the round.

        Returns
        -------
        float
            Greater is better.
        """
        ...

    def is_over(self, scores: list[float]) -> bool:
        """Whether the scores are reason to stop.

        Parameters
        ----------
        scores : list of float
            One a round.

        Returns
        -------
        bool
            True to stop.
        """
        ...


def boost(algorithm: Algorithm, learner: Learner, n_rounds: int, watch: Watch | None) -> Course:
    """Do the rounds.

    Parameters
    ----------
    algorithm : Algorithm
        A new one.
    learner : Learner
        On the training rows.
    n_rounds : int
        At most so many.
    watch : Watch or None
        When to stop early.

    Returns
    -------
    Course
        What came of it.
    """
    course = Course()
    for _ in range(n_rounds):
        step = algorithm.step(learner)
        kept = tuple(answer.kept for answer in step.answers)
        if step.ending == "chance":
            course.ending, course.refused, course.refused_error = "chance", kept, step.error
            break
        course.learners.extend(kept)
        course.weights.append(step.weight)
        course.errors.append(step.error)
        course.bounds.append(step.bound)
        course.ending = step.ending
        if watch is not None:
            said = [learner.on_validation(one) for one in kept]
            course.scores.append(watch.score(said, step.weight))
            if not course.ending and watch.is_over(course.scores):
                course.ending = "early"
        if course.ending:
            break
    return course
