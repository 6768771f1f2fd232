"""One fit from bins to trees: rounds, scores on the way, early stopping, progress, interruption."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from skextras.boosting.rounds import Recipe, Rounds
from skextras.boosting.stopping import Patience
from skextras.losses import Loss, gradient_buffers
from skextras.trees.arrays import Ensemble, Tree
from skextras.trees.binning import Binned
from skextras.trees.routing import Router
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth


@dataclass(frozen=True)
class Rows:
    """Rows with their targets.

    Attributes
    ----------
    y : ndarray of float64 or float32 of shape (n,)
        Targets; labels are numbered, in single precision.
    weight : ndarray of float64 of shape (n,) or None
        Repetitions of the rows.
    """

    y: np.ndarray
    weight: np.ndarray | None


@dataclass(frozen=True)
class Validation(Rows):
    """Rows that are only looked at.

    Attributes
    ----------
    binned : Binned
        Bins of the rows.
    """

    binned: Binned


@dataclass
class Course:
    """Where a fit stands; what an interrupted one leaves.

    Attributes
    ----------
    start : ndarray of float64 of shape (n_outputs,)
        Score of no tree.
    trees : list of Tree
        Those of finished rounds.
    train_scores, validation_scores : list of float
        One before the first round and one after each, where scores are kept.
    """

    start: np.ndarray
    trees: list[Tree] = field(default_factory=list)
    train_scores: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)

    @property
    def n_rounds(self) -> int:
        """Finished rounds.

        Returns
        -------
        int
            How many.
        """
        return len(self.trees) // len(self.start)

    def ensemble(self) -> Ensemble:
        """The model so far.

        Returns
        -------
        Ensemble
            All finished rounds.
        """
        n_outputs = len(self.start)
        output = np.arange(len(self.trees)) % n_outputs
        return Ensemble(
            trees=tuple(self.trees), output=output, n_outputs=n_outputs, start=self.start
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a fit does beside growing trees.

    Attributes
    ----------
    n_rounds : int
        Rounds at most, earlier fits' included.
    patience : Patience or None
        When to stop early; None keeps no scores.
    score : callable or None
        (raw, rows, is_validation) -> float, greater is better; None takes minus the loss.
    after_round : callable or None
        Told the course after each round; stops the fit by returning True.
    """

    n_rounds: int
    patience: Patience | None
    score: Callable[[np.ndarray, Rows, bool], float] | None
    after_round: Callable[[Course], bool] | None


class Training:
    """Boosts a course from where it stands.

    Parameters
    ----------
    binned : Binned
        Training rows.
    rows : Rows
        Their targets.
    validation : Validation or None
        Rows to score on; None scores on the training rows.
    loss : Loss
        What is made small.
    plan : Plan
        How long, and who is told.
    """

    def __init__(  # the parts of a fit, each its own object
        self,
        binned: Binned,
        rows: Rows,
        validation: Validation | None,
        loss: Loss,
        plan: Plan,
    ) -> None:
        self.binned, self.rows, self.validation = binned, rows, validation
        self.loss, self.plan = loss, plan
        self._validation_raw: np.ndarray | None = None
        self._router: Router

    def run(self, course: Course, growth: Growth, recipe: Recipe, n_threads: int) -> None:
        """Do the rounds.

        Parameters
        ----------
        course : Course
            Changed as rounds finish, so that an interruption loses at most one of them.
        growth : Growth
            How trees grow.
        recipe : Recipe
            How they are added.
        n_threads : int
            Threads that work.
        """
        n_outputs = len(course.start)
        offset, y = np.zeros(n_outputs), self.rows.y
        # Where only y - raw matters, scores begin at 0: a common offset costs no digits of float32.
        if self.loss.is_translation_invariant:
            offset, y = course.start, y - course.start[0]
        y = y.astype(np.float32, copy=False)
        weight = None if self.rows.weight is None else self.rows.weight.astype(np.float32)
        raw = np.empty((n_outputs, len(y)), np.float32)
        raw[:] = (course.start - offset)[:, None]
        buffers = gradient_buffers(
            y, raw[0] if n_outputs == 1 else raw, weight, n_threads=n_threads
        )
        with Threads(n_threads) as threads:
            rounds = Rounds(self.binned, buffers, self.loss, growth, recipe, threads)
            rounds.replay(course.trees)
            self._prepare_validation(course, threads)
            if self.plan.patience is not None and not course.train_scores:
                self._score(course, rounds, offset)
            while course.n_rounds < self.plan.n_rounds:
                change = rounds.next(course.n_rounds, course.trees)
                self._validate(change.trees, change.rescaled, course)
                for number, tree in change.rescaled.items():
                    course.trees[number] = tree
                course.trees.extend(change.trees)
                if self._is_over(course, rounds, offset):
                    break

    def _is_over(self, course: Course, rounds: Rounds, offset: np.ndarray) -> bool:
        patience, tell = self.plan.patience, self.plan.after_round
        if patience is not None:
            self._score(course, rounds, offset)
        is_told_to = tell is not None and tell(course)
        if patience is None:
            return is_told_to
        return is_told_to or patience.is_over(course.validation_scores or course.train_scores)

    # ------------------------------------------------------------ scores
    def _prepare_validation(self, course: Course, threads: Threads) -> None:
        if self.validation is None or self.plan.patience is None:
            return
        self._router = Router(self.validation.binned, threads)
        shape = (len(course.start), len(self.validation.y))
        self._validation_raw = np.zeros(shape, np.float32)
        self._validate(course.trees, {}, course)

    def _validate(self, trees: Sequence[Tree], rescaled: dict[int, Tree], course: Course) -> None:
        if self._validation_raw is None:
            return
        raw = self._validation_raw
        for number, tree in rescaled.items():
            out = raw[number % len(raw)]
            self._router.add(out, course.trees[number].scaled(-1.0))
            self._router.add(out, tree)
        for number, tree in enumerate(trees):
            self._router.add(raw[number % len(raw)], tree)

    def _score(self, course: Course, rounds: Rounds, offset: np.ndarray) -> None:
        raw = rounds.scores + offset[:, None]
        course.train_scores.append(self._score_of(raw, self.rows, is_validation=False))
        if self._validation_raw is not None and self.validation is not None:
            raw = self._validation_raw + course.start[:, None]
            score = self._score_of(raw, self.validation, is_validation=True)
            course.validation_scores.append(score)

    def _score_of(self, raw: np.ndarray, rows: Rows, *, is_validation: bool) -> float:
        if self.plan.score is not None:
            return self.plan.score(raw, rows, is_validation)
        return -self.loss.value(rows.y, raw[0] if len(raw) == 1 else raw, rows.weight)
