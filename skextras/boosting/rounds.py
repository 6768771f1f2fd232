"""Rounds of gradient boosting: gradients at the present scores, a tree an output, new scores.

J. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics
2001; the second-order form is that of T. Chen and C. Guestrin, "XGBoost", KDD 2016. Rows may be
sampled uniformly or by the size of their gradients (GOSS; G. Ke et al., "LightGBM", NIPS 2017),
trees dropped (DART; R. Vinayak and R. Gilad-Bachrach, AISTATS 2015).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skextras.boosting.refining import Refiner
from skextras.losses.base import Gradients, Loss
from skextras.trees.arrays import Tree
from skextras.trees.binning import Binned
from skextras.trees.growing import Grower
from skextras.trees.grown import Grown
from skextras.trees.leaf_sums import leaf_sums
from skextras.trees.routing import Router
from skextras.trees.stepping import newton_values
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How trees are added up.

    Attributes
    ----------
    learning_rate : float
        ν, the share of a tree's values that counts.
    subsample : float
        Share of the rows that a tree sees.
    sampling : {"uniform", "goss"}
        How they are chosen.
    top_rate, other_rate : float
        GOSS: share of the rows of greatest gradient, all kept, and share of the rest, sampled.
    boosting : {"gbdt", "dart"}
        Whether earlier trees are dropped while one grows.
    drop_rate : float
        DART: chance of each earlier tree.
    max_drop : int
        DART: at most so many.
    skip_drop : float
        DART: chance that none is dropped.
    leaf_iterations : int
        Newton steps on the values of a grown tree's leaves; 1 is the usual one.
    seed : int
        Decides all samples.
    """

    learning_rate: float = 0.1
    subsample: float = 1.0
    sampling: str = "uniform"
    top_rate: float = 0.2
    other_rate: float = 0.1
    boosting: str = "gbdt"
    drop_rate: float = 0.1
    max_drop: int = 50
    skip_drop: float = 0.5
    leaf_iterations: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Change:
    """What a round did to the ensemble.

    Attributes
    ----------
    trees : list of Tree
        One an output.
    rescaled : dict of int to Tree
        Earlier trees, by number, that DART made smaller.
    """

    trees: list[Tree]
    rescaled: dict[int, Tree]


class Rounds:
    """Boosting on rows that are binned already.

    Parameters
    ----------
    binned : Binned
        The rows.
    buffers : Gradients
        Targets, scores and weights; the scores change.
    loss : Loss
        What is made small.
    growth : Growth
        How trees grow.
    recipe : Recipe
        How they are added.
    threads : Threads
        Who works; entered by the caller.
    """

    def __init__(  # noqa: PLR0917  # the parts of one fit, each its own object
        self,
        binned: Binned,
        buffers: Gradients,
        loss: Loss,
        growth: Growth,
        recipe: Recipe,
        threads: Threads,
    ) -> None:
        self.buffers, self.loss, self._recipe, self._growth = buffers, loss, recipe, growth
        self._threads = threads
        self._grower = Grower(binned, growth, threads)
        self._router = Router(binned, threads)
        self._idle = np.random.default_rng(recipe.seed)
        self._amplification: np.ndarray | None = None  # of this round's rows, by GOSS
        self._refiner: Refiner | None = None
        # A parabola is at its minimum after one step, and so is what the loss itself minimises.
        if recipe.leaf_iterations > 1 and not (loss.has_constant_hessian or loss.has_leaf_values):
            self._refiner = Refiner(buffers, self._grower, growth, threads)

    @cached_property
    def scores(self) -> np.ndarray:
        """Present scores.

        Returns
        -------
        ndarray of float32 of shape (n_outputs, n)
            A view.
        """
        return np.atleast_2d(self.buffers.raw)

    def replay(self, trees: Sequence[Tree]) -> None:
        """Add trees of an earlier fit to the scores, as that fit did.

        Parameters
        ----------
        trees : sequence of Tree
            In their order, an output after the other.
        """
        for number, tree in enumerate(trees):
            self._router.add(self.scores[number % len(self.scores)], tree)

    def next(self, iteration: int, trees: Sequence[Tree]) -> Change:
        """Do one round.

        Parameters
        ----------
        iteration : int
            Number of the round; with the seed it decides all samples.
        trees : sequence of Tree
            Those there are.

        Returns
        -------
        Change
            New trees, and what became of dropped ones.
        """
        recipe = self._recipe
        random = self._random(iteration)
        dropped = self._drop(iteration, trees, random) if recipe.boosting == "dart" else {}
        buffers = self.buffers
        self.loss = self.loss.refreshed(buffers.y, buffers.raw, buffers.weight)
        self.loss.fill(buffers, self._threads)
        totals = buffers.totals
        rows = self._sample(iteration, random)
        if self._amplification is not None:
            totals = np.stack(
                [
                    np.abs(buffers.gradient[:, rows]).sum(1, np.float64),
                    buffers.hessian[:, rows].sum(1, np.float64),
                ],
                axis=1,
            )
        # All outputs grow from the gradients of one moment, whatever their order.
        rate = recipe.learning_rate / (1 + len(dropped) / len(self.scores))
        grown = []
        for output, (gradient, hessian) in enumerate(totals):
            tree = self._grower.grow(
                buffers.gradient[output],
                buffers.hessian[output],
                (gradient, hessian),
                rows=rows,
                has_constant_hessian=self._counts,
                seed=int(random.integers(1 << 63)) if self._growth.max_features < 1 else 0,
            )
            if self._refiner is None and not self.loss.has_leaf_values:
                values = self._grower.step(self.scores[output], tree, rate)
            else:
                values = rate * self._values(tree, output)
                self._grower.add_to(self.scores[output], tree, values)
            grown.append(tree.tree(values, self._weights(tree)))
        return Change(grown, self._shrink(dropped))

    def _random(self, iteration: int) -> np.random.Generator:
        """What decides a round's samples: made only if there are some, for it takes its time."""
        recipe = self._recipe
        is_whole = recipe.subsample == 1.0 and recipe.sampling == "uniform"
        if is_whole and recipe.boosting == "gbdt" and self._growth.max_features == 1.0:
            return self._idle
        return np.random.default_rng([recipe.seed, iteration])

    @property
    def _counts(self) -> bool:
        """Whether a sum of hessians counts rows."""
        is_plain = self.buffers.weight is None
        return self.loss.has_constant_hessian and is_plain and self._amplification is None

    def _values(self, grown: Grown, output: int) -> np.ndarray:
        """Best values of the leaves; inner nodes keep those of the grower."""
        buffers, leaves = self.buffers, (grown.order, grown.starts, grown.ends)
        values = grown.values
        if self.loss.has_leaf_values:
            raw = self.scores[output]
            best = self.loss.leaf_values(buffers.y, raw, buffers.weight, leaves)
        else:
            sums = self._sums(output, leaves)
            best = newton_values(sums, self._growth.l1, self._growth.l2)
        values[grown.leaves] = best
        if self._refiner is not None:
            values[grown.leaves] = self._refiner.refined(
                self.loss,
                grown,
                output,
                best,
                n_steps=self._recipe.leaf_iterations - 1,
                amplification=self._amplification,
            )
        return grown.bounded(values)

    def _weights(self, grown: Grown) -> np.ndarray | None:
        """Weight of the rows in each node, where rows have weights."""
        weight = self.buffers.weight
        if weight is None:
            return None
        rows = grown.order[: grown.ends[-1]]
        totals = np.zeros(len(grown.records))
        totals[grown.leaves] = np.add.reduceat(weight[rows].astype(np.float64), grown.starts)
        for node, left in reversed(grown.splits):  # children come after their parent
            totals[node] = totals[left] + totals[left + 1]
        return totals

    def _sums(self, output: int, leaves: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        buffers = self.buffers
        return leaf_sums(buffers.gradient[output], buffers.hessian[output], leaves, self._threads)

    # ------------------------------------------------------------ samples of rows
    def _sample(self, iteration: int, random: np.random.Generator) -> np.ndarray | None:
        recipe, n = self._recipe, self.buffers.y.size
        self._amplification = None
        if recipe.sampling == "goss":
            # The first trees see all rows: their gradients tell little yet (Ke et al., section 3).
            if iteration * recipe.learning_rate < 1:
                return None
            return self._sample_by_gradient(random)
        if recipe.subsample == 1.0:
            return None
        n_kept = max(1, round(recipe.subsample * n))
        return np.sort(random.permutation(n)[:n_kept]).astype(np.uint32)

    def _sample_by_gradient(self, random: np.random.Generator) -> np.ndarray:
        recipe, buffers, n = self._recipe, self.buffers, self.buffers.y.size
        size = np.abs(buffers.gradient * buffers.hessian).sum(0)
        n_top = min(n, max(1, round(recipe.top_rate * n)))
        by_size = np.argpartition(-size, n_top - 1)
        rest = by_size[n_top:]
        n_other = min(len(rest), max(1, round(recipe.other_rate * n)))
        others = random.choice(rest, n_other, replace=False) if n_other else rest[:0]
        if n_other:
            self._amplification = np.ones(n, np.float32)
            self._amplification[others] = len(rest) / n_other
            buffers.gradient[:] *= self._amplification
            buffers.hessian[:] *= self._amplification
        return np.sort(np.concatenate([by_size[:n_top], others])).astype(np.uint32)

    # ------------------------------------------------------------ dropped trees
    def _drop(
        self, iteration: int, trees: Sequence[Tree], random: np.random.Generator
    ) -> dict[int, Tree]:
        """Take a sample of earlier rounds out of the scores."""
        recipe, n_outputs = self._recipe, len(self.scores)
        if iteration == 0 or random.random() < recipe.skip_drop:
            return {}
        rounds = np.flatnonzero(random.random(iteration) < recipe.drop_rate)
        if len(rounds) == 0:  # at least one, as the paper has it
            rounds = random.integers(iteration, size=1)
        rounds = np.sort(random.permutation(rounds)[: recipe.max_drop])
        numbers = [int(r) * n_outputs + k for r in rounds for k in range(n_outputs)]
        dropped = {number: trees[number] for number in numbers}
        for number, tree in dropped.items():
            self._router.add(self.scores[number % n_outputs], tree.scaled(-1.0))
        return dropped

    def _shrink(self, dropped: dict[int, Tree]) -> dict[int, Tree]:
        """Put them back so much smaller that they and the new tree weigh what they weighed."""
        n_outputs = len(self.scores)
        k = len(dropped) / n_outputs
        smaller = {number: tree.scaled(k / (k + 1)) for number, tree in dropped.items()}
        for number, tree in smaller.items():
            self._router.add(self.scores[number % n_outputs], tree)
        return smaller
