"""Samples split at the median of the number that differs most, written to be read."""

import numpy as np


def leaves(samples, size):
    """Sets of samples that are left together.

    Parameters
    ----------
    samples : ndarray of shape (n, d)
        All different in each number.
    size : int
        How many are left together.

    Returns
    -------
    list of set of int
        Numbers of the samples.
    """

    def split(numbers):
        if len(numbers) <= size:
            return [set(numbers.tolist())]
        half = size
        while 2 * half < len(numbers):
            half *= 2
        widest = np.argmax(samples[numbers].astype(float).var(axis=0))
        ranked = numbers[np.argsort(samples[numbers, widest])]
        return split(ranked[:half]) + split(ranked[half:])

    return split(np.arange(len(samples)))
