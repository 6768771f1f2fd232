"""Scans of nodes: what they are told, and the best of what their parts find."""

import numpy as np

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.choice import allow
from skextras.trees.leaves import floats_of, record_of
from skextras.trees.memory import call, float64s, inner, int64s, word
from skextras.trees.splitting import gradient_of, hessian_of, reduction
from skextras.trees.sums import facts_of, job_of
from skextras.trees.threads import run

EASE = 0.25  # of the share of the hessian that min_samples_leaf rows have on average
NEGLIGIBLE = 1e-10  # of a leaf's own reduction: a gain below it is rounding


@inner
def _state_facts(table, node, child, min_count):  # type: ignore[no-untyped-def]
    """What a scan of the node is told."""
    record, floats, facts = record_of(table, node), floats_of(table, node), facts_of(table, child)
    n_rows = np.float64(record[at.END] - record[at.START])
    hessian = hessian_of(record[at.SUM], facts)
    # A leaf of few rows has about its share of the hessian: what has far less of it is left out at
    # once, and the rows of what remains are counted when the split is made (`counting`).
    ease = 1.0 if hessian == n_rows else EASE  # hessians that are all 1 count the rows
    share = ease * np.float64(word(table, at.MIN_SAMPLES)) * hessian / n_rows
    least = float64s(word(table, at.OPTIONS), at.N_OPTIONS)[at.MIN_HESSIAN]
    if word(table, at.MIN_SAMPLES) <= 1:  # (any row is enough)
        share = 0.0
    facts[splitting.FLOOR] = max(max(least, share), 0.5 / facts[splitting.HESSIAN_SCALE])
    facts[splitting.LOWER] = floats[at.LOWER]
    facts[splitting.UPPER] = floats[at.UPPER]
    facts[splitting.N_ROWS], facts[splitting.MIN_COUNT] = n_rows, min_count


@inner
def keep_better(table, node, child, group):  # type: ignore[no-untyped-def]
    """What was found in a group goes into the node if it is better, or as good and earlier."""
    record, n_groups = record_of(table, node), word(table, at.N_GROUPS)
    address = word(table, at.FOUND) + 8 * splitting.N_FOUND * (child * n_groups + group)
    found, best = int64s(address, splitting.N_FOUND), floats_of(table, node)[splitting.GAIN]
    gain = float64s(address, splitting.N_FOUND)[splitting.GAIN]
    # (features that share a byte may stand in an earlier group than theirs would be)
    is_first = gain == best and found[splitting.FEATURE] < record[splitting.FEATURE]
    if found[splitting.FEATURE] >= 0 and (gain > best or is_first):
        for i in range(splitting.N_FOUND):
            record[i] = found[i]


@inner
def forget_split(table: int, node: int) -> None:
    """Nothing was found yet."""
    record_of(table, node)[splitting.FEATURE] = -1
    floats_of(table, node)[splitting.GAIN] = 0.0


@inner
def judge(table: int, node: int, child: int) -> None:
    """A split that gains next to nothing, or less than is asked, is none."""
    record, facts = record_of(table, node), facts_of(table, child)
    gradient, hessian = gradient_of(record[at.SUM], facts), hessian_of(record[at.SUM], facts)
    own = reduction(gradient, hessian, floats_of(table, node)[at.VALUE], facts)
    least = float64s(word(table, at.OPTIONS), at.N_OPTIONS)[at.MIN_GAIN]
    best = floats_of(table, node)[splitting.GAIN]
    if best <= max(least, NEGLIGIBLE * abs(own)):
        record[splitting.FEATURE] = -1


@inner
def tell_of(table, node, child, min_count):  # type: ignore[no-untyped-def]
    """Say what is scanned, and how."""
    job = job_of(table)
    job[at.SCANNED + child] = node
    job[at.SCANNED_SLOT + child] = record_of(table, node)[at.SLOT]
    _state_facts(table, node, child, min_count)
    if word(table, at.IS_MASKED):
        allow(table, node, child)


@inner
def scan_nodes(table, first, second):  # type: ignore[no-untyped-def]
    """Find the splits of one node, or of two (second >= 0)."""
    job = job_of(table)
    n_children = 1 if second < 0 else 2
    job[at.N_SCANNED] = n_children
    for child in range(n_children):
        tell_of(table, second if child else first, child, 0.0)
    n_groups = word(table, at.N_GROUPS)
    if word(table, at.N_THREADS) == 1:  # one of several lanes, perhaps: no job within a job
        for group in range(n_groups):
            call(word(table, at.OP_SCAN), table, group, 0)
    else:
        run(word(table, at.CONTROL), word(table, at.OP_SCAN), table, n_groups)
    job[at.WHOLE] = -1
    for child in range(n_children):
        node = second if child else first
        forget_split(table, node)
        for group in range(n_groups):
            keep_better(table, node, child, group)
        judge(table, node, child)
