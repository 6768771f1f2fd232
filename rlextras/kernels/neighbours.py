"""An order of samples in which similar ones follow each other.

The mean over a batch does not depend on the order. Units of ReLU that are silent for one sample are
likely to be silent for those like it, and products leave out what is silent for a whole panel: of
16 samples of Pendulum as they come, 1 to 4 of 100 units of a first layer, in this order 30.
"""

import numpy as np

from rlextras.kernels.compiler import kernel
from rlextras.kernels.teams import claim, finish, wait
from rlextras.kernels.tiles import LANES

_ZERO = np.float32(0.0)


@kernel(fastmath={"contract", "reassoc"})
def _spread(x: np.ndarray) -> np.float32:
    """Sum of squared distances from the mean; how exact it is matters little."""
    total, squares = _ZERO, _ZERO
    for k in range(x.size):
        each = x[k] - x[0]
        total += each
        squares += each * each
    return squares - total * total / np.float32(x.size)


@kernel()
def _widest(x: np.ndarray, n_rows: np.int64, start: np.int64, end: np.int64) -> np.int64:
    """Row of the largest spread in some columns; -1 if there is none."""
    most, widest = _ZERO, np.int64(-1)
    for d in range(n_rows):
        spread = _spread(x[d, start:end])
        if spread > most:
            most, widest = spread, np.int64(d)
    return widest


@kernel()
def _select(x: np.ndarray, k: np.int64) -> np.float32:
    """Number that has ``k`` smaller ones, and move them before it: Hoare's FIND (1961)."""
    first, last = np.int64(0), np.int64(x.size - 1)
    while first < last:
        pivot, i, j = x[k], first, last
        while i <= j:
            while x[i] < pivot:
                i += 1
            while pivot < x[j]:
                j -= 1
            if i <= j:
                x[i], x[j] = x[j], x[i]
                i += 1
                j -= 1
        if j < k:
            first = i
        if k < i:
            last = j
    return x[k]


@kernel()
def _split(x: np.ndarray, border: np.float32, places: np.ndarray) -> None:
    """Tell where numbers go if those before the border come first, and those behind it last."""
    less, equal = np.int64(0), np.int64(0)
    for k in range(x.size):
        less += x[k] < border
        equal += x[k] == border
    at_less, at_equal, at_rest = np.int64(0), less, less + equal
    for k in range(x.size):
        if x[k] < border:
            places[k] = at_less
            at_less += 1
        elif x[k] == border:
            places[k] = at_equal
            at_equal += 1
        else:  # NaN, too
            places[k] = at_rest
            at_rest += 1


@kernel()
def _move(x: np.ndarray, places: np.ndarray, spare: np.ndarray) -> None:
    """Put numbers into their places."""
    for k in range(x.size):
        spare[k] = x[k]
    for k in range(x.size):
        x[places[k]] = spare[k]


@kernel()
def find_order(rows: np.ndarray, batch: np.ndarray, order: np.ndarray, room: tuple) -> None:
    """Split a batch into halves by the number that differs most, and these again.

    Parameters
    ----------
    rows : ndarray of float32, shape (N, d)
        Samples.
    batch : ndarray of int64, shape (B,)
        Which of them.
    order : ndarray of int64, shape (B,)
        Becomes places in the batch; what is left together are ``LANES`` samples.
    room : tuple of ndarray
        For float32, (1 + d, B), and int64, (2, B).
    """
    (x, integers), n, width = room, np.int64(batch.size), np.int64(rows.shape[1])
    spare, places, spare_places = x[width], integers[0], integers[1]
    for b in range(n):
        order[b] = b
        for d in range(width):
            x[d, b] = rows[batch[b], d]
    half = np.int64(LANES)
    while 2 * half < n:
        half *= 2
    while half >= LANES:
        for start in range(0, n - half, 2 * half):
            end = min(start + 2 * half, n)
            by = _widest(x, width, start, end)
            if by >= 0:
                for k in range(start, end):
                    spare[k] = x[by, k]
                _split(x[by, start:end], _select(spare[start:end], half), places)
                _move(order[start:end], places, spare_places)
                for d in range(width):
                    _move(x[d, start:end], places, spare)
        half //= 2


@kernel()
def arrange(
    rows: np.ndarray,
    batches: tuple,
    order: np.ndarray,
    room: tuple,
    words: np.ndarray,
    number: np.int64,
) -> None:
    """Run the pieces of a phase that arranges all batches.

    Parameters
    ----------
    rows : ndarray of float32, shape (N, d)
        Samples.
    batches : tuple of (ndarray, ndarray)
        Which of them are in each batch, (batches, B), and noise, (batches, B, A) or (batches, 0,
        0); both are put into their order.
    order : ndarray of int64, shape (batches, B)
        Becomes the places where they were.
    room : tuple of ndarray
        As for ``find_order``.
    words : ndarray of int64
        Of ``teams``.
    number : int64
        Round; the phase is its first.
    """
    (indices, noise), (x, integers) = batches, room
    n_batches, at = np.int64(len(indices)), (number, np.int64(0))
    spare, places, spare_places = x[rows.shape[1]], integers[0], integers[1]
    u = claim(words, at, n_batches)
    while u < n_batches:
        find_order(rows, indices[u], order[u], room)
        for b in range(order.shape[1]):
            places[order[u, b]] = b
        _move(indices[u], places, spare_places)
        if noise.shape[1] > 0:
            for k in range(noise.shape[2]):
                _move(noise[u, :, k], places, spare)
        finish(words, at)
        u = claim(words, at, n_batches)
    wait(words, at, n_batches)


@kernel()
def restore(values: np.ndarray, order: np.ndarray, room: tuple) -> None:
    """Put numbers of samples back where these were.

    Parameters
    ----------
    values : ndarray of float32, shape (batches, B)
        The numbers.
    order : ndarray of int64, shape (batches, B)
        Of ``arrange``.
    room : tuple of ndarray
        As for ``find_order``.
    """
    for u in range(len(values)):
        _move(values[u], order[u], room[0][0])
