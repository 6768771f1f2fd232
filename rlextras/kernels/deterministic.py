"""Updates of DDPG and TD3: critics, actor and targets, for a whole call of ``train``.

Each update has five phases: by panels of samples, the targets; by panels, what backpropagates
through the critics; by rows of weights, the gradients of the critics and their steps; by panels,
the actor through the first critic; by rows, the actor's gradients and steps. A sum over samples is
always taken by one thread in one order, so that the number of threads changes no bit.
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
from rlextras.kernels.compiler import MATRIX, NUMBERS, TABLE, VECTOR, entry, kernel
from rlextras.kernels.panels import PANEL, add_product
from rlextras.kernels.passes import (
    backward,
    copy_rows,
    forward,
    forward_row,
    gather,
    keep_inputs,
)
from rlextras.kernels.row_steps import rates_of, step_rows
from rlextras.kernels.teams import claim, finish, wait
from rlextras.kernels.tiles import FEW

GAMMA, TAU, NOISE_CLIP, DELAY, N_BEFORE = range(5)
"""Places in the settings; N_BEFORE counts the updates done."""
ACTOR_ADAM, CRITIC_ADAM = 5, 10
"""First of five: learning rate, β₁, β₂, ε, steps done."""
N_SETTINGS = 15

CRITIC_LOSS, ACTOR_LOSS = 0, 1
"""What is told of each panel of an update."""

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)

N_PHASES = 5
"""Of an update; one net at a time passes all panels, so that its weights stay in the cache."""

OBSERVATIONS, ACTIONS, NEXT_OBSERVATIONS = range(3)
"""Matrices of the storage: one row a transition."""
REWARDS, DONES, TIMEOUTS, DISCOUNTS, WEIGHTS = range(5)
"""Columns of the storage: one number a transition, or none at all where it is not given."""


@kernel()
def _optional(column: np.ndarray, k: np.int64, usual: np.float32) -> np.float32:
    """A number of a transition, or what it is where the column is not given."""
    return column[k] if column.size > 0 else usual


@kernel()
def _targets(
    nets: tuple,
    storage: tuple,
    batch: tuple,
    span: tuple,
    settings: np.ndarray,
    work: np.ndarray,
    y: np.ndarray,
) -> None:
    """Bellman targets of a panel."""
    theta, table, ends = nets
    matrices, columns = storage
    indices, noise = batch
    start, n = span
    rows = matrices[NEXT_OBSERVATIONS]
    n_seen, n_actions = rows.shape[1], table[ends[0] - 1, N_OUT]
    none, half = np.int64(0), np.int64(work.size // 2)
    gather(rows, indices, span, work, none)
    forward(theta, table, (none, ends[0]), work, none)
    acted = table[ends[0] - 1, UNIT]
    if noise.shape[0] > 0:
        clip = np.float32(settings[NOISE_CLIP])
        for j in range(n_actions):
            for b in range(n):
                more = min(max(noise[start + b, j], -clip), clip)
                k = acted + j * PANEL + b
                work[k] = min(max(work[k] + more, -_ONE), _ONE)
    copy_rows(work, none, half, n_seen)
    copy_rows(work, acted, half + n_seen * PANEL, n_actions)
    for c in range(1, len(ends)):
        forward(theta, table, (ends[c - 1], ends[c]), work, half)
        q = half + table[ends[c] - 1, UNIT]
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
    panel, n, batch_size = piece
    deltas, inputs, work, y, delta_at = room
    none, start = np.int64(0), panel * PANEL
    n_seen = matrices[OBSERVATIONS].shape[1]
    gather(matrices[OBSERVATIONS], indices, (start, n), work, none)
    gather(matrices[ACTIONS], indices, (start, n), work, n_seen * PANEL)
    total = 0.0
    for b in range(n):
        y[b], errors[start + b] = errors[start + b], _ZERO
    for c in range(1, len(ends)):
        layers = (ends[c - 1], ends[c])
        forward(theta, table, layers, work, none)
        keep_inputs(table, layers, work, none, (inputs, panel))
        q, to = table[ends[c] - 1, UNIT], delta_at + table[ends[c] - 1, DELTA]
        for b in range(PANEL):
            deltas[to + b] = _ZERO
        for b in range(n):
            error = work[q + b] - y[b]
            weight = _optional(columns[WEIGHTS], indices[start + b], _ONE)
            total += weight * error * error
            errors[start + b] += abs(error) / (len(ends) - 1)
            deltas[to + b] = np.float32(2.0 / batch_size) * weight * error
        backward(theta, table, layers, work, deltas, (none, delta_at))
    told[panel, CRITIC_LOSS] = total / batch_size


@kernel()
def _climb(
    nets: tuple, observations: np.ndarray, batch: tuple, piece: tuple, room: tuple, told: np.ndarray
) -> None:
    """Deltas of all layers of the actor, up Q_1(s, μ(s))."""
    theta, table, ends = nets
    panel, n, batch_size = piece
    deltas, inputs, work, _, delta_at = room
    none, half, one = np.int64(0), np.int64(work.size // 2), np.int64(1)
    wide = np.int64(PANEL)
    n_seen, n_actions = observations.shape[1], table[ends[0] - 1, N_OUT]
    actor, critic = (none, ends[0]), (ends[0], ends[1])
    gather(observations, batch, (panel * PANEL, n), work, none)
    forward(theta, table, actor, work, none)
    keep_inputs(table, actor, work, none, (inputs, panel))
    acted = table[ends[0] - 1, UNIT]
    copy_rows(work, none, half, n_seen)
    copy_rows(work, acted, half + n_seen * PANEL, n_actions)
    forward(theta, table, critic, work, half)
    q, total = half + table[ends[1] - 1, UNIT], 0.0
    last = delta_at + table[ends[1] - 1, DELTA]
    for b in range(PANEL):
        deltas[last + b] = np.float32(-1.0 / batch_size) if b < n else _ZERO
    for b in range(n):
        total -= work[q + b]
    told[panel, ACTOR_LOSS] = total / batch_size
    backward(theta, table, critic, work, deltas, (half, delta_at))
    to, n_in, n_out = (
        delta_at + table[ends[0] - 1, DELTA],
        table[ends[0], N_IN],
        table[ends[0], N_OUT],
    )
    deltas[to : to + n_actions * PANEL] = _ZERO
    where = (to, table[ends[0], WEIGHT] + n_seen, delta_at + table[ends[0], DELTA])
    steps = (wide, one, n_in, none, wide, none)
    add_product(deltas, theta, deltas, where, steps, (n_actions, wide, n_out, one))
    kind, slope = table[ends[0] - 1, ACTIVATION], from_bits(table[ends[0] - 1, SLOPE])
    actions = work[acted : acted + n_actions * PANEL]
    scale_by_derivative(deltas[to : to + n_actions * PANEL], actions, kind, slope)
    backward(theta, table, actor, work, deltas, (none, delta_at))


_MATRICES = types.UniTuple(MATRIX, 3)
_COLUMNS = types.UniTuple(VECTOR, 5)
_INDICES = types.int64[:, ::1]
_NOISE = types.float32[:, :, ::1]
_TOLD = types.float64[:, :, ::1]


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
        ``N_PHASES`` of ``teams`` for each update.
    told : ndarray of float64, shape (updates, panels, 2)
        Becomes the losses of each panel.
    errors : ndarray of float32, shape (updates, B)
        Becomes the mean of |Q_i - y| over the critics.
    """
    deltas, inputs, work = field
    size, batch_size = memory.size // 4, indices.shape[1]
    n_panels = (batch_size + PANEL - 1) // PANEL
    stride = np.int64(deltas.size // n_panels)
    y = work[work.size - PANEL :]
    room_of = work[: work.size - PANEL]
    theta, target = memory[:size], memory[size : 2 * size]
    grid = (deltas, inputs, np.int64(n_panels), stride)
    n_actor_steps = settings[ACTOR_ADAM + 4]
    for u in range(len(indices)):
        phase, batch = np.int64(N_PHASES * u), indices[u]
        does_actor = (settings[N_BEFORE] + u + 1) % settings[DELAY] == 0
        panel = claim(words, phase)
        while panel < n_panels:
            span = (panel * PANEL, min(np.int64(PANEL), batch_size - panel * PANEL))
            nets, storage = (target, table, ends), (matrices, columns)
            _targets(nets, storage, (batch, noise[u]), span, settings, room_of, errors[u])
            finish(words, phase)
            panel = claim(words, phase)
        wait(words, phase, np.int64(n_panels))
        panel = claim(words, phase + 1)
        while panel < n_panels:
            piece = (panel, min(np.int64(PANEL), batch_size - panel * PANEL), batch_size)
            room = (deltas, inputs, room_of, y, panel * stride)
            nets, storage = (theta, table, ends), (matrices, columns)
            _judge(nets, storage, batch, piece, room, told[u], errors[u])
            finish(words, phase + 1)
            panel = claim(words, phase + 1)
        wait(words, phase + 1, np.int64(n_panels))
        rates = rates_of(settings, CRITIC_ADAM, settings[CRITIC_ADAM + 4] + u + 1)
        tau = np.float32(settings[TAU]) if does_actor else _ZERO
        layers = (ends[0], np.int64(len(table)))
        step_rows(memory, table, layers, grid, rates, tau, work, words, phase + 2)
        if not does_actor:
            continue
        panel = claim(words, phase + 3)
        while panel < n_panels:
            n = min(np.int64(PANEL), batch_size - panel * PANEL)
            room = (deltas, inputs, room_of, y, panel * stride)
            piece = (panel, n, batch_size)
            _climb((theta, table, ends), matrices[OBSERVATIONS], batch, piece, room, told[u])
            finish(words, phase + 3)
            panel = claim(words, phase + 3)
        wait(words, phase + 3, np.int64(n_panels))
        n_actor_steps += 1.0
        rates = rates_of(settings, ACTOR_ADAM, n_actor_steps)
        layers = (np.int64(0), ends[0])
        step_rows(memory, table, layers, grid, rates, tau, work, words, phase + 4)


@entry(types.void(VECTOR, TABLE, types.int64, MATRIX, MATRIX, VECTOR))
def act(
    memory: np.ndarray,
    table: np.ndarray,
    end: int,
    observations: np.ndarray,
    actions: np.ndarray,
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
    actions : ndarray of float32, shape (n, A)
        Becomes μ(s).
    work : ndarray of float32
        Room for the units of a panel.
    """
    none, at = np.int64(0), table[end - 1, UNIT]
    if len(observations) <= FEW:
        for b in range(len(observations)):
            for d in range(observations.shape[1]):
                work[d] = observations[b, d]
            forward_row(memory, table, (none, end), work)
            for j in range(actions.shape[1]):
                actions[b, j] = work[at + j]
        return
    order = np.arange(len(observations))
    for start in range(0, len(observations), PANEL):
        n: Any = min(np.int64(PANEL), len(observations) - start)
        gather(observations, order, (start, n), work, none)
        forward(memory, table, (none, end), work, none)
        for b in range(n):
            for j in range(actions.shape[1]):
                actions[start + b, j] = work[at + j * PANEL + b]
