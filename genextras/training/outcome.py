"""What a trainer gives back: samples, a pipeline, a folder."""

from numbers import Real
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.training_utils import EMAModel as HostEMAModel
from torch import Tensor

from genextras.training.delivery import copies, deliver
from genextras.training.loop import Loop
from genextras.training.network import null_class
from genextras.training.pictures import write_picture
from genextras.training.pipeline import sample_shape
from genextras.training.randomness import seeded
from genextras.training.sampling import draw_samples
from genextras.training.settings import Settings
from genextras.training.snapshots import from_snapshots
from genextras.validation import check_choice, message

__all__ = ["Outcome"]

OWNER = "Trainer"
N_PICTURED = {"images": 16, "points": 1000}


class Outcome:
    """Network, scheduler and averaged weights, as they stand."""

    model: Any
    scheduler: Any
    settings: Settings
    accelerator: Any
    _loop: Loop
    _shape: tuple[int, ...] | None = None  # of a sample, once data were seen

    def pipeline(self, *, scheduler: Any = None, weights: str | float = "ema") -> DiffusionPipeline:
        """The trained network with its scheduler, apart from what goes on being trained.

        Parameters
        ----------
        scheduler : SchedulerMixin, optional
            Another one for the same path, of this package or of diffusers.
        weights : {"ema", "last"} or float, default="ema"
            Averaged weights, those of the last update, or the average of a relative width that is
            made from the snapshots in the trainer's folder.

        Returns
        -------
        DiffusionPipeline
            diffusers' DDPMPipeline where it fits, else ``DenoisingPipeline``.
        """
        chosen = self.scheduler if scheduler is None else scheduler
        return deliver(self.model, chosen, self._shape, self._average(weights))

    def _average(self, weights: str | float) -> HostEMAModel | None:
        if isinstance(weights, Real) and not isinstance(weights, bool):
            return from_snapshots(self.settings.folder, self.model, float(weights))
        check_choice(OWNER, "weights", weights, ("ema", "last"))
        return self._loop.ema if weights == "ema" else None

    def save_pretrained(
        self, folder: str | Path, *, scheduler: Any = None, weights: str | float = "ema"
    ) -> None:
        """Write a pipeline folder, which ``DiffusionPipeline.from_pretrained`` loads.

        In several processes all call it, and the main one writes.

        Parameters
        ----------
        folder : str or Path
            Where to.
        scheduler : SchedulerMixin, optional
            Another one for the same path; with diffusers' own, ``import genextras`` is not needed
            to load the folder of a diffusers' network.
        weights : {"ema", "last"} or float, default="ema"
            Averaged weights, those of the last update, or the average of a relative width that is
            made from the snapshots in the trainer's folder.
        """
        if self.accelerator.is_main_process:
            self.pipeline(scheduler=scheduler, weights=weights).save_pretrained(folder)
        self.accelerator.wait_for_everyone()

    def sample(
        self,
        n_samples: int,
        *,
        n_steps: int = 50,
        classes: Tensor | None = None,
        guidance_scale: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw samples with the averaged weights.

        Parameters
        ----------
        n_samples : int
            How many.
        n_steps : int, default=50
            Steps of the scheduler.
        classes : LongTensor of shape (n_samples,), optional
            For networks with classes.
        guidance_scale : float, default=1.0
            Of classifier-free guidance.
        generator : torch.Generator, optional
            Source of noise.

        Returns
        -------
        Tensor of shape (n_samples, ...), data units
            Samples.

        Raises
        ------
        ValueError
            Before the first ``fit``, when the shape of a sample is not known.
        """
        shape, device = self._shape or sample_shape(self.model), self.accelerator.device
        if shape is None:
            cure = "Call fit first."
            raise ValueError(message(OWNER, "shape of a sample", "known", None, cure))
        model, scheduler = copies(self.model, self.scheduler, self._loop.ema)
        scheduler.set_timesteps(n_steps, device=device)
        return draw_samples(
            model,
            scheduler,
            torch.empty(n_samples, *shape, device=device),
            classes=None if classes is None else classes.to(device),
            guidance_scale=guidance_scale,
            generator=generator,
        )

    def _draw(self, seed: int, path: Path) -> None:
        """A picture of samples from the same noise each time."""
        n = N_PICTURED["images" if len(self._shape or ()) == 3 else "points"]
        generator = seeded(torch.device("cpu"), seed, 4)
        null = null_class(self.model)
        classes = torch.arange(n) % null if null else None
        write_picture(self.sample(n, classes=classes, generator=generator), path)
