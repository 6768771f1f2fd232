"""What the lanes of a vector remember of a row, once all units have gone by, and what it decides.

Each lane remembers its best score, the place of its unit, and its second best score.
"""

from typing import Any

import numpy as np

from skextras.som.tiles import LANES
from skextras.trees.compiling import inner

HUGE = 1e30  # a margin beyond this decides nothing
ALL_LANES = (1 << LANES) - 1
NUMBERS = {"nnan", "nsz"}  # for minima in any order


@inner
def _within(best: Any, start: int, limit: float) -> Any:
    """Lanes whose best score is within the limit, as bits."""
    bits = 0
    for j in range(LANES):
        if not np.float64(best[start + j]) > limit:
            bits |= 1 << j
    return bits


@inner(fastmath=NUMBERS)
def _least(best: Any, start: int) -> Any:
    least = best[start]
    for j in range(LANES):
        least = min(least, best[start + j])
    return least


@inner
def _lane_of(best: Any, start: int, score: Any) -> Any:
    """The last lane with this score."""
    lane = 0
    for j in range(LANES):
        lane = j if best[start + j] == score else lane
    return lane


@inner
def _one(lanes: Any, start: int, margin: float, found: Any) -> Any:
    """Read the best unit off the lanes; bits of the lanes that the margin leaves in question.

    The best unit by exact distance has a score of at most the best plus the margin, and so has the
    best score of its lane.
    """
    if not margin < HUGE:
        return ALL_LANES
    best, second, place = lanes
    first = _least(best, start)
    limit = np.float64(first) + margin
    lane, bits = _lane_of(best, start, first), _within(best, start, limit)
    found[0] = place[start + lane] * LANES + lane
    is_alone = bits & (bits - 1) == 0 and np.float64(second[start + lane]) > limit
    return 0 if is_alone else bits


@inner
def _two(lanes: Any, start: int, margin: float, found: Any) -> Any:
    """The same for the best two units, where their order counts, too."""
    if not margin < HUGE:
        return ALL_LANES
    best, second, place = lanes
    lane = other = 0
    first = next_best = third = np.float32(np.inf)
    for j in range(LANES):
        value = best[start + j]
        if value < first:
            third, next_best, other = next_best, first, lane
            first, lane = value, j
        elif value < next_best:
            third, next_best, other = next_best, value, j
        elif value < third:
            third = value
    found[0] = place[start + lane] * LANES + lane
    behind = second[start + lane]  # in the lane of the best
    runner_up = min(next_best, behind)
    limit = np.float64(runner_up) + margin
    found[1] = place[start + other] * LANES + other
    third = min(third, min(behind, second[start + other]))  # (whose unit no lane remembers)
    if np.float64(third) > limit and np.float64(runner_up) > np.float64(first) + margin:
        return 0
    return _within(best, start, limit)


@inner
def take(lanes: Any, margins: Any, found: Any, doubts: Any) -> None:
    """The best units of all rows of a block, and the lanes that are in question."""
    for i in range(margins.shape[0]):
        if found.shape[1] == 1:
            doubts[i] = _one(lanes, i * LANES, margins[i], found[i])
        else:
            doubts[i] = _two(lanes, i * LANES, margins[i], found[i])
