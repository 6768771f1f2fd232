"""The table that tells kernels what an actor, its critics and the room around them look like.

One row a layer, the actor's first, then those of each critic. The networks stand in one vector of
parameters; their targets stand in another one, in the same places.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlextras.kernels.panels import PANEL
from rlextras.kernels.plan import RELU, Layer
from rlextras.kernels.tiles import LANES, padded

N_IN, N_OUT, WEIGHT, BIAS, ACTIVATION, SLOPE = range(6)
"""Columns of a layer, as in ``plan``."""
DELTA, INPUTS, LD, UNIT = range(6, 10)
"""Places of a layer: its deltas in a panel of them; its inputs, one row a sample of LD numbers; and
its outputs in the units of its network."""
N_COLUMNS = 10

MAX_ROWS = 48
"""Rows of weights that one piece of a phase takes."""
LARGE = 10_000
"""Weights behind ReLU with which an order of samples saves more than it costs."""


@dataclass(frozen=True)
class Blueprint:
    """An actor and critics, and the room that a batch takes.

    Attributes
    ----------
    table : ndarray of int64, shape (layers, N_COLUMNS)
        The layers.
    ends : ndarray of int64, shape (1 + critics,)
        Row after the last one of each network, the actor's first.
    n_panels : int
        Panels of a batch.
    """

    table: np.ndarray
    ends: np.ndarray
    n_panels: int

    @property
    def n_deltas(self) -> int:
        """Numbers of a panel of deltas: first of the critics, then of the actor.

        Returns
        -------
        int
            A row of ``PANEL`` for each unit of each layer.
        """
        return self._most(N_OUT) * PANEL

    @property
    def n_inputs(self) -> int:
        """Numbers of the inputs of all layers for a batch: first of the critics, then of the actor.

        Returns
        -------
        int
            A padded row for each sample and layer.
        """
        return self._most(LD) * self.n_panels * PANEL

    def _most(self, column: int) -> int:
        """Sum of a column over the actor, or over all critics, whichever is larger."""
        of_actor, of_critics = np.split(self.table[:, column], self.ends[:1])
        return int(max(of_actor.sum(), of_critics.sum()))

    @property
    def n_units(self) -> int:
        """Numbers of the units of the largest network in a panel, inputs included.

        Returns
        -------
        int
            A row of ``PANEL`` for each.
        """
        starts = [0, *self.ends[:-1]]
        widths = [
            int(self.table[start, N_IN] + self.table[start:end, N_OUT].sum())
            for start, end in zip(starts, self.ends, strict=True)
        ]
        return max(widths) * PANEL

    @property
    def gains_by_order(self) -> bool:
        """Whether batches are worth arranging: ``neighbours``.

        Returns
        -------
        bool
            Whether a large product has inputs that may be silent.
        """
        weights = self.table[1:, N_IN] * self.table[1:, N_OUT]
        return bool(np.any((self.table[:-1, ACTIVATION] == RELU) & (weights >= LARGE)))

    @property
    def n_work(self) -> int:
        """Numbers of the room that a thread works in.

        Returns
        -------
        int
            Units of two networks and deltas of one, or units and what tiles read behind them, or
            some rows of gradients; and a panel of targets.
        """
        widths = self.table[:, N_IN] + self.table[:, LD] + 1
        rows = MAX_ROWS * int(widths.max())
        return max(3 * self.n_units, self.n_units + LANES * PANEL, rows) + PANEL


def blueprint(actor: Sequence[Layer], critics: Sequence[Sequence[Layer]], n: int) -> Blueprint:
    """Lay out an actor and its critics, for batches of some size.

    Parameters
    ----------
    actor : sequence of Layer
        From the observation to the action.
    critics : sequence of sequence of Layer
        Of each, from observation and action to one value.
    n : int
        Samples in a batch.

    Returns
    -------
    Blueprint
        The table and its room; of a layer the weights (n_out, n_in) come first, then the biases.
    """
    n_panels = -(-n // PANEL)
    rows, ends = [], list[int]()
    place = deltas = inputs = 0
    for layers in (actor, *critics):
        unit = layers[0].n_in * PANEL
        for layer in layers:
            bias, ld = place + layer.n_in * layer.n_out, padded(layer.n_in)
            slope = int(np.float32(layer.slope).view(np.int32))
            widths = (layer.n_in, layer.n_out, place, bias, layer.activation, slope)
            rows.append([*widths, deltas, inputs, ld, unit])
            place, deltas = bias + layer.n_out, deltas + layer.n_out * PANEL
            inputs, unit = inputs + ld * n_panels * PANEL, unit + layer.n_out * PANEL
        if not ends:  # the actor's come where those of the critics are no longer needed
            deltas = inputs = 0
        ends.append(len(rows))
    return Blueprint(np.array(rows, np.int64), np.array(ends, np.int64), n_panels)
