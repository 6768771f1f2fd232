"""Tables that the contests of boosting are held on: made from a seed, or read from flights.py."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Table:
    """Rows to learn from and rows to be judged on."""

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray


def halved(X: np.ndarray, y: np.ndarray, n: int) -> Table:
    """The first n rows to learn from, the others to judge on."""
    return Table(X[:n], y[:n], X[n:], y[n:])


@lru_cache(maxsize=3)
def higgs_like(n: int, seed: int, *, n_test: int = 100_000) -> Table:
    """Collisions as physicists record them, 28 single-precision features, two classes.

    Seven features are normal, seven log-normal as momenta are, seven angles, seven mixtures of
    these. The log odds hold products, angles' differences and steps, so that no tree of 31 leaves
    finds all of it; the labels are drawn. Seeds make other rows of the same kind.
    """
    random = np.random.default_rng(seed)
    n_rows = n + n_test
    normal = random.standard_normal((n_rows, 7), dtype=np.float32)
    momenta = np.exp(0.5 * random.standard_normal((n_rows, 7), dtype=np.float32))
    angles = random.uniform(-np.pi, np.pi, (n_rows, 7)).astype(np.float32)
    low = np.concatenate([normal, momenta, angles], axis=1)  # (n_rows, 21)
    mixing = (np.random.default_rng(0).standard_normal((21, 7)) / 4).astype(np.float32)
    noise = np.abs(random.standard_normal((n_rows, 7), dtype=np.float32))
    high = np.abs(low @ mixing) + 0.3 * noise
    odds = (
        np.sin(2 * normal[:, 0]) * normal[:, 1]
        + normal[:, 2] * normal[:, 3]
        + 0.6 * np.abs(normal[:, 5])
        - 0.7 * np.log(momenta[:, 0]) * np.cos(angles[:, 0])
        + 0.5 * np.cos(angles[:, 1] - angles[:, 2])
        + 0.3 * momenta[:, 2] * momenta[:, 3]
        + 0.8 * (high[:, 0] - high[:, 0].mean()) * np.sign(normal[:, 4])
        - 0.5 * (high[:, 1] > 1.2) * (momenta[:, 1] > 1)
        + 0.4 * normal[:, 6] ** 2 * (high[:, 2] < 0.8)
        - 0.6 * high[:, 3]
    )
    odds = 1.3 * (odds - odds.mean())
    y = (random.random(n_rows) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    return halved(np.concatenate([low, high], axis=1), y, n)


@lru_cache(maxsize=3)
def small(n: int, seed: int) -> Table:
    """Twenty normal features, five of which count; twice as many rows to judge on."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((3 * n, 20)).astype(np.float32)
    odds = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3] - X[:, 4] ** 2 + 1
    return halved(X, (random.random(3 * n) < 1 / (1 + np.exp(-odds))).astype(np.int64), n)


@lru_cache(maxsize=3)
def cover_like(n: int, seed: int) -> Table:
    """Seven kinds of forest: ten measures and 44 columns of 0 and 1, as the covertype table has.

    Each row has one of 4 areas and one of 40 soils. The kinds differ in the height, slope and soil
    that suit them, and two of them make up most of the rows.
    """
    random = np.random.default_rng(seed)
    n_rows, n_kinds = n + 50_000, 7
    measures = random.standard_normal((n_rows, 10))
    measures[:, 5:] = measures[:, 5:] ** 2 + 0.3 * measures[:, :5]
    area = random.integers(4, size=n_rows)
    soil = (10 * area + np.clip(random.normal(20, 8, n_rows), 0, 39).astype(int)) % 40
    best = random.normal(size=(n_kinds, 10))
    logits = -0.5 * (measures[:, None, :4] - best[:, :4]) ** 2 @ np.array([2.0, 1.0, 0.5, 0.5])
    logits += measures[:, 4:] @ best[:, 4:].T * np.sign(measures[:, :1]) / 2
    logits += random.normal(size=(40, n_kinds))[soil] + random.normal(size=(4, n_kinds))[area]
    logits += 2 * np.log([0.37, 0.48, 0.06, 0.01, 0.02, 0.03, 0.03])
    y = (1.5 * logits + random.gumbel(size=logits.shape)).argmax(1)
    X = np.concatenate([measures, np.eye(4)[area], np.eye(40)[soil]], axis=1)
    return halved(X.astype(np.float32), y, n)
