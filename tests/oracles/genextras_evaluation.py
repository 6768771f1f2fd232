"""Slow twins of the distances between samples: pairs one by one, in float64."""

import math

import numpy as np


def pairs_mean(function, x, y, *, is_unbiased=False):
    """Mean over all pairs, without those of a sample and itself if asked."""
    values = [
        function(one, other)
        for i, one in enumerate(x)
        for j, other in enumerate(y)
        if not (is_unbiased and x is y and i == j)
    ]
    return sum(values) / len(values)


def distance(one, other):
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)))


def energy_distance(x, y, *, is_unbiased):
    within = [pairs_mean(distance, each, each, is_unbiased=is_unbiased) for each in (x, y)]
    return 2 * pairs_mean(distance, x, y) - sum(within)


def mmd(x, y, kernel, *, is_unbiased):
    within = [pairs_mean(kernel, each, each, is_unbiased=is_unbiased) for each in (x, y)]
    return sum(within) - 2 * pairs_mean(kernel, x, y)


def wasserstein_of_numbers(x, y, order):
    """W_p^p: each sample repeated until both lists are equally long, then matched in order."""
    n = math.lcm(len(x), len(y))
    long = [np.repeat(np.sort(each), n // len(each)) for each in (x, y)]
    return float((np.abs(long[0] - long[1]) ** order).mean())


def precision_recall(real, generated, k):
    """Eq. 1 of Kynkäänniemi et al., word for word."""

    def covered(points, centres):
        inside = 0
        for point in points:
            inside += any(
                distance(point, centre) <= sorted(distance(centre, other) for other in centres)[k]
                for centre in centres
            )
        return inside / len(points)

    return covered(generated, real), covered(real, generated)
