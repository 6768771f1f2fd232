"""Losses, one row and one formula at a time, and quantiles by repetition."""

import math


def log_loss(y, raw):
    return math.log(1 + math.exp(-raw if y == 1 else raw))


def multinomial_log_loss(y, scores):
    return math.log(sum(math.exp(s) for s in scores)) - scores[int(y)]


def squared_error(y, raw):
    return (y - raw) ** 2 / 2


def absolute_error(y, raw):
    return abs(y - raw)


def quantile(y, raw, alpha):
    return alpha * (y - raw) if y >= raw else (1 - alpha) * (raw - y)


def huber(y, raw, delta):
    distance = abs(y - raw)
    return distance**2 / 2 if distance <= delta else delta * (distance - delta / 2)


def poisson(y, raw):
    return math.exp(raw) - y * raw


def gamma(y, raw):
    return raw + y * math.exp(-raw)


def tweedie(y, raw, power):
    mean = math.exp(raw)
    return mean ** (2 - power) / (2 - power) - y * mean ** (1 - power) / (1 - power)


def exponential(y, raw):
    return math.exp(-raw if y == 1 else raw)


def slope(loss, raw, step=1e-4):
    return (loss(raw + step) - loss(raw - step)) / (2 * step)


def curvature(loss, raw, step=1e-3):
    return (loss(raw + step) - 2 * loss(raw) + loss(raw - step)) / step**2


def repeated_quantile(values, counts, alpha):
    """Averaged inverse of the distribution function of values that stand counts[i] times."""
    row = sorted(v for v, count in zip(values, counts, strict=True) for _ in range(count))
    share = alpha * len(row)
    place = round(share)
    if abs(share - place) < 1e-9 and 0 < place < len(row):
        return (row[place - 1] + row[place]) / 2
    return row[min(math.ceil(share - 1e-9), len(row)) - 1]


def huber_centre(values, counts, delta):
    row = [v for v, count in zip(values, counts, strict=True) for _ in range(count)]
    median = repeated_quantile(values, counts, 0.5)
    return median + sum(max(-delta, min(delta, v - median)) for v in row) / len(row)
