"""Slow and obvious twins of the selectors."""

import math
from collections import Counter

import numpy as np
from scipy.optimize import linprog


def mutual_information(a, b):
    """Of two lists of codes, counted pair by pair, nats."""
    n, pairs, left, right = len(a), Counter(zip(a, b, strict=True)), Counter(a), Counter(b)
    return sum(
        count / n * math.log(count * n / (left[x] * right[y])) for (x, y), count in pairs.items()
    )


def mrmr(codes, target, k, *, is_quotient, floor):
    """Greedy choice that computes every score anew: order of the features and their scores."""
    chosen, scores = [], []
    for _ in range(k):
        best, best_score = None, -math.inf
        for j in range(len(codes)):
            if j in chosen:
                continue
            relevance = mutual_information(codes[j], target)
            others = [mutual_information(codes[j], codes[i]) for i in chosen]
            redundancy = sum(others) / len(others) if others else 0.0
            score = relevance / max(redundancy, floor) if is_quotient else relevance - redundancy
            if score > best_score + 1e-12:
                best, best_score = j, score
        chosen.append(best)
        scores.append(best_score)
    return chosen, scores


def stability(n, n_pairs, random, pick):
    """Share of complementary halves that pick each feature; ``pick`` gives a half's features."""
    counts = Counter()
    for _ in range(n_pairs):
        order = random.permutation(n)
        for half in (order[: n // 2], order[n // 2 : 2 * (n // 2)]):
            counts.update(pick(sorted(half)))
            random.randint(2**31 - 1)  # the seed of its model
    return {feature: count / (2 * n_pairs) for feature, count in counts.items()}


def chance_of_unimodal(n_pairs, mean, least):
    """Largest chance of at least ``least`` for one mode on 0, 1/B, ..., 1 and such a mean."""
    points = np.arange(n_pairs + 1) / n_pairs
    best = 0.0
    for mode in range(n_pairs + 1):
        steps = np.diff(np.eye(n_pairs + 1), axis=0)  # rises to the mode, falls after it
        steps[:mode] *= -1
        found = linprog(
            -(points >= least - 1e-9).astype(float),
            A_ub=np.vstack([steps, points]),
            b_ub=np.append(np.zeros(n_pairs), mean),
            A_eq=np.ones((1, n_pairs + 1)),
            b_eq=[1.0],
        )
        best = max(best, -found.fun) if found.success else best
    return best


def partners(l1, l2, correlation, *, closeness, min_correlation):
    """Shared coefficients of one target, feature by feature."""
    shared = np.zeros(len(l1))
    for j in range(len(l1)):
        if l1[j] == 0:
            continue
        group = [(j, 1.0)]
        for k in range(len(l1)):
            sign = -1.0 if correlation[j, k] < 0 else 1.0
            is_close = abs(l2[j] - sign * l2[k]) <= closeness * abs(l2[j])
            if l1[k] == 0 and is_close and abs(correlation[j, k]) >= min_correlation:
                group.append((k, sign))
        for k, sign in group:
            shared[k] += sign * l1[j] / len(group)
    return shared
