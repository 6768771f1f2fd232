"""Lengths and returns of the episodes under way."""

from numba import njit

COUNT = "int64(float64[::1], boolean[::1], int64[::1], float64[::1], int64, boolean[::1])"


@njit(COUNT, cache=True, nogil=True, error_model="numpy")
def count_step(rewards, terminated, lengths, returns, limit, truncated):  # type: ignore  # noqa: PLR0917
    """Add one step to N episodes, apply the time limit, and count those that ended.

    Parameters
    ----------
    rewards, terminated : ndarray of shape (N,)
        Of the step.
    lengths, returns : ndarray of shape (N,)
        Of the episodes so far; one step is added.
    limit : int
        The longest that an episode may become.
    truncated : ndarray of shape (N,)
        Filled with whether the limit is reached.

    Returns
    -------
    int
        How many ended, for either reason.
    """
    n_ended = 0
    for i in range(len(rewards)):
        lengths[i] += 1
        returns[i] += rewards[i]
        truncated[i] = lengths[i] >= limit
        if truncated[i] or terminated[i]:
            n_ended += 1
    return n_ended
