"""Slow and obvious twins of the kernels that make features."""

from bisect import bisect_right
from itertools import combinations, pairwise

import numpy as np


def first_seen(values):
    """(code of each value, -1 for None; the distinct values in order of appearance)."""
    levels = list(dict.fromkeys(value for value in values if value is not None))
    return [-1 if value is None else levels.index(value) for value in values], levels


def bucket(value, boundaries):
    """How many boundaries are not above the value; -1 for NaN."""
    return -1 if value != value else bisect_right(boundaries, value)


def side_by_side(blocks):
    """Blocks as one dense array, entry by entry."""
    parts = []
    for block in blocks:
        if hasattr(block, "values"):
            parts.append(block.values.astype(float))
            continue
        out = np.zeros((len(block), block.width))
        for row in range(len(block)):
            for code, weight in entries(block, row):
                if code >= 0:
                    out[row, code] += weight
        parts.append(out)
    return np.hstack(parts)


def entries(block, row):
    """Codes and weights of a row."""
    if not hasattr(block, "offsets"):
        return [(block.codes[row], 1.0)]
    own = range(block.offsets[row], block.offsets[row + 1])
    return [(block.codes[i], 1.0 if block.weights is None else block.weights[i]) for i in own]


def least_squares_cut(counts, sums, n_runs):
    """Sum of squares that the best cut explains, by trying all of them."""
    b, best = len(counts), -np.inf
    for k in range(min(n_runs, b)):
        for cut in combinations(range(1, b), k):
            best = max(best, explained(counts, sums, cut))
    return best


def explained(counts, sums, cut):
    """Σ (Σy)² / n over the runs of a cut."""
    ends = [0, *cut, len(counts)]
    runs = [slice(a, b) for a, b in pairwise(ends)]
    return sum((sums[run].sum(axis=0) ** 2).sum() / counts[run].sum() for run in runs)


def splitmix(word):
    """The step of SplitMix64, in Python's whole numbers."""
    mask = 2**64 - 1
    word = (word + 0x9E3779B97F4A7C15) & mask
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
    return word ^ (word >> 31)


def splitmix_bucket(words, seed, n_buckets):
    """The bucket of a combination of words."""
    running = seed
    for word in words:
        running = splitmix(running ^ (word % 2**64))
    return ((running >> 32) * n_buckets) >> 32


def added(batches):
    """{level: sum of its numbers} over batches of (level, number)."""
    sums = {}
    for batch in batches:
        for level, number in batch:
            sums[level] = sums.get(level, 0) + number
    return sums


def falling(counts):
    """Levels by falling count, then by value; text by its bytes."""
    return sorted(counts, key=lambda own: (-counts[own], _in_bytes(own)))


def _in_bytes(level):
    return level.encode() if isinstance(level, str) else level


def is_utf8(pieces):
    """Whether each piece can be decoded."""
    for piece in pieces:
        try:
            piece.decode()
        except UnicodeDecodeError:
            return False
    return True
