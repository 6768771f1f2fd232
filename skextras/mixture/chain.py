"""Baum-Welch over emissions of any family: the step of EM of hidden Markov models."""

import itertools
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from skextras.mixture import chain_kernels as kernels
from skextras.mixture.components import Parameters, log_weights_of
from skextras.mixture.em import InfeasibleError
from skextras.mixture.sweeping import Rows, Sweep, in_threads, padded

__all__ = ["Chain", "ChainStep"]

PART = 1 << 15  # steps that a thread smooths at a time


class Chain:
    """States of sequences, given the parameters of a hidden Markov model.

    Densities and filtered states of all steps are kept, 16 bytes a step and state, and made anew in
    the same place by each call; all else is of a part's size.

    Parameters
    ----------
    sweep : Sweep
        Of the emissions.
    rows : Rows
        All sequences, one after the other.
    ends : ndarray of shape (n_sequences + 1,)
        Where each begins, and the number of rows.
    weight : ndarray of shape (n_sequences,), float64
        Repetitions of each sequence.
    """

    def __init__(self, sweep: Sweep, rows: Rows, ends: np.ndarray, weight: np.ndarray) -> None:
        self.sweep, self.rows, self.ends, self.weight = sweep, rows, ends, weight
        K, n = padded(sweep.k), len(rows)
        self._densities, self._alpha = np.zeros((n, K)), np.empty((n, K))
        self._tops = np.empty(n)
        self.parts = [(a, min(a + PART, n)) for a in range(0, n, PART)]

    def prepare(self, emissions: Parameters) -> Any:
        """Densities of all steps.

        Parameters
        ----------
        emissions : tuple of ndarray
            Their parameters.

        Returns
        -------
        object
            The emissions, prepared.
        """
        ready = self.sweep.components.prepare(emissions, self.sweep.dtype)
        densities = self._densities[:, : self.sweep.k]
        self.sweep.relative(ready, self.rows, densities, self._tops)
        return ready

    def likelihoods(self, start: np.ndarray, moves: np.ndarray) -> np.ndarray:
        """Log-likelihoods at the prepared emissions.

        Parameters
        ----------
        start, moves : ndarray of shape (k,), (k, k)
            Probabilities.

        Returns
        -------
        ndarray of shape (n_sequences,)
            Of each sequence, once.
        """
        return self._messages(_Chances.of(start, moves), None)

    def posterior(self, start: np.ndarray, moves: np.ndarray) -> np.ndarray:
        """Probabilities of the states at the prepared emissions, given whole sequences.

        Parameters
        ----------
        start, moves : ndarray of shape (k,), (k, k)
            Probabilities.

        Returns
        -------
        ndarray of shape (T, k)
            Rows sum to 1; those of an impossible sequence are zero.
        """
        chances = _Chances.of(start, moves)
        marks = np.zeros((len(self.parts) + 1, len(chances.start)))
        self._messages(chances, marks)
        weight = np.ones(len(self.weight))
        for _ in in_threads(partial(self._smooth, chances, marks, weight), self._order, self._n):
            pass
        return self._alpha[:, : len(start)].copy()

    def expect(
        self, ready: Any, start: np.ndarray, moves: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
        """What the maximisation needs, sequences counted as often as their weights say.

        Parameters
        ----------
        ready : object
            Prepared emissions.
        start, moves : ndarray of shape (k,), (k, k)
            Probabilities.

        Returns
        -------
        likelihoods : ndarray of shape (n_sequences,)
            Log-likelihood of each sequence, once.
        first : ndarray of shape (k,)
            Expected numbers of first states.
        pairs : ndarray of shape (k, k)
            Expected numbers of transitions.
        sums : list of ndarray
            Of the emissions.
        """
        k, chances = len(start), _Chances.of(start, moves)
        marks = np.zeros((len(self.parts) + 1, len(chances.start)))
        likelihoods = self._messages(chances, marks)

        def _join(number: int) -> list[np.ndarray]:
            pairs = self._smooth(chances, marks, self.weight, number)
            own = self.sweep.assigned(ready, self.rows, self._alpha, self.parts[number])
            return [pairs, *own]

        totals = list[np.ndarray]()
        for sums in in_threads(_join, self._order, self._n):
            totals = totals or [np.zeros_like(part) for part in sums]
            for total, part in zip(totals, sums, strict=True):
                total += part
        first = self._alpha[self.ends[:-1], :k].sum(axis=0)
        return likelihoods, first, moves * totals[0][:k, :k], totals[1:]

    def decode(
        self, emissions: Parameters, start: np.ndarray, moves: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Most probable states.

        Parameters
        ----------
        emissions : tuple of ndarray
            Their parameters.
        start, moves : ndarray of shape (k,), (k, k)
            Probabilities.

        Returns
        -------
        value : float
            Log probability of the states and the steps, summed over the sequences.
        path : ndarray of shape (T,)
            States.
        """
        ready = self.sweep.components.prepare(emissions, self.sweep.dtype)
        logs = self.sweep.densities(ready, self.rows)
        path = np.empty(len(logs), np.int64)
        own = log_weights_of(start), log_weights_of(moves)
        total = 0.0
        for a, b in zip(self.ends[:-1], self.ends[1:], strict=True):
            total += kernels.best_path(logs, *own, a, b, path)
        return total, path

    # ------------------------------------------------------------ parts
    @property
    def _n(self) -> int:
        """Threads; none besides this one where there is a single part."""
        return self.sweep.n_threads if len(self.parts) > 1 else 1

    @property
    def _order(self) -> list[int]:
        """Numbers of the parts from the last: a thread alone takes messages along."""
        return list(range(len(self.parts)))[::-1]

    def _messages(self, chances: "_Chances", marks: np.ndarray | None) -> np.ndarray:
        """Filter all sequences; with several threads, send messages back to the parts as well.

        Neither recursion needs the other, and no sequence needs another.
        """
        out = np.empty(len(self.weight))
        cuts = np.searchsorted(self.ends, np.linspace(0, self.ends[-1], self._n + 1))
        cuts = np.unique(np.r_[0, cuts, len(self.weight)])
        groups = list(itertools.pairwise(cuts))

        def _ahead(first: int, stop: int) -> None:
            steps = self._densities, self._tops
            own = chances.start, chances.moves, self.ends, first, stop
            kernels.forward(*steps, *own, self._alpha, out)

        def _back(first: int, stop: int) -> None:
            own = self.ends, first, stop, PART
            kernels.backward(self._densities, chances.turned, *own, marks)

        work = [partial(_ahead, *own) for own in groups]
        if self._n > 1 and marks is not None:
            work += [partial(_back, *own) for own in groups]
        for _ in in_threads(lambda own: own(), work, self._n):
            pass
        return out

    def _smooth(
        self, chances: "_Chances", marks: np.ndarray, weight: np.ndarray, number: int
    ) -> np.ndarray:
        """Smooth one part: alpha becomes shares; the expected transitions are returned."""
        pairs, own = np.zeros_like(chances.moves), marks[number : number + 2].copy()
        a, b = self.parts[number]
        steps = self._densities, chances.turned, self.ends
        kernels.smooth(*steps, weight, a, b, self._alpha, own, pairs)
        if self._n == 1:
            marks[number] = own[0]
        return pairs


class _Chances(NamedTuple):
    """Probabilities padded with zeros."""

    start: np.ndarray
    moves: np.ndarray
    turned: np.ndarray

    @classmethod
    def of(cls, start: np.ndarray, moves: np.ndarray) -> "_Chances":
        k = len(start)
        first, whole = np.zeros(padded(k)), np.zeros((padded(k), padded(k)))
        first[:k], whole[:k, :k] = start, moves
        return cls(first, whole, np.ascontiguousarray(whole.T))


class ChainStep:
    """A step of Baum-Welch: (start, moves, emissions) to objective and successor.

    Parameters
    ----------
    chain : Chain
        The data.
    """

    def __init__(self, chain: Chain) -> None:
        self.chain, self.components = chain, chain.sweep.components

    def __call__(self, parameters: Parameters) -> tuple[float, Parameters]:
        start, moves, own = parameters[0], parameters[1], parameters[2:]
        if not (np.all(start >= 0) and np.all(moves >= 0)):
            raise InfeasibleError("HMM: probabilities must be nonnegative. Step back.")
        chain, ready = self.chain, self.chain.prepare(own)
        likelihoods, first, pairs, sums = chain.expect(ready, start, moves)
        statistics = self.components.condense(ready, sums)
        leaving = pairs.sum(axis=1, keepdims=True)
        following = np.where(leaving > 0, pairs / np.where(leaving > 0, leaving, 1.0), moves)
        value = chain.weight @ likelihoods + self.components.log_prior(own)
        updated = self.components.update(own, statistics)
        return float(value / chain.rows.total()), (first / first.sum(), following, *updated)
