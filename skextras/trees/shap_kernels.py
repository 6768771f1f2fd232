"""SHAP values of a strip of rows, leaf by leaf, all rows of the strip at once.

With o_j = 1 if feature j of a row is on the path and z_j its chance, a leaf of value v gives

    φ_i = v (o_i - z_i) ∫₀¹ ∏_{j≠i} (z_j + t (o_j - z_j)) dt,

since ∫ tˢ (1-t)ᵈ⁻¹⁻ˢ dt = s! (d-1-s)! / d! are Shapley's weights. The integrand is a polynomial of
degree d-1, for which Gauss-Legendre nodes, half as many as features, are exact; all terms are
positive, so no digits cancel. An interaction leaves out two factors, and halves.
"""

import numpy as np

from skextras.trees.arrays import MISSING
from skextras.trees.memory import compiled

ROWS = 128  # of a strip
TINY = 1e-100  # for a chance of 0: what is divided by it has it as a factor


@compiled
def _mark(paths, step, bins, shift, patterns):  # type: ignore[no-untyped-def]
    """Set a bit of the pattern of each row whose feature is on the path."""
    first, last, missing = paths.bounds[step]
    stays = missing != 0
    if paths.set[step] >= 0:
        own = paths.sets[paths.set[step]]
        for i in range(ROWS):
            code = np.uint64(bins[i])
            known = own[code >> np.uint64(6)] >> (code & np.uint64(63)) & np.uint64(1)
            patterns[i] |= (np.uint64(stays) if bins[i] == MISSING else known) << shift
        return
    for i in range(ROWS):
        bin_ = np.int64(bins[i])
        real = (bin_ >= first) & (bin_ <= last)  # last is below MISSING
        patterns[i] |= np.uint64(real | ((bin_ == MISSING) & stays)) << shift


@compiled
def mark_patterns(paths, leaf, columns, patterns):  # type: ignore[no-untyped-def]
    """Bits of each row of a strip: bit j says that the leaf's j-th feature is on the path.

    Parameters
    ----------
    paths : Paths
        Of all trees.
    leaf : int
        Which leaf.
    columns : ndarray of uint8 of shape (n_columns, ROWS)
        Bins of the strip.
    patterns : ndarray of uint64
        Bits of each row of the strip.
    """
    patterns[:] = 0
    start = paths.start[leaf]
    for step in range(start, paths.start[leaf + 1]):
        _mark(paths, step, columns[paths.column[step]], np.uint64(step - start), patterns)


@compiled
def fill_deltas(patterns, chance, delta):  # type: ignore[no-untyped-def]
    """o - z of each feature and row.

    Parameters
    ----------
    patterns : ndarray of uint64
        Bits of each row of the strip.
    chance : ndarray of float64 of shape (d,)
        z of each feature.
    delta : ndarray of float64 of shape (d, ROWS)
        Filled.
    """
    for step in range(len(chance)):
        own = delta[step]
        for i in range(ROWS):
            own[i] = np.float64(patterns[i] >> np.uint64(step) & np.uint64(1)) - chance[step]


@compiled
def transpose(bins, first, n, columns):  # type: ignore[no-untyped-def]
    """Bins of a strip, feature by feature; rows behind the last repeat it.

    Parameters
    ----------
    bins : ndarray of uint16 of shape (n, n_columns)
        Bins of all rows.
    first : int
        First row.
    n : int
        Rows of the strip that are there.
    columns : ndarray of uint8 of shape (n_columns, ROWS)
        Bins of the strip.
    """
    for i in range(ROWS):
        row = first + min(i, n - 1)
        for column in range(columns.shape[0]):
            columns[column, i] = bins[row, column]


@compiled
def _factors(delta, chance, node, factor, before):  # type: ignore[no-untyped-def]
    """z + t (o - z) of each feature, and the product of those before it."""
    before[0, :] = 1.0
    for step in range(len(chance)):
        own, change, product = factor[step], delta[step], before[step]
        following = before[step + 1]
        for i in range(ROWS):
            own[i] = chance[step] + node * change[i]
            following[i] = product[i] * own[i]


@compiled
def strip_shares(patterns, chance, rule, room, result):  # type: ignore[no-untyped-def]
    """Shares of each feature and row of a strip; rule: nodes and weights on [0, 1].

    Parameters
    ----------
    patterns : ndarray of uint64
        Bits of each row of the strip.
    chance : ndarray of float64 of shape (d,)
        z of each feature.
    rule : ndarray of float64 of shape (n, 2)
        Quadrature nodes and weights.
    room : tuple of ndarray
        Scratch.
    result : ndarray of float64 of shape (d, ROWS)
        Filled.
    """
    delta, factor, before, behind = room
    fill_deltas(patterns, chance, delta)
    for step in range(len(chance)):
        result[step, :] = 0.0
    for q in range((len(chance) + 1) // 2):
        _factors(delta, chance, rule[q, 0], factor, before)
        behind[:] = rule[q, 1]
        for step in range(len(chance) - 1, -1, -1):
            own, product, total = factor[step], before[step], result[step]
            for i in range(ROWS):
                total[i] += product[i] * behind[i]
                behind[i] *= own[i]
    for step in range(len(chance)):
        own, total = delta[step], result[step]
        for i in range(ROWS):
            total[i] *= own[i]


@compiled
def fill_by_weights(chance, rule, product, table):  # type: ignore[no-untyped-def]
    """Share of each feature (a row of the table) for each pattern (a column).

    Parameters
    ----------
    chance : ndarray of float64 of shape (d,)
        z of each feature.
    rule : ndarray of float64 of shape (n, 2)
        Quadrature nodes and weights.
    product : ndarray of float64
        Scratch, a number for each pattern.
    table : ndarray of float64 of shape (d, 2^d)
        Filled.
    """
    table[:] = 0.0
    d = len(chance)
    for q in range((d + 1) // 2):
        t = rule[q, 0]
        product[0] = rule[q, 1]
        for step in range(d):  # a bit more doubles the patterns
            z, size = max(chance[step], TINY), 1 << step
            for pattern in range(size):
                product[size + pattern] = product[pattern] * (z + t * (1.0 - z))
                product[pattern] *= z - t * z
        for step in range(d):
            z, half, own = max(chance[step], TINY), 1 << step, table[step]
            on, off = (1.0 - z) / (z + t * (1.0 - z)), -z / (z - t * z)
            for block in range(0, 1 << d, 2 * half):
                for pattern in range(block, block + half):
                    own[pattern] += product[pattern] * off
                    own[pattern + half] += product[pattern + half] * on


@compiled
def give_from(paths, leaf, shares, patterns, phi):  # type: ignore[no-untyped-def]
    """Add a leaf's value times the share that each row's pattern has.

    Parameters
    ----------
    paths : Paths
        Of all trees.
    leaf : int
        Which leaf.
    shares : ndarray of float64
        Share for each pattern.
    patterns : ndarray of uint64
        Bits of each row of the strip.
    phi : ndarray of float64 of shape (n_outputs, ROWS)
        Added to.
    """
    value = paths.value[leaf]
    for k in range(len(value)):
        own = phi[paths.output[leaf] if len(value) == 1 and phi.shape[0] > 1 else k]
        for i in range(ROWS):
            own[i] += shares[patterns[i]] * value[k]


@compiled
def give(paths, leaf, share, phi):  # type: ignore[no-untyped-def]
    """Add a leaf's value times each row's share.

    Parameters
    ----------
    paths : Paths
        Of all trees.
    leaf : int
        Which leaf.
    share : ndarray of float64 of shape (ROWS,)
        Share of each row.
    phi : ndarray of float64 of shape (n_outputs, ROWS)
        Added to.
    """
    value = paths.value[leaf]
    if len(value) == 1:
        own = phi[paths.output[leaf] if phi.shape[0] > 1 else 0]
        for i in range(ROWS):
            own[i] += share[i] * value[0]
        return
    for k in range(len(value)):
        own = phi[k]
        for i in range(ROWS):
            own[i] += share[i] * value[k]


@compiled
def interactions(paths, bins, rules, span, out):  # type: ignore[no-untyped-def]
    """Interactions (n, columns, columns, outputs) of two different features, upper half.

    Parameters
    ----------
    paths : Paths
        Of all trees.
    bins : ndarray of uint16 of shape (n, n_columns)
        Bins of all rows.
    rules : ndarray of float64 of shape (most, n, 2)
        Quadrature for each number of features.
    span : tuple of int
        First row, and the one behind the last.
    out : ndarray of float64
        Filled.
    """
    n_columns, n_outputs = out.shape[1], out.shape[3]
    most = rules.shape[0]
    columns = np.empty((n_columns, ROWS), np.uint8)
    delta, factor = np.empty((2, most, ROWS))
    before, behind = np.empty((most + 1, ROWS)), np.empty((most + 1, ROWS))
    running, share, patterns = np.empty(ROWS), np.empty(ROWS), np.empty(ROWS, np.uint64)
    phi = np.empty((n_columns, n_columns, n_outputs, ROWS))
    for first in range(span[0], span[1], ROWS):
        n = min(ROWS, span[1] - first)
        transpose(bins, first, n, columns)
        phi[:] = 0.0
        for leaf in range(len(paths.start) - 1):
            start, d = paths.start[leaf], paths.start[leaf + 1] - paths.start[leaf]
            chance = paths.chance[start : start + d]
            mark_patterns(paths, leaf, columns, patterns)
            fill_deltas(patterns, chance, delta)
            for q in range(d // 2):  # degree d - 2
                rule = rules[d - 2, q]
                _factors(delta, chance, rule[0], factor, before)
                behind[d] = 0.5 * rule[1]
                for step in range(d - 1, 0, -1):
                    behind[step] = behind[step + 1] * factor[step]
                for one in range(d - 1):
                    running[:] = before[one] * delta[one]
                    for two in range(one + 1, d):
                        share[:] = running * behind[two + 1] * delta[two]
                        running *= factor[two]
                        a, b = paths.column[start + one], paths.column[start + two]
                        give(paths, leaf, share, phi[min(a, b), max(a, b)])
        for i in range(n):
            out[first + i] = phi[:, :, :, i]
