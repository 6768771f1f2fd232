"""Updates of DDPG and TD3: critics, actor and targets, for a whole call of ``train``.

First the samples of each batch may be put into an order. Then each update has five phases: by
panels of samples, the targets; by panels, what backpropagates through the critics; by rows of
weights, the gradients of the critics and their steps; by panels, the actor through the first
critic; by rows, the actor's gradients and steps. A sum over samples is always taken by one thread
in one order, so that the number of threads changes no bit.
"""

from typing import Any

import numpy as np
from numba import types

from rlextras.kernels.activations import from_bits, scale_by_derivative
from rlextras.kernels.actor_critic import (
    ACTIVATION,
    DELTA,
    N_IN,
    N_OUT,
    SLOPE,
    UNIT,
    WEIGHT,
)
from rlextras.kernels.compiler import BLOCK, MATRIX, NUMBERS, TABLE, VECTOR, entry, kernel
from rlextras.kernels.neighbours import arrange, restore
from rlextras.kernels.panels import PANEL, add_product, find_live
from rlextras.kernels.passes import (
    backward,
    columns_of,
    copy_rows,
    forward,
    forward_row,
    gather,
    keep_inputs,
    most_rows,
)
from rlextras.kernels.row_steps import rates_of, step_rows
from rlextras.kernels.teams import CLOSED, HELP, WORDS, begin, claim, end, finish, wait
from rlextras.kernels.tiles import FEW

GAMMA, TAU, NOISE_CLIP, DELAY, N_BEFORE = range(5)
"""Places in the settings; N_BEFORE counts the updates done."""
ACTOR_ADAM, CRITIC_ADAM = 5, 10
"""First of five: learning rate, β₁, β₂, ε, steps done."""
N_SETTINGS = 15

CRITIC_LOSS, ACTOR_LOSS = 0, 1
"""What is told of each panel of an update."""

_ZERO, _HALF, _ONE, _TWO = (np.float32(x) for x in (0.0, 0.5, 1.0, 2.0))

N_PHASES = 5
"""Of an update; one net at a time passes all panels, so that its weights stay in the cache."""


def count_words(n_updates: int) -> int:
    """Words that the threads of a call share.

    Parameters
    ----------
    n_updates : int
        Of the call.

    Returns
    -------
    int
        Those before the first phase, of the order, and of the phases of each update.
    """
    return (2 + N_PHASES * n_updates) * WORDS


OBSERVATIONS, ACTIONS, NEXT_OBSERVATIONS = range(3)
"""Matrices of the storage: one row a transition."""
REWARDS, DONES, TIMEOUTS, DISCOUNTS, WEIGHTS = range(5)
"""Columns of the storage: one number a transition, or none at all where it is not given."""


@kernel()
def _optional(column: np.ndarray, k: np.int64, usual: np.float32) -> np.float32:
    """A number of a transition, or what it is where the column is not given."""
    return column[k] if column.size > 0 else usual


@kernel()
def _third(work: np.ndarray) -> np.int64:
    """Where the second third of the room begins: units of two networks, and deltas of one."""
    return np.int64(work.size // (3 * PANEL) * PANEL)


@kernel()
def _targets(
    nets: tuple,
    storage: tuple,
    batch: tuple,
    span: tuple,
    settings: np.ndarray,
    room: tuple,
    y: np.ndarray,
) -> None:
    """Bellman targets of a panel."""
    theta, table, ends = nets
    matrices, columns = storage
    indices, noise = batch
    start, n = span
    work, live = room
    rows = matrices[NEXT_OBSERVATIONS]
    n_seen, n_actions = rows.shape[1], table[ends[0] - 1, N_OUT]
    none, second, n_columns = np.int64(0), _third(work), columns_of(n)
    gather(rows, indices, span, work, none)
    forward(theta, table, (none, ends[0]), work, live, (none, n_columns))
    acted = table[ends[0] - 1, UNIT]
    if noise.shape[0] > 0:
        clip = np.float32(settings[NOISE_CLIP])
        for j in range(n_actions):
            for b in range(n):
                more = min(max(noise[start + b, j], -clip), clip)
                k = acted + j * PANEL + b
                work[k] = min(max(work[k] + more, -_ONE), _ONE)
    copy_rows(work, none, second, n_seen)
    copy_rows(work, acted, second + n_seen * PANEL, n_actions)
    for c in range(1, len(ends)):
        forward(theta, table, (ends[c - 1], ends[c]), work, live, (second, n_columns))
        q = second + table[ends[c] - 1, UNIT]
        for b in range(n):
            if c == 1 or work[q + b] < y[start + b]:
                y[start + b] = work[q + b]
    for b in range(n):
        k = indices[start + b]
        goes_on = _ONE - columns[DONES][k] * (_ONE - _optional(columns[TIMEOUTS], k, _ZERO))
        discount = _optional(columns[DISCOUNTS], k, np.float32(settings[GAMMA]))
        y[start + b] = columns[REWARDS][k] + goes_on * discount * y[start + b]


@kernel()
def _judge(
    nets: tuple,
    storage: tuple,
    batch: tuple,
    piece: tuple,
    room: tuple,
    told: np.ndarray,
    errors: np.ndarray,
) -> None:
    """Q(s, a) of a panel by all critics, their losses, and the deltas of all their layers."""
    theta, table, ends = nets
    matrices, columns = storage
    indices = batch
    panel, n, batch_size, delta_at = piece
    deltas, inputs, work, live, y = room
    none, start, n_columns = np.int64(0), panel * PANEL, columns_of(n)
    n_seen = matrices[OBSERVATIONS].shape[1]
    gather(matrices[OBSERVATIONS], indices, (start, n), work, none)
    gather(matrices[ACTIONS], indices, (start, n), work, n_seen * PANEL)
    total = 0.0
    for b in range(n):
        y[b], errors[start + b] = errors[start + b], _ZERO
    for c in range(1, len(ends)):
        layers = (ends[c - 1], ends[c])
        forward(theta, table, layers, work, live, (none, n_columns))
        keep_inputs(table, layers, work, none, (inputs, panel, n_columns))
        q, to = table[ends[c] - 1, UNIT], delta_at + table[ends[c] - 1, DELTA]
        for b in range(PANEL):
            deltas[to + b] = _ZERO
        for b in range(n):
            error = work[q + b] - y[b]
            weight = _optional(columns[WEIGHTS], indices[start + b], _ONE)
            total += weight * error * error
            errors[start + b] += abs(error) / (len(ends) - 1)
            deltas[to + b] = np.float32(2.0 / batch_size) * weight * error
        backward(theta, table, layers, work, deltas, live, (none, delta_at, n_columns))
    told[panel, CRITIC_LOSS] = total / batch_size


@kernel()
def _climb(
    nets: tuple, observations: np.ndarray, batch: tuple, piece: tuple, room: tuple, told: np.ndarray
) -> None:
    """Deltas of all layers of the actor, up Q_1(s, μ(s))."""
    theta, table, ends = nets
    panel, n, batch_size, delta_at = piece
    deltas, inputs, work, live, _ = room
    none, second, one = np.int64(0), _third(work), np.int64(1)
    third, wide, n_columns = 2 * second, np.int64(PANEL), columns_of(n)
    n_seen, n_actions = observations.shape[1], table[ends[0] - 1, N_OUT]
    actor, critic = (none, ends[0]), (ends[0], ends[1])
    gather(observations, batch, (panel * PANEL, n), work, none)
    forward(theta, table, actor, work, live, (none, n_columns))
    keep_inputs(table, actor, work, none, (inputs, panel, n_columns))
    acted = table[ends[0] - 1, UNIT]
    copy_rows(work, none, second, n_seen)
    copy_rows(work, acted, second + n_seen * PANEL, n_actions)
    forward(theta, table, critic, work, live, (second, n_columns))
    q, total = second + table[ends[1] - 1, UNIT], 0.0
    last = third + table[ends[1] - 1, DELTA]
    for b in range(PANEL):
        work[last + b] = np.float32(-1.0 / batch_size) if b < n else _ZERO
    for b in range(n):
        total -= work[q + b]
    told[panel, ACTOR_LOSS] = total / batch_size
    backward(theta, table, critic, work, work, live, (second, third, n_columns))
    to, n_in, n_out = (
        delta_at + table[ends[0] - 1, DELTA],
        table[ends[0], N_IN],
        table[ends[0], N_OUT],
    )
    deltas[to : to + n_actions * PANEL] = _ZERO
    where = (to, table[ends[0], WEIGHT] + n_seen, third + table[ends[0], DELTA])
    n_live = find_live(work, where[2], (n_out, n_columns), live[0])
    shape = (n_actions, n_columns, n_live)
    add_product(deltas, theta, work, live[0], where, (wide, one, n_in, wide), shape)
    kind, slope = table[ends[0] - 1, ACTIVATION], from_bits(table[ends[0] - 1, SLOPE])
    actions = work[acted : acted + n_actions * PANEL]
    scale_by_derivative(deltas[to : to + n_actions * PANEL], actions, kind, slope)
    backward(theta, table, actor, work, deltas, live, (none, delta_at, n_columns))


_MATRICES = types.UniTuple(MATRIX, 3)
_COLUMNS = types.UniTuple(VECTOR, 5)
_INDICES = types.int64[:, ::1]
_NOISE = types.float32[:, :, ::1]
_TOLD = types.float64[:, :, ::1]


@kernel()
def _add_up(told: np.ndarray) -> None:
    """Add what is told of all panels of each update to what is told of its first."""
    for u in range(told.shape[0]):
        for panel in range(1, told.shape[1]):
            for k in range(told.shape[2]):
                told[u, 0, k] += told[u, panel, k]


@kernel()
def _prepare(nets: tuple, data: tuple, field: tuple, words: np.ndarray, at: tuple) -> None:
    """Run the targets of an update, and what backpropagates from them."""
    memory, table, ends = nets
    storage, batch, noise, settings, told, errors = data
    deltas, inputs, work, live, n_panels, stride = field
    number, phase = at
    size, batch_size = memory.size // 4, np.int64(batch.size)
    theta, target = memory[:size], memory[size : 2 * size]
    y, room = work[work.size - PANEL :], work[: work.size - PANEL]
    own, targets, batches = (theta, table, ends), (target, table, ends), (batch, noise)
    place, here = (room, live), (deltas, inputs, room, live, y)  # no array is counted for a panel
    panel = claim(words, at, n_panels)
    while panel < n_panels:
        span = (panel * PANEL, min(np.int64(PANEL), batch_size - panel * PANEL))
        _targets(targets, storage, batches, span, settings, place, errors)
        finish(words, at)
        panel = claim(words, at, n_panels)
    wait(words, at, n_panels)
    at = (number, phase + 1)
    panel = claim(words, at, n_panels)
    while panel < n_panels:
        n = min(np.int64(PANEL), batch_size - panel * PANEL)
        _judge(own, storage, batch, (panel, n, batch_size, panel * stride), here, told, errors)
        finish(words, at)
        panel = claim(words, at, n_panels)
    wait(words, at, n_panels)


@kernel()
def _rise(nets: tuple, data: tuple, field: tuple, words: np.ndarray, at: tuple) -> None:
    """Run what backpropagates through the critic into the actor."""
    memory, table, ends = nets
    observations, batch, told = data
    deltas, inputs, work, live, n_panels, stride = field
    batch_size, theta = np.int64(batch.size), memory[: memory.size // 4]
    y, room = work[work.size - PANEL :], work[: work.size - PANEL]
    own, here = (theta, table, ends), (deltas, inputs, room, live, y)
    panel = claim(words, at, n_panels)
    while panel < n_panels:
        n = min(np.int64(PANEL), batch_size - panel * PANEL)
        _climb(own, observations, batch, (panel, n, batch_size, panel * stride), here, told)
        finish(words, at)
        panel = claim(words, at, n_panels)
    wait(words, at, n_panels)


@entry(
    types.void(
        VECTOR,
        TABLE,
        types.int64[::1],
        _MATRICES,
        _COLUMNS,
        _INDICES,
        _NOISE,
        NUMBERS,
        types.UniTuple(VECTOR, 3),
        types.int64[::1],
        _TOLD,
        MATRIX,
        _INDICES,
        types.int64,
    )
)
def update(
    memory: np.ndarray,
    table: np.ndarray,
    ends: np.ndarray,
    matrices: tuple,
    columns: tuple,
    indices: np.ndarray,
    noise: np.ndarray,
    settings: np.ndarray,
    field: tuple,
    words: np.ndarray,
    told: np.ndarray,
    errors: np.ndarray,
    order: np.ndarray,
    role: int,
) -> None:
    """Do all updates of a call; several threads may do them together, each with a work of its own.

    Parameters
    ----------
    memory : ndarray of float32, shape (4 P,)
        Parameters, those of the targets, and Adam's two moments, one behind the other.
    table : ndarray of int64
        The layers.
    ends : ndarray of int64, shape (1 + critics,)
        Row after the last one of each network.
    matrices, columns : tuple of ndarray of float32
        The storage.
    indices : ndarray of int64, shape (updates, B)
        Rows of the storage in each batch.
    noise : ndarray of float32, shape (updates, B, A) or (updates, 0, 0)
        For the targets' actions.
    settings : ndarray of float64, shape (N_SETTINGS,)
        The numbers named above.
    field : tuple of ndarray of float32
        Deltas and inputs, which the threads share, and this thread's work.
    words : ndarray of int64
        Of ``teams``: ``count_words`` of them.
    told : ndarray of float64, shape (updates, panels, 2)
        Becomes the losses of each update, in the place of its first panel; zero at first.
    errors : ndarray of float32, shape (updates, B)
        Becomes the mean of |Q_i - y| over the critics.
    order : ndarray of int64, shape (updates, B) or (0, 0)
        Becomes the order in which samples are taken, in which ``indices`` and ``noise`` are left,
        too; without it, they are taken as they come.
    role : int
        ALONE or LEAD; or HELP, which stays for the calls that follow, as long as they do so soon.
        What the arguments hold may change between two calls.
    """
    deltas, inputs, work = field
    n_panels = np.int64((indices.shape[1] + PANEL - 1) // PANEL)
    stride = np.int64(deltas.size // n_panels)
    last = columns_of(indices.shape[1] - (n_panels - 1) * PANEL)
    n_most = most_rows(table)
    live = np.empty(n_most, np.int64), np.empty(n_most, np.int64)
    size, n_seen = order.shape[1], matrices[OBSERVATIONS].shape[1]
    room = np.empty((1 + n_seen, size), np.float32), np.empty((2, size), np.int64)
    grid, ours = (deltas, inputs, (n_panels, last), stride), (*field, live, n_panels, stride)
    nets, storage = (memory, table, ends), (matrices, columns)
    n_phases = np.int64(1 + N_PHASES * len(indices))
    number = begin(words, role, n_phases, np.int64(0))
    while number != CLOSED:
        if size > 0:
            arrange(matrices[OBSERVATIONS], (indices, noise), order, room, words, number)
        n_actor_steps = settings[ACTOR_ADAM + 4]
        for u in range(len(indices)):
            phase, batch = np.int64(1 + N_PHASES * u), indices[u]
            does_actor = (settings[N_BEFORE] + u + 1) % settings[DELAY] == 0
            data = (storage, batch, noise[u], settings, told[u], errors[u])
            _prepare(nets, data, ours, words, (number, phase))
            rates = rates_of(settings, CRITIC_ADAM, settings[CRITIC_ADAM + 4] + u + 1)
            tau = np.float32(settings[TAU]) if does_actor else _ZERO
            layers, at = (ends[0], np.int64(len(table))), (number, phase + 2)
            step_rows(memory, table, layers, grid, rates, tau, (work, live), words, at)
            if does_actor:
                seen = (matrices[OBSERVATIONS], batch, told[u])
                _rise(nets, seen, ours, words, (number, phase + 3))
                n_actor_steps += 1.0
                rates = rates_of(settings, ACTOR_ADAM, n_actor_steps)
                layers, at = (np.int64(0), ends[0]), (number, phase + 4)
                step_rows(memory, table, layers, grid, rates, tau, (work, live), words, at)
        if role != HELP:
            end(words, n_phases)
            _add_up(told)
            if size > 0:
                restore(errors, order, room)
            break
        number = begin(words, role, n_phases, number)


@kernel(fastmath=False)
def _write_actions(mu: np.float32, bounds: np.ndarray, out: np.ndarray, b: int, j: int) -> None:
    """Write one number of an action in three forms, rounded where the host rounds."""
    low, width = bounds[0, j], bounds[1, j] - bounds[0, j]
    out[0, b, j] = low + (_HALF * (mu + _ONE)) * width
    out[1, b, j] = _TWO * ((out[0, b, j] - low) / width) - _ONE
    out[2, b, j] = low + (_HALF * (out[1, b, j] + _ONE)) * width


@entry(types.void(VECTOR, TABLE, types.int64, MATRIX, MATRIX, BLOCK, VECTOR))
def act(
    memory: np.ndarray,
    table: np.ndarray,
    end: int,
    observations: np.ndarray,
    bounds: np.ndarray,
    out: np.ndarray,
    work: np.ndarray,
) -> None:
    """Run the actor.

    Parameters
    ----------
    memory : ndarray of float32
        Its parameters stand first.
    table : ndarray of int64
        The layers.
    end : int
        Row after the actor's last one.
    observations : ndarray of float32, shape (n, n_in)
        What is seen.
    bounds : ndarray of float32, shape (2, A)
        Lowest and highest actions.
    out : ndarray of float32, shape (3, n, A)
        Becomes μ(s) within the bounds, these scaled to [-1, 1], and those within the bounds again:
        what the host predicts, stores and steps with, which may differ in the last digit.
    work : ndarray of float32
        Room for the units of a panel.
    """
    none, at = np.int64(0), table[end - 1, UNIT]
    if len(observations) <= FEW:
        for b in range(len(observations)):
            for d in range(observations.shape[1]):
                work[d] = observations[b, d]
            forward_row(memory, table, (none, end), work)
            for j in range(out.shape[2]):
                _write_actions(work[at + j], bounds, out, b, j)
        return
    order, n_most = np.arange(len(observations)), most_rows(table)
    live = np.empty(n_most, np.int64), np.empty(n_most, np.int64)
    for start in range(0, len(observations), PANEL):
        n: Any = min(np.int64(PANEL), len(observations) - start)
        gather(observations, order, (start, n), work, none)
        forward(memory, table, (none, end), work, live, (none, columns_of(n)))
        for b in range(n):
            for j in range(out.shape[2]):
                _write_actions(work[at + j * PANEL + b], bounds, out, start + b, j)
