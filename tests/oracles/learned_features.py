"""Slow and obvious twins of column types that learn from targets and from pairs."""

import math
from collections import Counter, defaultdict

import numpy as np


def target_means(train, y, rows, *, smooth):
    """Smoothed mean of y for the category of each of ``rows``; None is a category."""
    overall = sum(y) / len(y)
    variance = sum((own - overall) ** 2 for own in y) / len(y)
    groups = defaultdict(list)
    for level, own in zip(train, y, strict=True):
        groups[level].append(own)
    means = []
    for level in rows:
        own = groups.get(level, [])
        if not own:
            means.append(overall)
            continue
        mean, n = sum(own) / len(own), len(own)
        if smooth == "auto":
            spread = sum((each - mean) ** 2 for each in own) / n
            total = n * variance + spread
            weight = n * variance / total if total > 0 else 0.0
        else:
            weight = n / (n + smooth)
        means.append(weight * mean + (1 - weight) * overall)
    return means


def association(rows, n_levels):
    """Positive pointwise mutual information of levels in lists of levels."""
    pairs = Counter()
    for row in rows:
        for i, a in enumerate(row):
            pairs.update((a, b) for j, b in enumerate(row) if i != j)
    total = sum(pairs.values())
    own = Counter()
    for (a, _), count in pairs.items():
        own[a] += count
    out = np.zeros((n_levels, n_levels))
    for (a, b), count in pairs.items():
        out[a, b] = max(math.log(count * total / (own[a] * own[b])), 0.0)
    return out


def factorisation_step(vectors, heads, biases, fields, y, *, is_binary):
    """Loss of one row and its slopes, by the pairs of fields: (loss, dV, dU, dP, db)."""
    d = vectors.shape[1]
    own = [sum(share * vectors[code] for code, share in field) for field in fields]
    own = [np.zeros(d) + vector for vector in own]
    pairs = sum((own[f] * own[g] for f in range(len(own)) for g in range(f)), np.zeros(d))
    total = sum(own, np.zeros(d))
    raw = biases + heads[0] @ total + heads[1] @ pairs
    if is_binary:
        loss = float(np.sum(np.logaddexp(0, raw) - y * raw))
        slope = 1 / (1 + np.exp(-raw)) - y
    else:
        loss, slope = float(0.5 * np.sum((raw - y) ** 2)), raw - y
    to_vectors = np.zeros_like(vectors)
    for f, field in enumerate(fields):
        rest = sum((own[g] for g in range(len(own)) if g != f), np.zeros(d))
        to_field = slope @ heads[0] + (slope @ heads[1]) * rest
        for code, share in field:
            to_vectors[code] += share * to_field
    return loss, to_vectors, np.outer(slope, total), np.outer(slope, pairs), slope
