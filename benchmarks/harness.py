"""Interleave ours and the peers on the same data, check that they are equally good, print ratios.

A contest is one task for several contestants, the first of them ours. Every round runs each of them
once, in an order that rotates, so that other work on the machine hits all alike. The report holds
the median and the spread of the seconds, the ratio to ours, the peak of memory above what was held
before, the quality, and how many cores other programs used meanwhile (above 0.3 the seconds mean
little, the ratios still something).
"""

import ctypes
import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

MIN_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One way to do the task.

    Attributes
    ----------
    name : str
        What the table calls it.
    run : callable
        Does the task once and returns its result; this is what is timed.
    quality : callable
        Turns the result into the figure that must agree; it is not timed.
    rounds : int or None
        In how many rounds it takes part, where its runs take minutes; None for all. With 1 its
        first run is the one that counts, which is thrown away otherwise.
    """

    name: str
    run: Callable[[], Any]
    quality: Callable[[Any], float]
    rounds: int | None = None


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One task.

    Attributes
    ----------
    task : str
        The task in words.
    contestants : sequence of Contestant
        Ours first.
    quality_name : str
        What the quality figure is; lower is better.
    tolerance : float
        By how much ours may be worse than the best peer before the contest is void.
    size : int
        What the cost is a function of; contests with the same task form a growth table.
    units : float
        How many units of work a run does; the table gives seconds for each.
    rounds : int
        How often each contestant runs, after one run that is thrown away; at least 5.
    """

    task: str
    contestants: Sequence[Contestant]
    quality_name: str
    tolerance: float
    size: int = 1
    units: float = 1.0
    rounds: int = MIN_ROUNDS


@dataclass(frozen=True)
class Table:
    """What a family measured that is no contest of seconds.

    Attributes
    ----------
    markdown : str
        The table.
    is_fair : bool
        Whether ours is as good as it should be.
    """

    markdown: str
    is_fair: bool


@dataclass
class Record:
    """What was measured of one contestant."""

    seconds: list[float] = field(default_factory=list)
    quality: float = math.nan
    peak_bytes: int = 0


@dataclass(frozen=True)
class Report:
    """A finished contest."""

    contest: Contest
    records: dict[str, Record]
    other_cores: float

    @property
    def ours(self) -> Record:
        return self.records[self.contest.contestants[0].name]

    @property
    def is_fair(self) -> bool:
        """Whether ours is as good as the best peer, within the tolerance."""
        best = min(record.quality for record in self.records.values())
        return self.ours.quality <= best + self.contest.tolerance

    def markdown(self) -> str:
        """The table of this contest."""
        contest = self.contest
        size = f", n = {contest.size}" if contest.size > 1 else ""
        ours = statistics.median(self.ours.seconds)
        columns = f"median s | spread | ratio | peak MB | {contest.quality_name}"
        rows = [f"| {contest.task}{size} | {columns} |", "|---|---|---|---|---|---|"]
        for name, record in self.records.items():
            median = statistics.median(record.seconds)
            spread = (max(record.seconds) - min(record.seconds)) / median
            n_runs = len(record.seconds)
            label = name if n_runs == contest.rounds else f"{name} ({n_runs} runs)"
            rows.append(
                f"| {label} | {median / contest.units:.3g} | {spread:.0%} | {median / ours:.2f} "
                f"| {record.peak_bytes / 1e6:.1f} | {record.quality:.6g} |"
            )
        verdict = "equal quality" if self.is_fair else "**VOID: ours is not as good**"
        rounds = f"{contest.rounds} rounds, other work on {self.other_cores:.1f} cores, {verdict}."
        return "\n".join([*rows, "", rounds])


def hold(contest: Contest) -> Report:
    """Run a contest.

    Parameters
    ----------
    contest : Contest
        What to run; it is run once per contestant to warm up and measure memory, then in rounds.

    Returns
    -------
    Report
        Seconds, quality and memory of each contestant.
    """
    if contest.rounds < MIN_ROUNDS:
        raise ValueError(f"Contest: rounds must be at least {MIN_ROUNDS}, got {contest.rounds}.")
    records = {contestant.name: Record() for contestant in contest.contestants}
    for contestant in contest.contestants:
        record = records[contestant.name]
        start = time.perf_counter()
        result, record.peak_bytes = with_peak_memory(contestant.run)
        if contestant.rounds == 1:
            record.seconds.append(time.perf_counter() - start)
        record.quality = contestant.quality(result)
    load = OtherLoad()
    for number in range(contest.rounds):
        for contestant in rotated(contest.contestants, number):
            if len(records[contestant.name].seconds) == contestant.rounds:
                continue
            gc.collect()
            start = time.perf_counter()
            contestant.run()
            records[contestant.name].seconds.append(time.perf_counter() - start)
    return Report(contest, records, load.cores())


def rotated(items: Sequence[Any], by: int) -> list[Any]:
    """The items from another starting point."""
    start = by % len(items)
    return [*items[start:], *items[:start]]


def with_peak_memory(run: Callable[[], Any]) -> tuple[Any, int]:
    """Result of a run and the bytes that it held at most, beyond those held before (Linux)."""
    gc.collect()
    if not Path("/proc/self/clear_refs").exists():
        return run(), 0
    ctypes.CDLL(None).malloc_trim(0)  # hand freed pages back, or the run would use them unseen
    Path("/proc/self/clear_refs").write_text("5")  # start the high-water mark anew
    before = high_water_bytes()
    result = run()
    return result, high_water_bytes() - before


def high_water_bytes() -> int:
    """Peak resident size of this process since the mark was set."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(kilobytes) * 1024


class OtherLoad:
    """How many cores other programs use from construction on."""

    def __init__(self) -> None:
        self.start = time.perf_counter(), self._busy(), self._own()

    def cores(self) -> float:
        start, busy, own = self.start
        used = (self._busy() - busy) - (self._own() - own)
        return max(0.0, used / (time.perf_counter() - start))

    @staticmethod
    def _busy() -> float:
        times = psutil.cpu_times()
        return times.user + times.system + times.nice

    @staticmethod
    def _own() -> float:
        times = os.times()
        return times.user + times.system


def growth(reports: Sequence[Report]) -> str:
    """How the cost of each contestant grows: the exponent of n fitted to its medians."""
    rows = ["| cost grows as n to the power | exponent |", "|---|---|"]
    for name in reports[0].records:
        own = [report for report in reports if name in report.records]  # not all go to all sizes
        sizes = [math.log(report.contest.size) for report in own]
        seconds = [math.log(statistics.median(report.records[name].seconds)) for report in own]
        if len(own) > 1:
            slope = statistics.linear_regression(sizes, seconds).slope
            rows.append(f"| {name} | {slope:.2f} |")
    return "\n".join(rows)
