"""Extrapolation of a slow fixed-point iteration, as EM is near its end.

Parameters are combined with coefficients that sum to 1, so that whatever is linear in them stays
true: weights sum to 1, covariances are symmetric. What is not (a weight is positive, a covariance
definite) is for the model to refuse; the loop then goes on from EM's own parameters.
"""

from typing import Any

import numpy as np

__all__ = ["Acceleration", "Anderson", "Squarem", "accelerations"]

MEMORY = 5  # residuals that Anderson's method combines
STRIDE = 4.0  # by which the longest step of SQUAREM changes
RIDGE = 1e-10  # relative, for residuals that nearly depend on one another


def flat(parameters: Any) -> np.ndarray:
    """All numbers of the parameters in one row.

    Parameters
    ----------
    parameters : ndarray or tuple of ndarray
        Of a model.

    Returns
    -------
    ndarray of shape (n,), float64
        A copy.
    """
    if isinstance(parameters, tuple):
        return np.concatenate([flat(part) for part in parameters])
    return np.array(parameters, dtype=np.float64).ravel()


def shaped(numbers: np.ndarray, like: Any) -> Any:
    """The numbers in the shape of parameters.

    Parameters
    ----------
    numbers : ndarray of shape (n,)
        As ``flat`` returns them.
    like : ndarray or tuple of ndarray
        The shape.

    Returns
    -------
    ndarray or tuple of ndarray
        New parameters.
    """
    if isinstance(like, tuple):
        sizes = [flat(part).size for part in like]
        parts = np.split(numbers, np.cumsum(sizes)[:-1])
        return tuple(shaped(part, shape) for part, shape in zip(parts, like, strict=True))
    return numbers.reshape(np.shape(like))


class Acceleration:
    """None: EM as it is."""

    def propose(self, here: Any, following: Any) -> Any:
        """Say what to try after a step of EM.

        Parameters
        ----------
        here, following : ndarray or tuple of ndarray
            Parameters before and after the step.

        Returns
        -------
        ndarray, tuple of ndarray or None
            Parameters to try; None for those after the step.
        """

    def restart(self) -> None:
        """Forget: the last proposal was refused."""


class Squarem(Acceleration):
    """SQUAREM: after two steps of EM, one along the parabola through them ([1]_, scheme S3).

    A step that was refused makes the next ones shorter, steps that hold make them longer again.

    References
    ----------
    .. [1] R. Varadhan and C. Roland, "Simple and Globally Convergent Methods for Accelerating the
       Convergence of Any EM Algorithm", Scandinavian Journal of Statistics 35(2), 2008.
    """

    def __init__(self) -> None:
        self._first: tuple[np.ndarray, np.ndarray] | None = None
        self._longest, self._last = np.inf, 1.0  # -α at most, and that of the last proposal

    def restart(self) -> None:
        """Forget the first of the two steps, and go less far."""
        self._first = None
        self._longest = max(self._last / STRIDE, 1.0)

    def propose(self, here: Any, following: Any) -> Any:
        """Extrapolate after every second step.

        Parameters
        ----------
        here, following : ndarray or tuple of ndarray
            Parameters before and after a step.

        Returns
        -------
        ndarray, tuple of ndarray or None
            θ - 2 α r + α² v, with r the first change, v the change of the change.
        """
        if self._first is None:
            self._first = flat(here), flat(following)
            return None
        (start, middle), self._first = self._first, None
        r = middle - start
        v = flat(following) - middle - r
        size = float(np.linalg.norm(v))
        if not size > 0:
            return None
        if self._last == self._longest:  # it held
            self._longest *= STRIDE
        self._last = min(float(np.linalg.norm(r)) / size, self._longest)
        alpha = -self._last
        return shaped(start - 2 * alpha * r + alpha**2 * v, here) if alpha < -1 else None


class Anderson(Acceleration):
    """Anderson's mixing: the affine combination of the last steps with the smallest residual [1]_.

    References
    ----------
    .. [1] H. F. Walker and P. Ni, "Anderson Acceleration for Fixed-Point Iterations", SIAM Journal
       on Numerical Analysis 49(4), 2011.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[np.ndarray, np.ndarray]] = []  # (residual, after the step)

    def restart(self) -> None:
        """Forget all steps."""
        self._steps = []

    def propose(self, here: Any, following: Any) -> Any:
        """Combine the last steps.

        Parameters
        ----------
        here, following : ndarray or tuple of ndarray
            Parameters before and after a step.

        Returns
        -------
        ndarray, tuple of ndarray or None
            None after the first step.
        """
        after = flat(following)
        self._steps = [*self._steps, (after - flat(here), after)][-MEMORY:]
        if len(self._steps) == 1:
            return None
        residuals, ends = (np.array(column) for column in zip(*self._steps, strict=True))
        changes = np.diff(residuals, axis=0)  # (m, n)
        gram = changes @ changes.T
        gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) + np.finfo(float).tiny
        mixing = np.linalg.solve(gram, changes @ residuals[-1])
        return shaped(ends[-1] - mixing @ np.diff(ends, axis=0), here)


KINDS = {None: Acceleration, "squarem": Squarem, "anderson": Anderson}


def accelerations(name: str | None) -> Acceleration:
    """Make an acceleration by its name.

    Parameters
    ----------
    name : {"squarem", "anderson"} or None
        None for none.

    Returns
    -------
    Acceleration
        A fresh one.

    Raises
    ------
    ValueError
        If there is no such.
    """
    if name not in KINDS:
        raise ValueError(
            f"EM: acceleration must be 'squarem', 'anderson' or None, got {name!r}. "
            "Plain EM is None."
        )
    return KINDS[name]()
