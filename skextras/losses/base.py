"""What a loss is, and the buffers that its gradients are written to."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from skextras.losses.kernels import BLOCK, N_SLOTS, SCRATCH_WORDS, operation_named
from skextras.trees.memory import address_of
from skextras.trees.threads import Threads

Leaves = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows, starts, ends


@dataclass(frozen=True)
class Gradients:
    """Buffers of a fit: what the gradient kernels read, and what they write.

    Attributes
    ----------
    y : ndarray of float32 of shape (n,)
        Targets; labels are 0, 1, ...
    raw : ndarray of float32 of shape (n,) or (n_outputs, n)
        Scores; whoever owns them may change them between two calls.
    weight : ndarray of float32 of shape (n,) or None
        Weights of the rows.
    gradient, hessian : ndarray of float32 of shape (n_outputs, n)
        Written by ``Loss.fill``.
    sums : ndarray of float64 of shape (n_outputs, n_blocks, 2)
        Of each block of 4096 rows: the sum of \\|gradient\\| and that of the hessian.
    table : ndarray of int64
        Their addresses, by the slots that ``skextras.losses.kernels`` names.
    scratch : ndarray of float64
        A thread's own place.
    parameter : ndarray of float64 of shape (2,)
        The loss's numbers.
    """

    y: np.ndarray
    raw: np.ndarray
    weight: np.ndarray | None
    gradient: np.ndarray
    hessian: np.ndarray
    sums: np.ndarray
    table: np.ndarray
    scratch: np.ndarray
    parameter: np.ndarray

    @property
    def n_blocks(self) -> int:
        """Chunks of an operation.

        Returns
        -------
        int
            How many.
        """
        return self.sums.shape[1]

    @property
    def totals(self) -> np.ndarray:
        """Sums over all blocks, added in their order.

        Returns
        -------
        ndarray of float64 of shape (n_outputs, 2)
            The sum of \\|gradient\\| and that of the hessian.
        """
        return np.add.accumulate(self.sums, axis=1)[:, -1]


def gradient_buffers(
    y: np.ndarray, raw: np.ndarray, weight: np.ndarray | None = None, *, n_threads: int = 1
) -> Gradients:
    """Make the buffers of a fit.

    Parameters
    ----------
    y : ndarray of float32 of shape (n,)
        Targets.
    raw : ndarray of float32 of shape (n,) or (n_outputs, n)
        Scores, C-contiguous; kept, not copied.
    weight : ndarray of float32 of shape (n,), default=None
        Weights of the rows.
    n_threads : int, default=1
        Threads that will fill them at once.

    Returns
    -------
    Gradients
        Its gradients are not filled yet.
    """
    n, n_outputs = len(y), 1 if raw.ndim == 1 else len(raw)
    gradient, hessian = (np.empty((n_outputs, n), np.float32) for _ in range(2))
    sums = np.zeros((n_outputs, -(-n // BLOCK), 2))
    scratch = np.empty(SCRATCH_WORDS * n_threads)
    parameter = np.zeros(2)
    table = np.zeros(N_SLOTS, np.int64)
    addresses = [address_of(a) for a in (gradient, hessian, sums, parameter)]
    weights = 0 if weight is None else address_of(weight)
    table[:] = [
        n,
        address_of(y),
        address_of(raw),
        weights,
        *addresses,
        n_outputs,
        address_of(scratch),
    ]
    return Gradients(y, raw, weight, gradient, hessian, sums, table, scratch, parameter)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss of a target y and a raw score, as boosting needs it.

    The facts of a loss are data of its class. Scores of several outputs have shape (n_outputs, n).
    """

    name: ClassVar[str]
    kernel: ClassVar[str]  # the operation that fills a block of gradients
    is_classifier: ClassVar[bool] = False
    has_constant_hessian: ClassVar[bool] = False  # 1, or the row's weight
    is_translation_invariant: ClassVar[bool] = False  # of y and raw together: identity link
    has_leaf_values: ClassVar[bool] = False  # the best value of a leaf is not Newton's step
    n_outputs: int = 1

    @property
    def parameters(self) -> tuple[float, ...]:
        """Numbers that the operation reads.

        Returns
        -------
        tuple of float
            At most two.
        """
        return ()

    def fill(self, buffers: Gradients, threads: Threads) -> None:
        """Write gradients, hessians and their sums at the present scores.

        Parameters
        ----------
        buffers : Gradients
            Read and written.
        threads : Threads
            Who does it.
        """
        buffers.parameter[: len(self.parameters)] = self.parameters
        threads.run(operation_named(self.kernel), buffers.table, buffers.n_blocks)

    def check(self, y: np.ndarray, owner: str) -> None:
        """Refuse targets for which the loss is not defined.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Targets.
        owner : str
            Whose error it is.

        Raises
        ------
        ValueError
            Naming the loss and the target.
        """

    def start(self, y: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        """Find the constant score of the least loss.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Targets.
        weight : ndarray of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        ndarray of float64 of shape (n_outputs,)
            The score.
        """
        return self._start(np.asarray(y, np.float64), weight)

    def value(self, y: np.ndarray, raw: np.ndarray, weight: np.ndarray | None = None) -> float:
        """Mean loss, without terms that the score does not change.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Targets.
        raw : ndarray of shape (n,) or (n_outputs, n)
            Scores.
        weight : ndarray of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        float
            In double precision, with a block of 65,536 rows in memory at a time.
        """
        total, mass = 0.0, 0.0
        for first in range(0, len(y), 1 << 16):
            rows = slice(first, first + (1 << 16))
            losses = self._losses(y[rows].astype(np.float64), raw[..., rows].astype(np.float64))
            weights = np.ones(len(losses)) if weight is None else weight[rows]
            total += float(np.dot(weights, losses))
            mass += float(np.sum(weights, dtype=np.float64))
        return total / mass

    def inverse_link(self, raw: np.ndarray) -> np.ndarray:
        """Turn scores into predictions.

        Parameters
        ----------
        raw : ndarray of shape (n,) or (n_outputs, n)
            Scores.

        Returns
        -------
        ndarray of the same shape
            Expected targets; of a classifier the probability of class 1, or of each class.
        """
        return self._inverse_link(np.asarray(raw))

    def probabilities(self, raw: np.ndarray) -> np.ndarray:
        """Turn a classifier's scores into the probability of each class.

        Parameters
        ----------
        raw : ndarray of shape (n,) or (n_outputs, n)
            Scores.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Rows sum to 1.
        """
        p = self.inverse_link(raw)
        return np.column_stack([1 - p, p]) if p.ndim == 1 else np.ascontiguousarray(p.T)

    def refreshed(self, y: np.ndarray, raw: np.ndarray, weight: np.ndarray | None = None) -> Self:
        """Adapt to the present residuals; called before each iteration.

        Parameters
        ----------
        y, raw : ndarray of shape (n,)
            Targets and scores.
        weight : ndarray of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        Loss
            Itself, for all but Huber's with a quantile.
        """
        return self

    def leaf_values(
        self, y: np.ndarray, raw: np.ndarray, weight: np.ndarray | None, leaves: Leaves
    ) -> np.ndarray:
        """Find the best value of each leaf, where ``has_leaf_values``.

        Parameters
        ----------
        y, raw : ndarray of float32 of shape (n,)
            Targets and scores.
        weight : ndarray of float32 of shape (n,) or None
            Weights of the rows.
        leaves : tuple of (rows, starts, ends)
            Rows (uint32) in the order of their leaves; leaf i holds ``rows[starts[i]:ends[i]]``.

        Returns
        -------
        ndarray of float64 of shape (n_leaves,)
            Before the learning rate; 0 for a leaf without weight.
        """
        return self._leaf_values(y, raw, weight, leaves)

    def _start(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        raise NotImplementedError(f"{self.name}: _start is missing. Write it in the loss's class.")

    def _losses(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"{self.name}: _losses is missing. Write it in the loss's class.")

    def _inverse_link(self, raw: np.ndarray) -> np.ndarray:
        return raw

    def _leaf_values(
        self, y: np.ndarray, raw: np.ndarray, weight: np.ndarray | None, leaves: Leaves
    ) -> np.ndarray:
        raise NotImplementedError(f"{self.name}: has_leaf_values is False. Take Newton's step.")
