"""More Newton steps on the values of a tree's leaves.

One step from the old scores is what every gradient boosting library takes; where the loss is far
from a parabola, the best value of a leaf lies elsewhere.
"""

import numpy as np

from skextras.losses.base import Gradients, Loss, gradient_buffers
from skextras.trees.growing import Grower
from skextras.trees.grown import Grown
from skextras.trees.leaf_sums import leaf_sums
from skextras.trees.stepping import newton_values
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth


class Refiner:
    """Steps towards the values at which the penalised loss of each leaf is least.

    The signs of its slope on the way enclose a minimum. A step that would leave the enclosure
    halves it instead, so that no leaf runs away where the loss is flat.

    Parameters
    ----------
    buffers : Gradients
        Targets, scores and weights; the gradients stay as they are, for trees yet to grow.
    grower : Grower
        Brings a tree's values to the scores.
    growth : Growth
        Has λ and α.
    threads : Threads
        Who works.
    """

    def __init__(
        self, buffers: Gradients, grower: Grower, growth: Growth, threads: Threads
    ) -> None:
        self._grower, self._growth, self._threads = grower, growth, threads
        self._raw = np.atleast_2d(buffers.raw)
        self._trial = gradient_buffers(
            buffers.y, buffers.raw, buffers.weight, n_threads=threads.n_threads
        )

    def refined(
        self,
        loss: Loss,
        grown: Grown,
        output: int,
        first: np.ndarray,
        *,
        n_steps: int,
        amplification: np.ndarray | None = None,
    ) -> np.ndarray:
        """Best values after some more steps.

        Parameters
        ----------
        loss : Loss
            What is made small.
        grown : Grown
            The tree.
        output : int
            To whose scores it will be added.
        first : ndarray of float64 of shape (n_leaves,)
            Where one step has led, in the order of ``grown.leaves``.
        n_steps : int
            Steps to take.
        amplification : ndarray of float32 of shape (n_rows,), default=None
            By which rows stand for others.

        Returns
        -------
        ndarray of float64 of shape (n_leaves,)
            In the order of ``grown.leaves``.
        """
        leaves, values = grown.leaves, grown.values
        values[leaves] = first
        now = grown.bounded(values)[leaves]
        lower = np.where(now >= 0, 0.0, -np.inf)  # the slope at 0 has pointed to the first step
        upper = np.where(now >= 0, np.inf, 0.0)
        for _ in range(n_steps):
            values[leaves] = now
            sums = self._sums(loss, grown, output, values, amplification)
            # With G and H at v, the loss of w falls most at the minimiser of
            # (G - H v) w + (H + λ) w² / 2 + α |w|.
            sums[:, 0] -= sums[:, 1] * now
            step = newton_values(sums, self._growth.l1, self._growth.l2)
            lower, upper = np.where(step > now, now, lower), np.where(step < now, now, upper)
            reach = 1 + np.abs(now)  # while the enclosure is open
            step = np.clip(step, now - reach, now + reach)
            is_out = (step < lower) | (step > upper)  # on one side; the other end is ``now``
            now = np.where(is_out, (np.clip(step, lower, upper) + now) / 2, step)
            values[leaves] = now
            now = grown.bounded(values)[leaves]
        return now

    def _sums(
        self,
        loss: Loss,
        grown: Grown,
        output: int,
        values: np.ndarray,
        amplification: np.ndarray | None,
    ) -> np.ndarray:
        """Sums of the leaves at the scores to which the values lead."""
        scores, trial = self._raw[output], self._trial
        before = scores.copy()
        self._grower.add_to(scores, grown, values)
        loss.fill(trial, self._threads)
        scores[:] = before
        gradient, hessian = trial.gradient[output], trial.hessian[output]
        if amplification is not None:
            gradient *= amplification
            hessian *= amplification
        return leaf_sums(gradient, hessian, (grown.order, grown.starts, grown.ends), self._threads)
