"""One step of training, in as few operations as it takes, and none that waits for the device.

Levels, noise and forgotten classes are drawn for the whole batch by every process, which then takes
its own part: what is trained does not depend on how many processes share the work.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from diffusers.training_utils import EMAModel as HostEMAModel
from torch import Tensor, nn
from torch.nn.attention import sdpa_kernel

from genextras.training.data import Batch
from genextras.training.ema import EMAModel
from genextras.training.levels import LossHistory
from genextras.training.losses import TWICE, drop_labels, random_signs
from genextras.training.network import Network, null_class
from genextras.training.objective import Draw, Objective
from genextras.training.path import TrainingPath
from genextras.training.randomness import seeded

__all__ = ["Loop", "Share", "clip"]


@dataclass(frozen=True)
class Share:
    """Which part of a batch this process takes, and in how many pieces."""

    batch_size: int  # over all processes and pieces
    n_processes: int = 1
    process: int = 0
    n_pieces: int = 1

    @property
    def piece_size(self) -> int:
        """Examples of one piece.

        Returns
        -------
        int
            At least 1.
        """
        return self.batch_size // (self.n_processes * self.n_pieces)

    def rows(self, piece: int) -> tuple[int, int]:
        """Where a piece of this process stands in the batch.

        Parameters
        ----------
        piece : int
            From 0 on.

        Returns
        -------
        start, stop : int
            The examples.
        """
        start = (self.process * self.n_pieces + piece) * self.piece_size
        return start, start + self.piece_size


def clip(parameters: Iterable[nn.Parameter], most: float) -> Tensor:
    """Cut gradients to a norm, as ``clip_grad_norm_`` does, whose search for devices costs more.

    Parameters
    ----------
    parameters : iterable of Parameter
        On one device; those without a gradient are left out.
    most : float
        The largest norm that is left.

    Returns
    -------
    Tensor, 0-d
        The norm before.
    """
    gradients = [each.grad for each in parameters if each.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (most / (norm + 1e-6)).clamp(max=1.0))
    return norm


@dataclass
class Loop:
    """What a step needs; ``take`` does it."""

    accelerator: Any
    network: Network
    optimizer: torch.optim.Optimizer
    objective: Objective
    path: TrainingPath
    share: Share
    ema: HostEMAModel | None
    seed: int
    label_dropout: float
    max_grad_norm: float | None
    mixed_precision: str
    memory_format: torch.memory_format = torch.preserve_format
    profiles: list[EMAModel] = field(default_factory=list)  # averages that snapshots keep
    history: LossHistory | None = None
    seen: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.device: torch.device = self.accelerator.device
        self.host_draws = seeded(torch.device("cpu"), self.seed, 1)
        self.device_draws = seeded(self.device, self.seed, 2)
        self.weights = list(self.network.plain.parameters())  # to walk the modules takes long
        groups = self.optimizer.param_groups
        self.parameters = [p for g in groups for p in g["params"] if p.requires_grad]
        self.null = null_class(self.network.plain)
        if self.objective.importance:
            self.history = LossHistory()

    def take(self, batches: Iterator[Batch]) -> Tensor:
        """One update of the weights.

        Parameters
        ----------
        batches : iterator of (Tensor, LongTensor or None)
            This process's pieces of the batch come next in it.

        Returns
        -------
        Tensor, 0-d
            Mean loss over this process's examples, NaN where a gradient is not finite.
        """
        share, total = self.share, torch.zeros((), device=self.device)
        size = share.batch_size
        draw = self.objective.draw(self.path, size, history=self.history, generator=self.host_draws)
        forgets = torch.rand(size, generator=self.host_draws) if self.label_dropout else None
        noise: Tensor | None = None
        signs: Tensor | None = None
        for piece in range(share.n_pieces):
            x, classes = next(batches)
            if noise is None:
                shape = (size, *x.shape[1:])
                noise = torch.randn(shape, generator=self.device_draws, device=self.device)
                if self.objective.matching == "sliced":
                    signs = random_signs(noise, self.device_draws)
            start, stop = share.rows(piece)
            if classes is not None and forgets is not None:
                rate, null = self.label_dropout, self.null or 0
                classes = drop_labels(classes, rate, null=null, draws=forgets[start:stop])
            with self._alone(piece), self._kernels():
                given = (x, noise[start:stop], None if signs is None else signs[start:stop])
                loss = self._loss(given, classes, draw, (start, stop))
                loss = loss if share.n_pieces == 1 else loss / share.n_pieces
                self.accelerator.backward(loss)
            total += loss.detach()
        return self._update(total)

    def _alone(self, piece: int) -> AbstractContextManager:
        """Processes exchange gradients after the last piece only."""
        if piece == self.share.n_pieces - 1:
            return nullcontext()
        return self.accelerator.no_sync(self.network.module)

    def _kernels(self) -> AbstractContextManager:
        """Checkpoints compute attention again as it was computed at first."""
        return sdpa_kernel(TWICE) if self.objective.matching == "sliced" else nullcontext()

    def _loss(
        self,
        given: tuple[Tensor, Tensor, Tensor | None],
        classes: Tensor | None,
        draw: Draw,
        rows: tuple[int, int],
    ) -> Tensor:
        x, noise, signs = given
        levels = draw.part(*rows, self.device)
        if self.memory_format is torch.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        network = partial(self._ask, classes=classes)
        each = self.objective.loss(network, self.path, x, noise, levels, directions=signs)
        if draw.bins is not None:
            own = (each.detach() / draw.importance[rows[0] : rows[1]].to(each)).float()
            self.seen.append((draw.bins[rows[0] : rows[1]], own))
        return each.mean()

    def _ask(self, x: Tensor, labels: Tensor, classes: Tensor | None) -> Tensor:
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.mixed_precision == "bf16"
        ):
            return self.network(x, labels, classes)

    def _update(self, loss: Tensor) -> Tensor:
        if self.max_grad_norm is not None:
            loss = loss + 0 * clip(self.parameters, self.max_grad_norm)
        self.optimizer.step()
        for weight in self.weights:  # those as well that the optimizer leaves alone
            weight.grad = None
        for average in (self.ema, *self.profiles):
            if average is not None:
                average.step(self.weights)
        return loss

    def is_finite(self) -> bool:
        """Whether no weight is infinite or NaN; the device is waited for.

        Returns
        -------
        bool
            Of all weights, those that are not trained as well.
        """
        largest = torch._foreach_norm(self.weights, torch.inf)
        return bool(torch.stack(largest).isfinite().all())

    def learn_levels(self) -> None:
        """Tell the importance sampler which losses all processes saw since the last call.

        The device is waited for; so this is done now and then, at updates that do not depend on
        where a run is looked at or cut.
        """
        if self.history is None or not self.seen:
            return
        bins = torch.cat([each for each, _ in self.seen]).to(self.device)
        losses = torch.cat([each for _, each in self.seen])
        bins, losses = self.accelerator.gather(bins), self.accelerator.gather(losses)
        self.history.record(bins.cpu(), losses.cpu())
        self.seen.clear()

    # ------------------------------------------------------------ what a checkpoint holds

    def state(self) -> dict[str, Any]:
        """State of the loop, but that of the global random generators.

        Returns
        -------
        dict
            For ``restore``.
        """
        return {
            "model": self.network.plain.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "profiles": [each.state_dict() for each in self.profiles],
            "history": None if self.history is None else self.history.state_dict(),
            "seen": list(self.seen),
            "host_draws": self.host_draws.get_state(),
            "device_draws": self.device_draws.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the state of another loop.

        Parameters
        ----------
        state : dict
            From ``state``.
        """
        self.network.plain.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        kept = [state["ema"], *state["profiles"]]
        for average, each in zip((self.ema, *self.profiles), kept, strict=True):
            if average is not None:
                average.load_state_dict(each)
                average.to(self.device)
        if self.history is not None and state["history"] is not None:
            self.history.load_state_dict(state["history"])
            self.seen = [(bins, losses.to(self.device)) for bins, losses in state["seen"]]
        self.host_draws.set_state(state["host_draws"])
        self.device_draws.set_state(state["device_draws"])
