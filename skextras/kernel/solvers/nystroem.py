"""Kernel logistic regression on m centres: preconditioned Newton-CG that streams over the rows.

The decision function is kept in the span of m kernel functions, F = K_nm A + 1 bᵀ, with penalty
½ tr(Aᵀ K_mm A) (Nyström's approximation). With K_mm = Rᵀ R and A = R⁻¹ Θ it is a problem in Θ,

    J(Θ, b) = Σ_i c_i ℓ(F_i, y_i) + ½ |Θ|²,      F = K_nm R⁻¹ Θ + 1 bᵀ,

whose Newton systems (I + Φᵀ W Φ) Δ = -∇J with Φ = K_nm R⁻¹ are solved by conjugate gradients. The
preconditioner is the same matrix summed over a sample of the rows and scaled up: one m x m
factorisation for each class and Newton step (after [1]_, section 3, and [2]_, which sum over the
centres alone). Neither K_nn nor the Hessian is formed. K_nm is kept in float64 if it is small, in
float32 if that fits the budget; else it is computed anew at each pass, and memory is m² and a
block.

References
----------
.. [1] Marteau-Ferey, Bach and Rudi, "Globally Convergent Newton Methods for Ill-conditioned
   Generalized Self-concordant Losses", NeurIPS 2019.
.. [2] Rudi, Carratino and Rosasco, "FALKON: An Optimal Large Scale Kernel Method", NeurIPS 2017.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.linalg.blas import get_blas_funcs

from skextras.kernel.solvers.likelihood import Curvature, likelihood
from skextras.kernel.solvers.line_search import Iterate, Solution, Start, line_search, rounding
from skextras.kernel.solvers.products import times, transposed_times

__all__ = ["KernelRows", "solve_nystroem"]

MAX_CG_STEPS = 100
SMALL_BYTES = 2**27  # up to here K_nm is kept in float64
STREAM_BYTES, KEPT_BYTES = 2**23, 2**25  # of a block computed anew, and of one that is kept
EASE = {  # by the precision of K_nm: what the gradient may keep, and the least jitter of K_mm
    np.dtype(np.float64): (0.0, 1e-12),
    np.dtype(np.float32): (1e-5, 1e-6),
}
MAX_JITTER = 1e-4  # relative to the mean of the diagonal of K_mm
Block = Callable[[slice | np.ndarray], np.ndarray]


@dataclass(frozen=True)
class KernelRows:
    """K_nm in blocks of rows, kept or computed anew at each pass.

    Attributes
    ----------
    n_rows : int
        n.
    n_centres : int
        m.
    compute : callable
        Gives the kernel of some rows, a slice or their numbers, with the centres.
    block_rows : int
        Rows in a block.
    dtype : dtype
        Precision of the blocks, float32 or float64.
    kept : ndarray of shape (n, m) or None
        All of it, if there is room.
    """

    n_rows: int
    n_centres: int
    compute: Block
    block_rows: int
    dtype: np.dtype
    kept: np.ndarray | None = None

    @classmethod
    def within(cls, budget: float, n_rows: int, n_centres: int, compute: Block) -> "KernelRows":
        """Keep the matrix if it fits.

        Parameters
        ----------
        budget : float
            Bytes that may be held.
        n_rows, n_centres : int
            n and m.
        compute : callable
            Gives the kernel of some rows, a slice or their numbers, with the centres.

        Returns
        -------
        KernelRows
            The matrix, computed already if it is kept.
        """
        entries = n_rows * n_centres
        dtype = np.dtype(np.float64 if 8 * entries <= min(budget, SMALL_BYTES) else np.float32)
        block_rows = max(1, STREAM_BYTES // (8 * n_centres))
        streamed = cls(n_rows, n_centres, compute, block_rows, dtype)
        if dtype.itemsize * entries > budget:
            return streamed
        kept = np.empty((n_rows, n_centres), dtype=dtype)
        for rows, block in streamed.blocks():
            kept[rows] = block
        block_rows = max(1, KEPT_BYTES // (dtype.itemsize * n_centres))
        return replace(streamed, block_rows=block_rows, kept=kept)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Go through the rows.

        Yields
        ------
        tuple of slice and ndarray of shape (block_rows, m)
            Rows and their kernel with the centres.
        """
        for start in range(0, self.n_rows, self.block_rows):
            rows = slice(start, min(start + self.block_rows, self.n_rows))
            if self.kept is not None:
                yield rows, self.kept[rows]
            else:
                yield rows, np.ascontiguousarray(self.compute(rows), dtype=self.dtype)

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Take some rows.

        Parameters
        ----------
        rows : ndarray of shape (s,), int
            Which.

        Returns
        -------
        ndarray of shape (s, m)
            Their kernel with the centres.
        """
        if self.kept is not None:
            return self.kept[rows]
        return np.ascontiguousarray(self.compute(rows), dtype=self.dtype)

    def times(self, V: np.ndarray) -> np.ndarray:
        """Multiply by K_nm.

        Parameters
        ----------
        V : ndarray of shape (m, k)
            Any matrix.

        Returns
        -------
        ndarray of shape (n, k), float64
            K_nm V.
        """
        product = np.empty((self.n_rows, V.shape[1]))
        for rows, block in self.blocks():
            product[rows] = times(block, V)
        return product

    def transposed_times(self, U: np.ndarray) -> np.ndarray:
        """Multiply by K_mn.

        Parameters
        ----------
        U : ndarray of shape (n, k)
            Any matrix.

        Returns
        -------
        ndarray of shape (m, k), float64
            K_mn U; blocks are summed in float64.
        """
        total = np.zeros((self.n_centres, U.shape[1]))
        for rows, block in self.blocks():
            total += transposed_times(block, U[rows])
        return total

    def sandwich(
        self, W: Curvature, V: np.ndarray, shift: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Apply the curvature in one pass over the rows.

        Parameters
        ----------
        W : Curvature
            Of all n rows.
        V : ndarray of shape (m, k)
            Any matrix.
        shift : ndarray of shape (k,)
            What a change of the intercepts adds to each row of K_nm V.

        Returns
        -------
        tuple of ndarray of shape (m, k), ndarray of shape (k,) and ndarray of shape (n, k)
            K_mn U, 1ᵀ U and K_nm V, with U = W (K_nm V + 1 shiftᵀ).
        """
        total, sums = np.zeros((self.n_centres, V.shape[1])), np.zeros(V.shape[1])
        product = np.empty((self.n_rows, V.shape[1]))
        for rows, block in self.blocks():
            product[rows] = times(block, V)
            U = W.rows(rows).times(product[rows] + shift)
            total += transposed_times(block, U)
            sums += U.sum(axis=0)
        return total, sums, product


def solve_nystroem(
    K_nm: KernelRows,
    K_mm: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    *,
    sample: np.ndarray,
    start: Start | None = None,
    fit_intercept: bool = True,
    max_iter: int = 100,
    tol: float = 1e-8,
    report: Callable[[int, float, float], None] | None = None,
) -> Solution:
    """Minimise J by damped Newton steps, each solved by preconditioned conjugate gradients.

    Parameters
    ----------
    K_nm : KernelRows
        Kernel of the rows with the centres.
    K_mm : ndarray of shape (m, m), float64
        Kernel of the centres with one another; positive semi-definite.
    targets : ndarray of shape (n, k), of 0 and 1
        Membership of the second of two classes (k = 1), or one-hot rows (k > 2).
    weights : ndarray of shape (n,), positive
        c: the inverse regularisation C times the weight of each row.
    sample : ndarray of shape (s,), int
        Rows that stand for all of them in the preconditioner; a few thousand drawn at random, at
        least m. They decide how fast the solver is, not what it finds.
    start : Start, default=None
        Where to start; None is zero.
    fit_intercept : bool, default=True
        Whether b is free; it is zero otherwise.
    max_iter : int, default=100
        Newton steps at most.
    tol : float, default=1e-8
        Stop when the gradient in Θ and b, relative to that at zero, is at or below it, or below
        what float32 allows.
    report : callable, default=None
        Called with (steps taken, objective, residual) before each step.

    Returns
    -------
    Solution
        The minimiser on these centres. The residual is the relative gradient.

    Raises
    ------
    numpy.linalg.LinAlgError
        If K_mm is not positive semi-definite.
    """
    floor, jitter = EASE[K_nm.dtype]
    R = _upper_factor(K_mm, jitter)
    features = solve_triangular(R, K_nm.at(sample).T, trans=1, check_finite=False).T
    model = _Model(K_nm, R, sample, features.astype(K_nm.dtype), fit_intercept)
    loss, k = likelihood(targets, weights), targets.shape[1]
    zero = Iterate(
        np.zeros((K_nm.n_centres, k)),
        np.zeros(k),
        np.zeros((K_nm.n_centres, k)),
        np.zeros((len(targets), k)),
    )
    first = model.gradient(zero.A, loss.descent(zero.F)).norm()
    point = model.started(start, zero)
    objectives = [loss.value(point.F) + 0.5 * float(np.vdot(point.A, point.A))]
    for n_iter in range(max_iter + 1):
        G = loss.descent(point.F)
        gradient = model.gradient(point.A, G)
        residual = gradient.norm() / first if first else 0.0
        if report is not None:
            report(n_iter, objectives[-1], residual)
        if residual <= max(tol, floor) or n_iter == max_iter:
            break
        step, span = model.newton_step(
            gradient, loss.curvature(point.F), accuracy=min(0.1, residual)
        )
        A, b = point.A + step.theta, point.b + step.b
        found = line_search(point, Iterate(A, b, A, point.span + span), loss, G, objectives[-1])
        if found is None or objectives[-1] - found[1] <= rounding(objectives[-1]):
            break  # no digits left
        point = found[0]
        objectives.append(found[1])
    centred = point.b - point.b.mean() * (k > 1)
    A = model.coefficients(point.A)
    return Solution(A, centred, n_iter, residual, tuple(objectives))


@dataclass(frozen=True)
class _Pair:
    """A vector of the space of (Θ, b)."""

    theta: np.ndarray  # (m, k)
    b: np.ndarray  # (k,)

    def plus(self, other: "_Pair", factor: float) -> "_Pair":
        return _Pair(self.theta + factor * other.theta, self.b + factor * other.b)

    def dot(self, other: "_Pair") -> float:
        return float(np.vdot(self.theta, other.theta) + np.vdot(self.b, other.b))

    def norm(self) -> float:
        return self.dot(self) ** 0.5


@dataclass(frozen=True)
class _Model:
    """The problem in Θ: gradients, Hessian products and their preconditioner."""

    K_nm: KernelRows
    R: np.ndarray  # (m, m), upper: K_mm = Rᵀ R
    sample: np.ndarray  # (s,)
    features: np.ndarray  # (s, m), C order: Φ of the sample
    fit_intercept: bool

    def coefficients(self, theta: np.ndarray) -> np.ndarray:
        """A = R⁻¹ Θ."""
        return solve_triangular(self.R, theta, check_finite=False)

    def started(self, start: Start | None, zero: Iterate) -> Iterate:
        """A solution as a point, Θ = R A."""
        if start is None:
            return zero
        theta = self.R @ start.dual_coef
        return Iterate(theta, start.intercept, theta, self.K_nm.times(start.dual_coef))

    def _pulled(self, U: np.ndarray) -> np.ndarray:
        """R⁻ᵀ U."""
        return solve_triangular(self.R, U, trans=1, check_finite=False)

    def gradient(self, theta: np.ndarray, G: np.ndarray) -> _Pair:
        """Θ - R⁻ᵀ K_mn G, and -1ᵀ G."""
        pulled = self._pulled(self.K_nm.transposed_times(G))
        return _Pair(theta - pulled, -G.sum(axis=0) * self.fit_intercept)

    def hessian_times(self, W: Curvature, v: _Pair) -> tuple[_Pair, np.ndarray]:
        """(I + Φᵀ W Φ) Δ + Φᵀ W 1 δ, and 1ᵀ W (Φ Δ + 1 δ), with Φ = K_nm R⁻¹; and Φ Δ."""
        inner, sums, product = self.K_nm.sandwich(W, self.coefficients(v.theta), v.b)
        return _Pair(v.theta + self._pulled(inner), sums * self.fit_intercept), product

    def preconditioner(self, W: Curvature) -> Callable[[_Pair], _Pair]:
        """Inverse of the Hessian with the sample, scaled up, in place of all rows."""
        every, few = W.diagonal().sum(axis=0), W.rows(self.sample).diagonal()
        scale = every / np.maximum(few.sum(axis=0), np.finfo(float).tiny)
        syrk = get_blas_funcs("syrk", dtype=self.features.dtype)
        factors = []
        for s, w in zip(scale, few.T, strict=True):
            weighted = self.features * np.sqrt(s * w).astype(self.features.dtype)[:, None]
            inner = syrk(1.0, weighted.T).astype(np.float64)  # its upper triangle
            inner.flat[:: len(inner) + 1] += 1.0
            factors.append(cho_factor(inner, overwrite_a=True, check_finite=False))
        safe = np.where(every > 0, every, 1.0)

        def apply(v: _Pair) -> _Pair:
            columns = zip(factors, v.theta.T, strict=True)
            theta = [cho_solve(factor, column, check_finite=False) for factor, column in columns]
            return _Pair(np.column_stack(theta), v.b / safe)

        return apply

    def newton_step(
        self, gradient: _Pair, W: Curvature, *, accuracy: float
    ) -> tuple[_Pair, np.ndarray]:
        """Solve H x = -gradient by conjugate gradients, to a relative accuracy; and Φ of x."""
        precondition = self.preconditioner(W)
        x = _Pair(np.zeros_like(gradient.theta), np.zeros_like(gradient.b))
        r, span = x.plus(gradient, -1.0), np.zeros((self.K_nm.n_rows, len(x.b)))
        z = precondition(r)
        p, rz = z, r.dot(z)
        goal = accuracy**2 * rz
        for _ in range(MAX_CG_STEPS):
            Hp, product = self.hessian_times(W, p)
            alpha = rz / p.dot(Hp)
            x, r = x.plus(p, alpha), r.plus(Hp, -alpha)
            span += alpha * product
            z = precondition(r)
            rz, last = r.dot(z), rz
            if rz <= goal:
                break
            p = z.plus(p, rz / last)
        return x, span


def _upper_factor(K_mm: np.ndarray, jitter: float) -> np.ndarray:
    """Upper R with Rᵀ R = K_mm, whose diagonal is raised as little as it takes."""
    size = float(np.mean(np.diag(K_mm)))
    while jitter <= MAX_JITTER:
        raised = K_mm.copy()
        raised.flat[:: len(raised) + 1] += jitter * size
        try:
            return cholesky(raised, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            jitter *= 10
    raise np.linalg.LinAlgError("K is not positive semi-definite")
