"""Scores of each row without itself, from one fit (ALO) and what it leaves open.

If the losses of the other rows were quadratics, one Newton step would tell them exactly [1]_. Where
they bend, the scores of all rows move when one is left out, and with them their curvature. To
second order that costs n² numbers for all rows together. The few rows whose second step says that
the first one was far off are solved to the end: by conjugate gradients on the convex problem
without the row, preconditioned by the Hessian with it, all of them in the same products.

References
----------
.. [1] Rad and Maleki, "A scalable estimate of the out-of-sample prediction error via approximate
   leave-one-out cross-validation", Journal of the Royal Statistical Society B 82(4), 2020.
.. [2] Nocedal and Wright, *Numerical Optimization*, Springer, 2006, section 5.2: nonlinear
   conjugate gradients by Polak and Ribière.
"""

import numpy as np

from skextras.kernel.solvers.laplace import Laplace
from skextras.kernel.solvers.likelihood import Likelihood
from skextras.kernel.solvers.symmetric import power_sums

__all__ = ["left_out_scores"]

FLAT = 1e-12  # a curvature, relative to the largest, at which a row's loss says nothing
JOINT = 6000  # scores up to which the covariance of all of them is kept: 288 MB
CHUNK = 2**18  # numbers in the moves of some rows' scores; they stay in cache
OPEN = 1e-3  # nats that a third step may still change a score by: above, a row is solved to the end
FAR = 1.0  # nats beyond which two orders tell nothing, however small the second is
CLOSED = 1e-4  # nats that a last step may change it by
MAX_STEPS, LONGEST = 300, 3.0  # at a large C, rows that the others separate take many


def left_out_scores(
    posterior: Laplace, loss: Likelihood, F: np.ndarray, A: np.ndarray
) -> np.ndarray:
    """Approximate the scores of each row without itself.

    Parameters
    ----------
    posterior : Laplace
        At the solution or near it.
    loss : Likelihood
        The loss.
    F : ndarray of shape (n, k)
        Scores at the solution.
    A : ndarray of shape (n, k)
        Dual coefficients there, the negative gradient of the loss but for what the fit left.

    Returns
    -------
    ndarray of shape (n, k)
        Scores.
    """
    n, k = F.shape
    if F.size > JOINT:
        return _one_step(posterior, F, A)
    without = _Without(posterior, loss, F, A)
    n_chunk = max(1, CHUNK // F.size)
    if k == 1:
        found, rest = _two_steps_of_one(without)
        return _to_the_end(without, found, rest, n_chunk)
    found, lengths = F.copy(), np.empty((2, n))
    for start in range(0, n, n_chunk):
        rows = np.arange(start, min(start + n_chunk, n))
        steps = without.two_steps(rows)
        found[rows] += steps[0] + steps[1]
        lengths[:, rows] = [np.ptp(np.c_[step, 0 * step[:, : k == 1]], axis=1) for step in steps]
    return _to_the_end(without, found, _open_rows(*lengths), n_chunk)


def _open_rows(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rows that need more than two steps, given their lengths."""
    return np.flatnonzero((second**2 > OPEN * first) | (first > FAR))


def _to_the_end(
    without: "_Without", found: np.ndarray, rest: np.ndarray, n_chunk: int
) -> np.ndarray:
    """Solve some rows' problems, in batches."""
    for start in range(0, len(rest), n_chunk):
        rows = rest[start : start + n_chunk]
        found[rows] = without.F[rows] + without.solved(rows)
    return found


def _two_steps_of_one(without: "_Without") -> tuple[np.ndarray, np.ndarray]:
    """Both steps of all rows at once, for one column, and the rows that need more.

    The first moves row j's score by Σ_ij t_i, and what the second sums over j is the bend of its
    loss, β_j (Σ_ij t_i)², or a stale curvature, δ_j Σ_ij t_i.
    """
    F, sigma, loss = without.F, without.flat, without.loss
    cavity, own = without.cavity[:, 0, 0], sigma.diagonal()
    t = -cavity * without.dual[:, 0]
    bend = loss.bend(F, np.ones_like(F))[:, 0]
    stale = without.stale(np.ones_like(F))[:, 0]
    squares, cubes = np.empty((2, len(F)))
    power_sums(sigma, stale, bend, squares, cubes)
    back = t * (squares - own**2 * stale) + t * t * (cubes - own**3 * bend)
    first, second = own * t, cavity * back
    rest = _open_rows(np.abs(first), np.abs(second))
    return F + (first + second)[:, None], rest


def _one_step(posterior: Laplace, F: np.ndarray, A: np.ndarray) -> np.ndarray:
    """f_i - (S_ii⁻¹ - W_i⁻¹) a_i, with a_i the negative gradient of row i's loss."""
    S, k = posterior.own_blocks(), F.shape[1]
    W = _blocks(posterior, len(F))
    if k > 1:  # on what is common to all classes both are zero; any number will do there
        size = np.trace(W, axis1=1, axis2=2)[:, None, None]
        common = size / k
        W, S = W + common, S + common
    ridge = FLAT * W.max() * np.eye(k)
    pull = np.linalg.solve(S + ridge, A[:, :, None]) - np.linalg.solve(W + ridge, A[:, :, None])
    return F - pull[:, :, 0]


def _blocks(posterior: Laplace, n: int) -> np.ndarray:
    """W_i of each row, shape (n, k, k)."""
    units = np.eye(posterior.n_classes)
    return np.stack([posterior.W.times(np.tile(unit, (n, 1))) for unit in units], axis=2)


class _Without:
    """The problems without one row each: Newton steps by the Hessian with all rows, less its own.

    With Σ the covariance of all scores, that without row i is Σ + Σ_·i (I - W_i Σ_ii)⁻¹ W_i Σ_i·.
    """

    def __init__(self, posterior: Laplace, loss: Likelihood, F: np.ndarray, A: np.ndarray) -> None:
        n, k = F.shape
        self.posterior, self.loss, self.F, self.dual = posterior, loss, F, A
        self.sigma, self.own = posterior.joint_covariance(), _blocks(posterior, n)
        self.flat = self.sigma.reshape(F.size, F.size)
        itself = self.sigma[np.arange(n), :, np.arange(n)]  # Σ_ii, (n, k, k)
        self.cavity = np.linalg.inv(np.eye(k) - self.own @ itself)

    def columns(self, rows: np.ndarray, V: np.ndarray) -> np.ndarray:
        """Σ_·i V_i for some rows i, shape (m, n, k)."""
        if V.shape[1] == 1:
            return (self.flat[rows] * V)[:, :, None]
        return np.einsum("ibnk,ib->ink", self.sigma[rows], V)

    def two_steps(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Moves of the rows' own scores, to first order and what the second order adds."""
        m = np.arange(len(rows))
        move = self.first(rows)
        bent = self.loss.bend(self.F, move)
        bent += self.stale(move)
        bent[m, rows] = 0.0
        if move.shape[2] == 1:
            back = np.einsum("in,in->i", self.flat[rows], bent[:, :, 0])[:, None]
        else:
            back = np.einsum("ibnk,ink->ib", self.sigma[rows], bent)
        second = np.einsum("iba,ib->ia", self.cavity[rows], back)
        return move[m, rows], second

    def first(self, rows: np.ndarray) -> np.ndarray:
        """The Newton step from the solution, shape (m, n, k)."""
        return self.columns(rows, -np.einsum("iab,ib->ia", self.cavity[rows], self.dual[rows]))

    def stale(self, move: np.ndarray) -> np.ndarray:
        """What the posterior's curvature takes a move for, less what the one at F does."""
        here, there = self.posterior.W, self.loss.curvature(self.F)
        return here.times(move) - there.times(move)

    def solved(self, rows: np.ndarray) -> np.ndarray:
        """Moves of the rows' own scores where their problems end."""
        own = np.zeros((len(rows), self.F.shape[1]))
        places, batch = np.arange(len(rows)), _Batch(self, rows)
        for _ in range(MAX_STEPS):
            change, left = batch.step()
            own[places] += change
            going = left > CLOSED
            if not going.any():
                break
            if not going.all():
                places = places[going]
                batch.keep(going)
        return own


class _Batch:
    """Conjugate gradients on some problems at once; arrays have the shape (m, n, k).

    M are moves of the scores, A those of the dual coefficients. The gradient is what the latter
    exceed g by, the negative gradient of the loss without the row.
    """

    def __init__(self, without: _Without, rows: np.ndarray) -> None:
        self.of, self.rows = without, rows
        self.M = np.zeros((len(rows), *without.F.shape))
        self.A = np.zeros_like(self.M)
        self.P, self.PA = self.M, self.A
        self.slope = np.full(len(rows), np.inf)
        self.R = self.M

    def keep(self, going: np.ndarray) -> None:
        """Leave those that are done."""
        self.rows, self.slope = self.rows[going], self.slope[going]
        for name in ("M", "A", "P", "PA", "R"):
            setattr(self, name, getattr(self, name)[going])

    def step(self) -> tuple[np.ndarray, np.ndarray]:
        """Go on; give how far each row's own scores went and how far they may be from the end."""
        R = self.gradients(self.M) - self.of.dual - self.A
        D, DA = self.newton(R)
        slope = _inner(R, D)
        turn = np.maximum(0.0, slope - _inner(self.R, D))
        is_down = self.slope > 0  # rounding may leave a row that is done no slope to divide by
        beta = np.divide(turn, self.slope, out=np.zeros_like(turn), where=is_down)[:, None, None]
        self.P, self.PA = D + beta * self.P, DA + beta * self.PA
        self.R, self.slope = R, slope
        t = self.searched()[:, None, None]
        move = t * self.P
        self.M, self.A = self.M + move, self.A + t * self.PA
        own = np.arange(len(self.rows)), self.rows
        return move[own], np.maximum(np.abs(move[own]), np.abs(D[own])).max(axis=1)

    def gradients(self, M: np.ndarray) -> np.ndarray:
        """g(F + M) without the own rows."""
        return self._cut(self.of.loss.descent(self.of.F + M))

    def newton(self, R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Σ R without the own rows, and its dual coefficients."""
        of, m = self.of, np.arange(len(self.rows))
        # (in single precision it would be faster, but M and A would not be of one point: 1e-3 off)
        D = (R.reshape(len(R), -1) @ of.flat).reshape(R.shape)
        lost = np.einsum("iab,ibc,ic->ia", of.cavity[self.rows], of.own[self.rows], D[m, self.rows])
        D += of.columns(self.rows, lost)
        return D, R - self._cut(of.posterior.W.times(D))

    def searched(self) -> np.ndarray:
        """How far to go along P: where the slope, a rising function, is zero on its secant."""
        short = _inner(self.P, self.R)
        whole = self.of.dual + self.A + self.PA - self.gradients(self.M + self.P)
        rise = _inner(self.P, whole) + short
        longest = np.where(short > 0, LONGEST, 0.0)
        return np.divide(short, rise, out=longest, where=(short > 0) & (rise * LONGEST > short))

    def _cut(self, V: np.ndarray) -> np.ndarray:
        V[np.arange(len(self.rows)), self.rows] = 0.0
        return V


def _inner(V: np.ndarray, U: np.ndarray) -> np.ndarray:
    """Inner product of each problem's two vectors."""
    return np.einsum("ink,ink->i", V, U)
