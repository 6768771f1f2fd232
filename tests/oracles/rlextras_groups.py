"""Slow and obvious twins of what GRPO computes: loops over groups, episodes and steps."""

import math
import statistics


def split(values, lengths):
    """Lists of each episode's values."""
    values, parts = list(values), []
    for length in lengths:
        parts.append(values[:length])
        values = values[length:]
    return parts


def relative(values, pool):
    """Values minus the mean of their pool, and its unbiased standard deviation."""
    mean = statistics.fmean(pool)
    deviation = statistics.stdev(pool) if len(pool) > 1 else 0.0
    return [value - mean for value in values], deviation


def by_group(episodes, group_size, scale):
    """Values of episodes, relative to all values of their group."""
    everything = [value for episode in episodes for value in episode]
    found, centred = [], []
    for start in range(0, len(episodes), group_size):
        group = episodes[start : start + group_size]
        pool = [value for episode in group for value in episode]
        for episode in group:
            away, deviation = relative(episode, pool)
            if max(pool) == min(pool):
                away = [0.0] * len(away)
            centred.append(away)
            divisor = deviation + 1e-8 if scale == "group" else 1.0
            found.append([value / divisor for value in away])
    if scale == "batch" and len(everything) > 1:
        deviation = statistics.stdev(everything)
        return [[value / (deviation + 1e-8) for value in episode] for episode in centred]
    return found


def outcome(returns, group_size, scale):
    """Advantage of each episode."""
    return [value for [value] in by_group([[each] for each in returns], group_size, scale)]


def to_go(rewards, gamma):
    """Discounted sum from each step to the end of one episode."""
    n = len(rewards)
    return [math.fsum(gamma ** (k - t) * rewards[k] for k in range(t, n)) for t in range(n)]


def return_to_go(rewards, lengths, group_size, scale, gamma):
    """Advantage of each step, flat."""
    sums = [to_go(episode, gamma) for episode in split(rewards, lengths)]
    return [value for episode in by_group(sums, group_size, scale) for value in episode]


def process(rewards, lengths, group_size, scale):
    """Sum of relative rewards from each step on, flat."""
    episodes = by_group(split(rewards, lengths), group_size, scale)
    return [value for episode in episodes for value in to_go(episode, 1.0)]


def length_reward(lengths, is_right):
    """λ of one group, by the cases of the paper."""
    shortest, longest = min(lengths), max(lengths)
    found = []
    for length, right in zip(lengths, is_right, strict=True):
        if longest == shortest:
            found.append(0.0)
            continue
        reward = 0.5 - (length - shortest) / (longest - shortest)
        found.append(reward if right else min(0.0, reward))
    return found
