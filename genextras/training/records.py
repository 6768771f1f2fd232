"""Losses of a run: kept on the device, read now and then, shown and logged."""

import time
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from genextras.training.settings import Settings

__all__ = ["Records"]


class Records:
    """The losses of updates since the last look, a progress bar and a tracker.

    Parameters
    ----------
    settings : Settings
        How often to look, and whom to tell.
    accelerator : Accelerator
        Knows the processes and the tracker.
    done, total : int
        Updates so far, and in the end.
    """

    def __init__(self, settings: Settings, accelerator: Any, done: int, total: int) -> None:
        self._accelerator, self._settings, self._done = accelerator, settings, done
        self._losses: list[Tensor] = []
        is_shown = settings.progress_bar and accelerator.is_main_process
        self._bar: Any = tqdm(total=total, initial=done, disable=not is_shown, unit="step")
        self.is_alone = accelerator.num_processes == 1
        self._since = time.perf_counter()

    def __enter__(self) -> "Records":
        if self._settings.log_with:
            self._accelerator.init_trackers("training")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
        if self._settings.log_with:
            for tracker in self._accelerator.trackers:
                tracker.finish()

    @property
    def is_full(self) -> bool:
        """Whether it is time for a look.

        Returns
        -------
        bool
            After every ``log_every`` updates.
        """
        return len(self._losses) >= self._settings.log_every

    def add(self, loss: Tensor) -> None:
        """Keep a loss where it is.

        Parameters
        ----------
        loss : Tensor, 0-d
            Of this process's examples.
        """
        self._losses.append(loss)

    def read(self, rate: float) -> list[float]:
        """Wait for the device, read the losses, and tell them.

        Parameters
        ----------
        rate : float
            The learning rate now.

        Returns
        -------
        list of float
            Mean loss over all processes of every update since the last look.
        """
        if not self._losses:
            return []
        losses = torch.stack(self._losses)
        if not self.is_alone:
            losses = self._accelerator.reduce(losses, reduction="mean")
        found = [float(loss) for loss in losses.tolist()]
        self._losses.clear()
        now = time.perf_counter()
        self._done += len(found)
        mean, speed = sum(found) / len(found), len(found) / max(now - self._since, 1e-9)
        self._since = now
        self._bar.set_postfix(loss=f"{mean:.4g}", refresh=False)
        self._bar.update(len(found))
        if self._settings.log_with:
            values = {"loss": mean, "learning_rate": rate, "steps_per_second": speed}
            self._accelerator.log(values, step=self._done)
        return found

    def agree(self, wish: bool) -> bool:
        """Whether any process wishes something; all are asked.

        Parameters
        ----------
        wish : bool
            Of this process.

        Returns
        -------
        bool
            Of one or more.
        """
        if self.is_alone:
            return wish
        asked = torch.tensor([float(wish)], device=self._accelerator.device)
        return bool(self._accelerator.reduce(asked, reduction="sum").item() > 0)
