"""Baum-Welch over emissions of any family: the step of EM of hidden Markov models."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from skextras.mixture import chain_kernels as kernels
from skextras.mixture.components import Parameters, log_weights_of
from skextras.mixture.em import InfeasibleError
from skextras.mixture.sweeping import Rows, Sweep

__all__ = ["Chain", "ChainStep"]

PART = 20_000  # steps that a thread smooths at a time


class Chain:
    """States of sequences, given the parameters of a hidden Markov model.

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

    def logs(self, emissions: Parameters) -> tuple[Any, np.ndarray]:
        """Prepared emissions and log densities.

        Parameters
        ----------
        emissions : tuple of ndarray
            Their parameters.

        Returns
        -------
        ready : object
            Prepared.
        logs : ndarray of shape (T, k)
            Log densities.
        """
        ready = self.sweep.components.prepare(emissions, self.sweep.dtype)
        return ready, self.sweep.densities(ready, self.rows)

    def smooth(
        self, start: np.ndarray, moves: np.ndarray, logs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Posterior of the states, expected transitions, log-likelihood of each sequence.

        Parameters
        ----------
        start, moves : ndarray of shape (k,), (k, k)
            Probabilities.
        logs : ndarray of shape (T, k)
            Log densities; overwritten.

        Returns
        -------
        shares : ndarray of shape (T, k)
            Rows sum to 1.
        pairs : ndarray of shape (k, k)
            Expected numbers of transitions, those of a sequence times its weight.
        likelihoods : ndarray of shape (n_sequences,)
            Log-likelihoods of the sequences, each once.
        """
        spans = list(zip(self.ends[:-1], self.ends[1:], strict=True))
        likelihoods = np.array([kernels.relative_densities(logs[a:b]) for a, b in spans])
        alpha, beta = np.empty_like(logs), np.empty_like(logs)
        turned = np.ascontiguousarray(moves.T)

        def _ahead() -> list[float]:
            return [kernels.forward(logs, start, moves, a, b, alpha) for a, b in spans]

        def _back() -> None:
            for a, b in spans:
                kernels.backward(logs, turned, a, b, beta)

        with ThreadPoolExecutor(2) as pool:  # neither recursion needs the other
            waiting = pool.submit(_back) if self._is_shared else None
            likelihoods = likelihoods + np.array(_ahead())
            if waiting is None:
                _back()
            else:
                waiting.result()
            parts = [
                (first, min(first + PART, b), b, w)
                for (a, b), w in zip(spans, self.weight, strict=True)
                for first in range(a, b, PART)
            ]
            counted = [np.zeros_like(moves) for _ in parts]

            def _join(number: int) -> None:
                first, stop, end, weight = parts[number]
                steps = (logs[:end], alpha[:end], beta[:end])  # the last step has no transition
                kernels.smooth(*steps, moves, first, stop, counted[number])
                counted[number] *= weight

            # A part reads alpha of its own steps alone, so that parts may go in any order.
            list((pool.map if self._is_shared else map)(_join, range(len(parts))))
        return alpha, moves * np.sum(counted, axis=0), likelihoods

    def decode(
        self, start: np.ndarray, moves: np.ndarray, logs: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Most probable states.

        Parameters
        ----------
        start, moves : ndarray of shape (k,), (k, k)
            Probabilities.
        logs : ndarray of shape (T, k)
            Log densities.

        Returns
        -------
        value : float
            Log probability of the states and the steps, summed over the sequences.
        path : ndarray of shape (T,)
            States.
        """
        path = np.empty(len(logs), np.int64)
        own = log_weights_of(start), log_weights_of(moves)
        total = 0.0
        for a, b in zip(self.ends[:-1], self.ends[1:], strict=True):
            total += kernels.best_path(logs, *own, a, b, path)
        return total, path

    @property
    def _is_shared(self) -> bool:
        return self.sweep.n_threads > 1 and len(self.rows) > PART


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
        ready, logs = self.chain.logs(own)
        chain, weight = self.chain, self.chain.weight
        shares, pairs, likelihoods = chain.smooth(start, moves, logs)
        first = weight @ shares[chain.ends[:-1]]
        if len(chain.rows.weight):
            shares *= chain.rows.weight[:, None]
        sums = chain.sweep.assigned(ready, chain.rows, shares)
        statistics = self.components.condense(ready, sums)
        leaving = pairs.sum(axis=1, keepdims=True)
        following = np.where(leaving > 0, pairs / np.where(leaving > 0, leaving, 1.0), moves)
        objective = (weight @ likelihoods + self.components.log_prior(own)) / chain.rows.total()
        updated = self.components.update(own, statistics)
        return float(objective), (first / first.sum(), following, *updated)
