"""The harness measures in turns, refuses unequal quality, and reports growth."""

from dataclasses import replace

import pytest

from benchmarks.harness import (
    Contest,
    Contestant,
    Record,
    Report,
    growth,
    hold,
    rotated,
    with_peak_memory,
)


def contest(*, qualities=(1.0, 1.0), size=1, log=None):
    """Ours and a peer that do nothing."""

    def run(name):
        if log is not None:
            log.append(name)
        return name

    names = ("ours", "peer")
    contestants = [
        Contestant(name=name, run=lambda name=name: run(name), quality=lambda _, q=quality: q)
        for name, quality in zip(names, qualities, strict=True)
    ]
    return Contest(
        task="nothing", contestants=contestants, quality_name="loss", tolerance=0.1, size=size
    )


def test_contestants_take_turns_in_a_rotating_order():
    log = []
    hold(contest(log=log))
    assert log[:2] == ["ours", "peer"]  # to warm up
    assert log[2:] == [
        "ours",
        "peer",
        "peer",
        "ours",
        "ours",
        "peer",
        "peer",
        "ours",
        "ours",
        "peer",
    ]
    assert rotated([1, 2, 3], 4) == [2, 3, 1]


@pytest.mark.parametrize(("rounds", "runs", "counted"), [(1, 1, 1), (2, 3, 2), (None, 6, 5)])
def test_who_takes_minutes_runs_less(rounds, runs, counted):
    log = []
    held = contest(log=log)
    slow = replace(held.contestants[1], rounds=rounds)
    report = hold(replace(held, contestants=[held.contestants[0], slow]))
    assert log.count("peer") == runs
    assert len(report.records["peer"].seconds) == counted


@pytest.mark.parametrize(("ours", "fair"), [(1.0, True), (1.09, True), (1.2, False), (0.5, True)])
def test_a_contest_is_void_when_ours_is_worse_than_the_tolerance(ours, fair):
    report = hold(contest(qualities=(ours, 1.0)))
    assert report.is_fair is fair
    assert ("VOID" in report.markdown()) is not fair


def test_growth_finds_the_exponent():
    reports = []
    for size in (2, 8, 32):
        own = contest(size=size)
        records = {"ours": Record([3.0 * size] * 5), "peer": Record([0.1 * size**2] * 5)}
        if size == 32:  # a peer that cannot go so far
            del records["peer"]
        reports.append(Report(own, records, 0.0))
    rows = growth(reports).splitlines()[2:]
    assert [row.split("|")[2].strip() for row in rows] == ["1.00", "2.00"]


def test_peak_memory_sees_what_was_let_go_again():
    megabytes = 40

    def run():
        block = bytearray(megabytes * 2**20)
        block[::4096] = b"1" * len(block[::4096])
        return len(block)

    _, peak = with_peak_memory(run)
    assert peak == 0 or peak >= 0.9 * megabytes * 2**20  # 0 where the system has no such count


def test_too_few_rounds_are_refused():
    few = Contest(task="t", contestants=[], quality_name="q", tolerance=0.0, rounds=3)
    with pytest.raises(ValueError, match="rounds must be at least 5, got 3"):
        hold(few)
