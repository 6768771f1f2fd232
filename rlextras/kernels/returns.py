"""Generalised advantage estimates of a rollout, in one pass."""

import numpy as np
from numba import types

from rlextras.kernels.compiler import BLOCK, VECTOR, entry

REWARD, VALUE, IS_END, BOOTSTRAP, ADVANTAGE, RETURN = range(6)
"""Leading indices of a ledger; BOOTSTRAP is the value of what follows an end, 0 if nothing does."""


@entry(types.void(BLOCK, VECTOR, types.float32, types.float32))
def estimate(
    ledger: np.ndarray, last_values: np.ndarray, gamma: np.float32, lam: np.float32
) -> None:
    """Fill in advantages and TD(λ) returns.

    δ_t = r_t + γ V(s_{t+1}) - V(s_t), Â_t = δ_t + γλ Â_{t+1} within an episode and Â_t = δ_t at its
    end (eq. 16 of [1]_ unrolled), R_t = Â_t + V(s_t).

    Parameters
    ----------
    ledger : ndarray of float32, shape (6, T, N)
        Rewards, values, ends and bootstraps go in; advantages and returns come out.
    last_values : ndarray of float32, shape (N,)
        V of what follows the last step, ignored where that step ended its episode.
    gamma, lam : float32
        γ and λ.

    References
    ----------
    .. [1] J. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage
       Estimation", ICLR 2016, https://arxiv.org/abs/1506.02438.
    """
    _, n_steps, n_envs = ledger.shape
    for i in range(n_envs):
        following, advantage = last_values[i], np.float32(0.0)
        for t in range(n_steps - 1, -1, -1):
            if ledger[IS_END, t, i] > 0:
                following, advantage = ledger[BOOTSTRAP, t, i], np.float32(0.0)
            value = ledger[VALUE, t, i]
            td_error = ledger[REWARD, t, i] + gamma * following - value  # δ_t
            advantage = td_error + gamma * lam * advantage  # Â_t
            ledger[ADVANTAGE, t, i] = advantage
            ledger[RETURN, t, i] = advantage + value
            following = value
