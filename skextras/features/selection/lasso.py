"""ENGINE: paths of L1-penalised models, from the penalty that leaves nothing to a given one.

min over β and b of Σ wᵢ ℓ(yᵢ, b + xᵢ·β) + α‖β‖₁ with Σw = 1 and ℓ the halved square or the log
loss, along falling α [1]_. Columns are standardised. Each step looks at the columns that the
sequential strong rule [2]_ leaves, takes Newton steps whose quadratic models are solved by cyclic
descent on their Gram matrix, and lets in what the optimality conditions of the others demand.

References
----------
.. [1] J. Friedman, T. Hastie and R. Tibshirani, "Regularization Paths for Generalized Linear Models
   via Coordinate Descent", Journal of Statistical Software 33(1), 2010.
.. [2] R. Tibshirani et al., "Strong Rules for Discarding Predictors in Lasso-type Problems",
   Journal of the Royal Statistical Society B 74(2), 2012.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from skextras.features.selection.scaled import ScaledColumns, scaled
from skextras.trees.compiling import compiled

TOLERANCE = 1e-20  # of a squared step, where targets and columns have variance 1
MAX_SWEEPS = 20_000
MAX_NEWTON = 50
FLAT = 1e-6  # least curvature of a row, where its probability is almost 0 or 1
SLACK = 1e-9  # of the optimality conditions, as a share of the largest penalty


@dataclass(frozen=True)
class Path:
    """Models along falling penalties.

    Attributes
    ----------
    alphas : ndarray of shape (k,)
        Penalties.
    coef : ndarray of shape (k, d)
        Coefficients of the standardised columns.
    """

    alphas: np.ndarray
    coef: np.ndarray

    def entry(self) -> tuple[np.ndarray, np.ndarray]:
        """When each column comes in.

        Returns
        -------
        step : ndarray of int64 of shape (d,)
            The first step at which its coefficient is not 0; k if there is none.
        size : ndarray of float64 of shape (d,)
            Size of its coefficient there, which tells apart those that come together.
        """
        is_in = self.coef != 0
        step = np.where(is_in.any(axis=0), is_in.argmax(axis=0), len(self.coef))
        last = np.minimum(step, len(self.coef) - 1)
        return step, np.abs(self.coef[last, np.arange(self.coef.shape[1])])


@compiled
def descend(gram, pull, penalty, coef):  # type: ignore[no-untyped-def]
    """Minimise ½βᵀGβ - cᵀβ + Σ αⱼ|βⱼ| by cyclic descent, in place.

    Parameters
    ----------
    gram : ndarray of shape (m, m)
        G.
    pull : ndarray of shape (m,)
        c; changed.
    penalty : ndarray of shape (m,)
        α of each.
    coef : ndarray of shape (m,)
        β, where to start; the solution at the end.

    Returns
    -------
    int
        Sweeps.
    """
    m = len(coef)
    for j in range(m):
        if coef[j] != 0.0:
            for i in range(m):
                pull[i] -= gram[j, i] * coef[j]
    for sweep in range(MAX_SWEEPS):
        largest = 0.0
        for j in range(m):
            own = gram[j, j]
            if own <= 0.0:
                continue
            free = pull[j] + own * coef[j]
            new = max(abs(free) - penalty[j], 0.0) / own
            step = (new if free > 0 else -new) - coef[j]
            if step != 0.0:
                coef[j] = 0.0 if new == 0.0 else coef[j] + step
                for i in range(m):
                    pull[i] -= step * gram[j, i]
                largest = max(largest, own * step * step)
        if largest <= TOLERANCE:
            return sweep + 1
    return MAX_SWEEPS


class Loss(ABC):
    """A smooth loss of one target over standardised columns.

    Parameters
    ----------
    Z : ScaledColumns of shape (d, n)
        Columns.
    y : ndarray of shape (n,)
        Targets.
    weight : ndarray of shape (n,)
        Of the rows; they sum to 1.
    """

    def __init__(self, Z: ScaledColumns, y: np.ndarray, weight: np.ndarray) -> None:
        self.Z, self.y, self.weight = Z, y, weight
        self.intercept = 0.0

    @abstractmethod
    def gradient(self, coef: np.ndarray) -> np.ndarray:
        """Σ wᵢ zᵢ (yᵢ - predicted): by how much the loss falls with each coefficient.

        Parameters
        ----------
        coef : ndarray of shape (d,)
            Where.

        Returns
        -------
        ndarray of shape (d,)
            Minus the derivative.
        """

    @abstractmethod
    def solve(self, coef: np.ndarray, among: np.ndarray, alpha: float) -> None:
        """Minimise over some columns, with the others where they are: at 0.

        Parameters
        ----------
        coef : ndarray of shape (d,)
            Changed.
        among : ndarray of int64
            Which columns.
        alpha : float
            The penalty.
        """


class SquareLoss(Loss):
    """Half the square; the target has mean 0 and variance 1 (or is all 0).

    Parameters
    ----------
    Z : ScaledColumns of shape (d, n)
        Columns.
    y : ndarray of shape (n,)
        Targets.
    weight : ndarray of shape (n,)
        Of the rows; they sum to 1.
    """

    def __init__(self, Z: ScaledColumns, y: np.ndarray, weight: np.ndarray) -> None:
        super().__init__(Z, scaled(y[:, None], weight).design[:, 0], weight)
        self._covariance = self.Z.times(weight * self.y)
        self._place = np.full(len(Z), -1)  # of a column among those whose products are known
        self._known = np.empty(0, np.int64)
        self._gram = np.empty((0, 0))

    def gradient(self, coef: np.ndarray) -> np.ndarray:
        return self.Z.times(self.weight * (self.y - self.Z.combined(coef)))

    def solve(self, coef: np.ndarray, among: np.ndarray, alpha: float) -> None:
        """Coordinate descent on the products of columns."""
        self._learn(among[self._place[among] < 0])
        places = self._place[among]
        own = coef[among]
        gram = np.ascontiguousarray(self._gram[np.ix_(places, places)])
        descend(gram, self._covariance[among].copy(), np.full(len(among), alpha), own)
        coef[among] = own

    def _learn(self, columns: np.ndarray) -> None:
        """Products of further columns with all that are known."""
        if not len(columns):
            return
        n_old = len(self._known)
        self._known = np.concatenate([self._known, columns])
        self._place[columns] = np.arange(n_old, len(self._known))
        new = self.Z.times((self.Z.take(columns) * self.weight).T, self._known).T
        gram = np.empty((len(self._known), len(self._known)))
        gram[:n_old, :n_old] = self._gram
        gram[n_old:] = new
        gram[:n_old, n_old:] = new[:, :n_old].T
        self._gram = gram


class LogLoss(Loss):
    """Log loss of a target of 0 and 1, with a free intercept.

    Parameters
    ----------
    Z : ScaledColumns of shape (d, n)
        Columns.
    y : ndarray of shape (n,)
        0 or 1, both of them there.
    weight : ndarray of shape (n,)
        Of the rows; they sum to 1.
    """

    def __init__(self, Z: ScaledColumns, y: np.ndarray, weight: np.ndarray) -> None:
        super().__init__(Z, y, weight)
        share = float(weight @ y)
        self.intercept = float(np.log(share) - np.log1p(-share))

    def gradient(self, coef: np.ndarray) -> np.ndarray:
        return self.Z.times(self.weight * (self.y - expit(self._raw(coef))))

    def _raw(self, coef: np.ndarray) -> np.ndarray:
        return self.intercept + self.Z.combined(coef)

    def _value(self, raw: np.ndarray, coef: np.ndarray, alpha: float) -> float:
        loss = self.weight @ (np.logaddexp(0.0, raw) - self.y * raw)
        return float(loss + alpha * np.abs(coef).sum())

    def solve(self, coef: np.ndarray, among: np.ndarray, alpha: float) -> None:
        """Newton's steps, each a lasso on the weighted products of columns."""
        rows = np.concatenate([self.Z.take(among), np.ones((1, len(self.y)))])
        penalty = np.append(np.full(len(among), alpha), 0.0)
        now = np.append(coef[among], self.intercept)
        raw = now @ rows
        value = self._value(raw, now[:-1], alpha)
        for _ in range(MAX_NEWTON):
            probability = expit(raw)
            curvature = self.weight * np.maximum(probability * (1 - probability), FLAT)
            gram = (rows * curvature) @ rows.T
            new = now.copy()
            descend(gram, rows @ (self.weight * (self.y - probability)) + gram @ now, penalty, new)
            step, share = new - now, 1.0
            if step @ gram @ step <= TOLERANCE:
                break
            while True:  # a full step may overshoot where probabilities are near 0 or 1
                new_raw = (now + share * step) @ rows
                new_value = self._value(new_raw, now[:-1] + share * step[:-1], alpha)
                if new_value <= value or share < 1e-4:
                    break
                share /= 2
            if new_value > value:
                break  # what is left is rounding
            now = new if share == 1.0 else now + share * step
            raw, value = new_raw, new_value
        coef[among], self.intercept = now[:-1], float(now[-1])


def lasso_path(loss: Loss, shares: np.ndarray, *, max_features: int | None = None) -> Path:
    """Models along penalties that fall from the one that leaves no column.

    Parameters
    ----------
    loss : Loss
        Of the data.
    shares : ndarray of shape (k,)
        Penalties, falling, as shares of the least one that leaves no column.
    max_features : int or None, default=None
        The path ends at the first step that has so many columns.

    Returns
    -------
    Path
        Of at most k steps.
    """
    n_columns = len(loss.Z)
    coef = np.zeros(n_columns)
    gradient = loss.gradient(coef)
    largest = before = float(np.abs(gradient).max(initial=0.0))
    models = []
    for share in shares:
        alpha = share * largest
        among = np.flatnonzero((coef != 0) | (np.abs(gradient) >= 2 * alpha - before))
        while largest > 0:
            loss.solve(coef, among, alpha)
            gradient = loss.gradient(coef)
            is_wanted = np.abs(gradient) > alpha + SLACK * largest
            is_wanted[among] = False
            if not is_wanted.any():
                break
            among = np.union1d(among, np.flatnonzero(is_wanted))
        models.append(coef.copy())
        before = alpha
        if max_features is not None and np.count_nonzero(coef) >= max_features:
            break
    return Path(shares[: len(models)] * largest, np.array(models))
