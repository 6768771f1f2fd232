"""ENGINE: what a learner adds to the score, from what it says and what it weighs."""

from collections.abc import Callable
from functools import partial

import numpy as np

EPS = float(np.finfo(np.float64).eps)  # least weight of a row, and least probability, as the host's
LARGEST = 4.0  # answer that LogitBoost takes
Contribution = Callable[[np.ndarray, float], np.ndarray]  # (said, α) -> (m, n_outputs)


def centred_logs(shares: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities, less their mean over the classes.

    Parameters
    ----------
    shares : ndarray of shape (m, n_classes)
        Probabilities.

    Returns
    -------
    ndarray of shape (m, n_classes)
        Rows sum to 0; half log odds for two classes.
    """
    logs = np.log(np.clip(shares, EPS, None))
    centred: np.ndarray = logs - logs.mean(axis=1, keepdims=True)
    return centred


def share_of(n_classes: int) -> float:
    """Share of its regressors' answers that LogitBoost adds.

    F <- F + f/2 for two classes, F_k <- F_k + (K - 1)/K (f_k - mean f) for more (Friedman, Hastie
    and Tibshirani 2000, algorithms 3 and 6); the mean is common to all classes and moves no
    probability, so that it is left out.

    Parameters
    ----------
    n_classes : int
        K.

    Returns
    -------
    float
        The share.
    """
    return 0.5 if n_classes <= 2 else (n_classes - 1) / n_classes


def bounded(said: np.ndarray) -> np.ndarray:
    """Answers that LogitBoost adds: Newton steps no longer than 4.

    Friedman, Hastie and Tibshirani bound the responses instead (2 to 4), under which noisy labels
    never come to rest: the bound on the rarer side of a leaf is no longer outweighed.

    Parameters
    ----------
    said : ndarray
        Answers.

    Returns
    -------
    ndarray
        The nearest allowed.
    """
    return np.clip(said, -LARGEST, LARGEST)


def _vote(said: np.ndarray, weight: float, *, n_classes: int) -> np.ndarray:
    """α for the class that is voted for, -α / (K - 1) for others; of the second class if K = 2."""
    vote = said.argmax(axis=1)
    if n_classes <= 2:
        return np.where(vote == 1, weight, -weight)[:, None]
    return np.where(np.arange(n_classes) == vote[:, None], weight, -weight / (n_classes - 1))


def _log_odds(said: np.ndarray, weight: float, *, n_classes: int) -> np.ndarray:
    """(K - 1) (log p_k - mean log p); of the second class if K = 2."""
    scores = weight * max(n_classes - 1, 1) * centred_logs(said)
    return scores[:, 1:] if n_classes <= 2 else scores


def _answer(said: np.ndarray, weight: float, *, factor: float) -> np.ndarray:
    """A share of the answer."""
    return (factor * said)[:, None]


def _step(said: np.ndarray, weight: float, *, factor: float) -> np.ndarray:
    """A share of the answer that LogitBoost takes."""
    return (factor * bounded(said))[:, None]


def contribution_of(algorithm: str, n_classes: int, learning_rate: float) -> Contribution:
    """What learners add under an algorithm.

    Parameters
    ----------
    algorithm : {"SAMME", "SAMME.R", "LogitBoost", "gentle", "R2"}
        Which.
    n_classes : int
        K; not looked at for "R2".
    learning_rate : float
        Not looked at where it is part of α.

    Returns
    -------
    callable
        It can be pickled.
    """
    if algorithm == "SAMME":
        return partial(_vote, n_classes=n_classes)
    if algorithm == "SAMME.R":
        return partial(_log_odds, n_classes=n_classes)
    if algorithm == "LogitBoost":
        return partial(_step, factor=learning_rate * share_of(n_classes))
    return partial(_answer, factor=learning_rate if algorithm == "gentle" else 1.0)
