"""A fit as a course of epochs: which algorithm, how long, with which neighbourhood."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skextras.som.batch import Tally, in_stripes, learnt, tally
from skextras.som.gas import gas_epoch
from skextras.som.grid import Grid
from skextras.som.online import Steps, learn_online
from skextras.som.schedules import decayed, shares_done
from skextras.som.search import Codebook

Decay = str | Callable[[float, float, float], float]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a map learns.

    Attributes
    ----------
    metric : str
        Distance of a row and a unit.
    neighborhood : str
        How much units learn from rows that others won.
    radius : tuple of float
        Of the neighbourhood, in the first step and in the last one.
    decay : str or callable
        How it goes from one to the other.
    n_epochs : int
        Passes over the rows.
    learning_rate : tuple of float, default=(0.5, 0.01)
        First and last, where steps are smaller than epochs.
    batch_size : int, default=1024
        Rows of a mini-batch.
    algorithm : str, default="batch"
        One of ``ALGORITHMS``.
    n_threads : int, default=1
        How many threads.
    """

    metric: str
    neighborhood: str
    radius: tuple[float, float]
    decay: Decay
    n_epochs: int
    learning_rate: tuple[float, float] = (0.5, 0.01)
    batch_size: int = 1024
    algorithm: str = "batch"
    n_threads: int = 1

    def radius_of(self, epoch: int) -> float:
        """Radius of an epoch that is one step.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.

        Returns
        -------
        float
            At least 0.
        """
        return float(decayed(self.decay, self.radius, shares_done(epoch, 1, self.n_epochs))[0])

    def steps(self, epoch: int, n: int) -> Steps:
        """Radius and learning rate of the steps of one epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.
        n : int
            Steps of an epoch.

        Returns
        -------
        Steps
            Of each step.
        """
        shares = shares_done(epoch * n, n, self.n_epochs * n)
        return Steps(
            decayed(self.decay, self.radius, shares),
            np.minimum(decayed(self.decay, self.learning_rate, shares), 1.0),
        )


@dataclass
class Course:
    """A map while it learns.

    Attributes
    ----------
    weights : ndarray of float64 of shape (n_units, n_features)
        Of the units.
    grid : Grid
        Where they lie.
    epoch : int, default=0
        Epochs done.
    memory : Tally or None, default=None
        Rows that mini-batches remember.
    """

    weights: np.ndarray
    grid: Grid
    epoch: int = 0
    memory: Tally | None = None


def _batch_epoch(course: Course, plan: Plan, X: Any, weights: np.ndarray) -> None:
    codebook = Codebook(course.weights, plan.metric)
    radius = plan.radius_of(course.epoch)
    if course.grid.topology == "gas":
        course.weights = gas_epoch(codebook, X, weights, radius, plan.n_threads)
        return
    total = tally(codebook, X, weights, plan.n_threads)
    course.weights = learnt(course.weights, total, course.grid, plan.neighborhood, radius)


def _online_epoch(course: Course, plan: Plan, X: Any, weights: np.ndarray) -> None:
    steps = plan.steps(course.epoch, X.shape[0])
    course.weights = learn_online(
        course.weights,
        course.grid,
        X,
        weights,
        steps,
        metric=plan.metric,
        neighborhood=plan.neighborhood,
    )


def _minibatch_epoch(course: Course, plan: Plan, X: Any, weights: np.ndarray) -> None:
    """Batch steps on what is remembered of the rows: old ones fade by the learning rate."""
    starts = range(0, X.shape[0], plan.batch_size)
    steps = plan.steps(course.epoch, len(starts))
    for start, radius, rate in zip(starts, steps.radii, steps.rates, strict=True):
        rows = slice(start, start + plan.batch_size)
        codebook = Codebook(course.weights, plan.metric)
        now = tally(codebook, X[rows], weights[rows], plan.n_threads)
        if course.memory is not None:
            now = course.memory.scaled(1 - rate) + now.scaled(rate)
        course.memory = now
        course.weights = learnt(course.weights, now, course.grid, plan.neighborhood, radius)


ALGORITHMS: Mapping[str, Callable[[Course, Plan, Any, np.ndarray], None]] = {
    "batch": _batch_epoch,
    "online": _online_epoch,
    "minibatch": _minibatch_epoch,
}


def train(course: Course, plan: Plan, X: Any, weights: np.ndarray | None, n_epochs: int) -> None:
    """Let a map learn from rows.

    Parameters
    ----------
    course : Course
        The map, which is changed.
    plan : Plan
        How it learns.
    X : ndarray or CSR matrix of shape (n, n_features)
        Rows.
    weights : ndarray of float64 of shape (n,) or None
        Of the rows; None is 1 for all.
    n_epochs : int
        How many epochs to do now.
    """
    weights = np.ones(X.shape[0]) if weights is None else weights
    for _ in range(n_epochs):
        ALGORITHMS[plan.algorithm](course, plan, X, weights)
        course.epoch += 1


@dataclass(frozen=True)
class Fate:
    """Where rows fall on a map.

    Attributes
    ----------
    labels : ndarray of int32 of shape (n,)
        Nearest unit of each row.
    runners_up : ndarray of int32 of shape (n,)
        Second nearest; the nearest again where there is one unit alone.
    distances : ndarray of float64 of shape (n,)
        To the nearest.
    """

    labels: np.ndarray
    runners_up: np.ndarray
    distances: np.ndarray


def fates(
    codebook: Codebook, X: Any, n_threads: int = 1, *, n_best: int = 1, with_distance: bool = False
) -> Fate:
    """Find the nearest units of all rows.

    Parameters
    ----------
    codebook : Codebook
        The units.
    X : ndarray or CSR matrix of shape (n, n_features)
        Rows.
    n_threads : int, default=1
        How many threads.
    n_best : {1, 2}, default=1
        Whether the second nearest units are wanted.
    with_distance : bool, default=False
        Whether distances are wanted.

    Returns
    -------
    Fate
        What is not wanted repeats the nearest unit, or is empty.
    """
    n_best = min(n_best, codebook.n_units)
    found = np.empty((X.shape[0], n_best), np.int32)
    distances = np.empty(X.shape[0] if with_distance else 0)

    def _task(rows: slice) -> None:
        part = codebook.part(X, rows)
        units, near = codebook.nearest(part, n_best=n_best, with_distance=with_distance)
        found[rows] = units
        distances[rows] = near

    for _ in in_stripes(_task, X.shape[0], n_threads):
        pass
    return Fate(found[:, 0], found[:, -1], distances)
