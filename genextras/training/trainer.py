"""The trainer: a network, a scheduler and an objective become a pipeline folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final

import torch
from diffusers.training_utils import EMAModel as HostEMAModel
from torch import Tensor, nn

from genextras.training import checkpoint, snapshots
from genextras.training.assembly import assemble
from genextras.training.data import Examples, as_examples, batch_rows
from genextras.training.interruption import StopRequest
from genextras.training.objective import Objective, as_objective
from genextras.training.outcome import Outcome
from genextras.training.path import TrainingPath
from genextras.training.randomness import random_states, set_random_states
from genextras.training.records import Records
from genextras.training.settings import Settings
from genextras.training.trial import try_model
from genextras.validation import check_integer, check_number, message

__all__ = ["Trainer"]

OWNER = "Trainer"
LEARN_EVERY = 16  # updates between two looks of the importance sampler


@final
class Trainer(Outcome):
    """Train a network on the path of the scheduler that will sample it.

    It runs on what accelerate finds or was told to use: a CPU, a GPU, or several processes with the
    same result (models without dropout), as every process draws the noise of the whole batch and
    takes its part of it. A run is decided by its seed, and a resumed one goes on bit for bit.

    Parameters
    ----------
    model : Module
        Called as ``model(x, label)``, or with ``class_labels=`` where data have classes.
    scheduler : DiffusionScheduler
        Of this package: it decides levels, and by ``prediction_type`` what the network predicts.
    objective : str or Objective, default="prediction"
        "prediction", "epsilon", "sample", "v", "flow", "score", "sliced", "edm", or an object.
    batch_size : int, default=128
        Examples of one update, over all processes.
    learning_rate : float, default=1e-3
        Of AdamW.
    optimizer : Optimizer, optional
        Another one, over the model's parameters; ``learning_rate`` is not read then.
    lr_schedule : callable, optional
        Maps the number of the update, from 0 on, to a factor on the learning rate.
    max_grad_norm : float or None, default=1.0
        Longer gradients are cut to this norm; None for no limit.
    ema : float, EMAModel or None, default=0.1
        Average of the weights that samples and pipelines take: the relative width of a
        power-function average, an object of ours or of diffusers, or None for the weights.
    label_dropout : float, default=0.1
        Probability that a class is forgotten, for classifier-free guidance; the network's last
        class stands for none.
    seed : int, default=0
        Of order, levels, noise and dropout.
    gradient_accumulation_steps : int, default=1
        Pieces that a batch is split into, to save memory.
    mixed_precision : {"no", "bf16"}, default="no"
        Whether the network computes in bfloat16.
    gradient_checkpointing : bool, default=False
        Whether activations are computed twice to save memory.
    compile : bool or str, default=False
        Whether the network is compiled, or torch's backend for it; a warning says where it cannot.
    channels_last : bool, default=False
        Whether images are stored with channels last, which convolutions may prefer.
    folder : str or Path, optional
        Where checkpoints, pictures and logs go; without it nothing is written.
    save_every : int, optional
        Updates between checkpoints; without it there is one at the end.
    sample_every : int, optional
        Updates between pictures of samples.
    snapshot_every : int, optional
        Updates between snapshots of averages of two widths, 0.05 and 0.1, which are kept in
        ``folder`` beside ``ema``: ``pipeline(weights=0.15)`` makes the average of any width from
        them after the run ([2]_, section 3.2). A new run in the folder removes those of an old one.
    log_every : int, default=50
        Updates between looks at the loss; a device is not waited for in between.
    log_with : str, optional
        "tensorboard", or another tracker that accelerate knows.
    data_range : float, None or "auto", default="auto"
        Largest magnitude of data; "auto" takes that of a scheduler that clips, None any.
    num_workers : int, default=0
        Processes that read a dataset ahead.
    progress_bar : bool, default=True
        Whether one is shown.

    Attributes
    ----------
    losses : list of float
        Mean loss of every update so far.
    n_steps_done : int
        Their number.
    was_interrupted : bool
        Whether Ctrl-C ended the last ``fit``.

    Raises
    ------
    TypeError, ValueError
        If an option is of the wrong kind, or out of its range.

    References
    ----------
    .. [1] Karras, Aittala, Aila, Laine (2022), Elucidating the design space of diffusion-based
       generative models, arXiv:2206.00364.
    .. [2] Karras et al. (2024), Analyzing and improving the training dynamics of diffusion models,
       arXiv:2312.02696.

    Examples
    --------
    >>> from genextras import FlowMatchScheduler
    >>> class Line(nn.Module):  # a network of one number
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.weight = nn.Parameter(torch.zeros(1))
    ...     def forward(self, x, label):
    ...         return self.weight * x
    >>> trainer = Trainer(Line(), FlowMatchScheduler(), "flow", batch_size=8, progress_bar=False)
    >>> data = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    >>> len(trainer.fit(data, n_steps=3).losses)
    3
    """

    def __init__(
        self,
        model: nn.Module,
        scheduler: Any,
        objective: str | Objective = "prediction",
        *,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        optimizer: torch.optim.Optimizer | None = None,
        lr_schedule: Callable[[int], float] | None = None,
        max_grad_norm: float | None = 1.0,
        ema: float | HostEMAModel | None = 0.1,
        label_dropout: float = 0.1,
        seed: int = 0,
        gradient_accumulation_steps: int = 1,
        mixed_precision: str = "no",
        gradient_checkpointing: bool = False,
        compile: bool | str = False,  # noqa: A002 - torch's and accelerate's word
        channels_last: bool = False,
        folder: str | Path | None = None,
        save_every: int | None = None,
        sample_every: int | None = None,
        snapshot_every: int | None = None,
        log_every: int = 50,
        log_with: str | None = None,
        data_range: float | str | None = "auto",
        num_workers: int = 0,
        progress_bar: bool = True,
    ) -> None:
        self.objective, self.path = as_objective(OWNER, objective), TrainingPath(scheduler, OWNER)
        self.scheduler, self.model = scheduler, model
        self.settings = Settings(
            batch_size=batch_size,
            learning_rate=learning_rate,
            lr_schedule=lr_schedule,
            max_grad_norm=max_grad_norm,
            label_dropout=label_dropout,
            seed=seed,
            gradient_accumulation_steps=gradient_accumulation_steps,
            mixed_precision=mixed_precision,
            gradient_checkpointing=gradient_checkpointing,
            compile=compile,
            channels_last=channels_last,
            folder=None if folder is None else Path(folder),
            save_every=save_every,
            sample_every=sample_every,
            snapshot_every=snapshot_every,
            log_every=log_every,
            log_with=log_with,
            data_range=data_range,
            num_workers=num_workers,
            progress_bar=progress_bar,
        )
        self.accelerator = self.settings.make_accelerator()
        self.losses: list[float] = []
        self.n_steps_done, self.was_interrupted = 0, False
        parts = (self.objective, self.path, self.settings, self.accelerator)
        self._loop = assemble(model, optimizer, ema, *parts)
        self._base_rates = [float(group["lr"]) for group in self._loop.optimizer.param_groups]
        self._random: Any = None  # states of the global generators, between two fits
        self._n_rows = 0

    # ------------------------------------------------------------ training

    def fit(
        self, data: Any, *, n_steps: int, classes: Any = None, resume: bool = False
    ) -> "Trainer":
        """Train until ``n_steps`` updates are done, those of earlier calls included.

        Ctrl-C stops after the update that is running, with a checkpoint; in several processes at
        the next look at the loss.

        Parameters
        ----------
        data : Tensor of shape (N, ...), array, or map-style dataset
            x_0. A dataset's items are x, (x, class), or dicts with ``x`` (or ``images``, ``image``,
            ``img``, ``pixel_values``) and maybe ``class_labels`` (or ``labels``, ``label``).
        n_steps : int
            Number of the last update.
        classes : LongTensor of shape (N,) or array, optional
            Labels of data in memory.
        resume : bool, default=False
            Whether to go on from the checkpoint in ``folder``.

        Returns
        -------
        Trainer
            Itself.

        Raises
        ------
        FloatingPointError
            If loss, gradients or weights are not finite; the last good checkpoint is kept.
        OSError
            If a checkpoint cannot be written; the old one is kept.
        TypeError, ValueError
            If data are of the wrong kind, shape or range.
        """
        check_integer(OWNER, "n_steps", n_steps, low=1)
        devices = [self.accelerator.device] if self.accelerator.device.type == "cuda" else []
        with torch.random.fork_rng(devices):  # datasets may draw random numbers, too
            examples = self._admit(data, classes, is_resumed=resume)
            self.was_interrupted = False
            set_random_states(self._random, self.settings.seed, self.accelerator)
            with StopRequest() as stop:
                self._run(examples, n_steps, stop)
            self._random = random_states(self.accelerator.device)
        return self

    def _admit(self, data: Any, classes: Any, *, is_resumed: bool) -> Examples:
        """Check data and the files of the run before any work."""
        examples = as_examples(
            data,
            classes,
            self.model,
            device=self.accelerator.device,
            limit=self.settings.limit(self.scheduler),
            n_workers=self.settings.num_workers,
        )
        if is_resumed:
            self._resume(len(examples))
        self._n_rows = len(examples)
        self._shape = try_model(self.model, self.path, examples, self.settings)
        if self.settings.folder is not None and self.accelerator.is_main_process:
            checkpoint.claim(self.settings.folder)
        if self.settings.snapshot_every and self.n_steps_done == 0:
            self._forget()
        return examples

    def _run(self, examples: Examples, n_steps: int, stop: StopRequest) -> None:
        settings, loop = self.settings, self._loop
        first = self.n_steps_done * loop.share.n_pieces
        batches = examples.batches(self._rows(n_steps), seed=settings.seed, first=first)
        records = Records(settings, self.accelerator, self.n_steps_done, n_steps)
        with records:
            while self.n_steps_done < n_steps:
                self._set_rate()
                records.add(loop.take(batches))
                self.n_steps_done += 1
                done = self.n_steps_done
                if done % LEARN_EVERY == 0:
                    loop.learn_levels()
                is_stopped = records.is_alone and stop.is_made
                if records.is_full or is_stopped or done == n_steps or self._is_due(done):
                    self._look(records)
                    is_stopped = records.agree(stop.is_made)
                if self._is_due(done) or is_stopped or done == n_steps:
                    self._write(done, is_last=is_stopped or done == n_steps)
                if is_stopped:
                    self.was_interrupted = True
                    return

    def _rows(self, n_steps: int) -> Iterator[Tensor]:
        """This process's rows of each piece of each batch to come."""
        share, settings = self._loop.share, self.settings
        for step in range(self.n_steps_done, n_steps):
            rows = batch_rows(
                step, n_rows=self._n_rows, batch_size=settings.batch_size, seed=settings.seed
            )
            for piece in range(share.n_pieces):
                start, stop = share.rows(piece)
                yield rows[start:stop]

    def _set_rate(self) -> None:
        if self.settings.lr_schedule is None:
            return
        factor = self.settings.lr_schedule(self.n_steps_done)
        cure = "It multiplies learning_rate."
        check_number(OWNER, "result of lr_schedule", factor, low=0, high=1e6, cure=cure)
        for group, base in zip(self._loop.optimizer.param_groups, self._base_rates, strict=True):
            group["lr"] = base * float(factor)

    def _is_due(self, done: int) -> bool:
        settings = self.settings
        each = (settings.save_every, settings.sample_every, settings.snapshot_every)
        return any(every is not None and done % every == 0 for every in each)

    def _look(self, records: Records) -> None:
        """Read the losses since the last look; stop if one is not finite."""
        found = records.read(self._loop.optimizer.param_groups[0]["lr"])
        bad = [i for i, loss in enumerate(found) if not abs(loss) < float("inf")]
        if bad:
            step = self.n_steps_done - len(found) + bad[0] + 1
            self.losses += found[: bad[0]]
            at = f"got {found[bad[0]]} at update {step}. {self._kept()}"
            cure = "look for NaN in the data, or lower learning_rate."
            raise FloatingPointError(f"{OWNER}: loss and gradients must be finite, {at}; {cure}")
        self.losses += found
        if not self._loop.is_finite():
            at = f"got others by update {self.n_steps_done}. {self._kept()}"
            raise FloatingPointError(f"{OWNER}: weights must be finite, {at}; lower learning_rate.")

    def _kept(self) -> str:
        kept = self.checkpoint_path
        return f"The last good checkpoint is {kept}" if kept else "No checkpoint was kept"

    @property
    def checkpoint_path(self) -> Path | None:
        """The checkpoint in the folder.

        Returns
        -------
        Path or None
            None if there is none.
        """
        folder = self.settings.folder
        path = None if folder is None else folder / "checkpoint.pt"
        return path if path is not None and path.exists() else None

    # ------------------------------------------------------------ files

    def _write(self, done: int, *, is_last: bool) -> None:
        settings = self.settings
        if settings.folder is None:
            return
        if is_last or (settings.save_every and done % settings.save_every == 0):
            state = {**self._loop.state(), **self._progress()}
            if self.accelerator.is_main_process:
                checkpoint.save(settings.folder / "checkpoint.pt", state)
        is_kept = settings.snapshot_every and (is_last or done % settings.snapshot_every == 0)
        if is_kept and self.accelerator.is_main_process:
            snapshots.write(settings.folder, done, self._loop.profiles)
        is_drawn = settings.sample_every and done % settings.sample_every == 0
        if is_drawn and self.accelerator.is_main_process:
            self._draw(settings.seed, settings.folder / f"samples-{done:07d}.png")
        self.accelerator.wait_for_everyone()

    def _forget(self) -> None:
        if self.settings.folder is not None and self.accelerator.is_main_process:
            snapshots.forget_snapshots(self.settings.folder)

    def _progress(self) -> dict[str, Any]:
        from accelerate.utils import gather_object

        return {
            "step": self.n_steps_done,
            "losses": list(self.losses),
            "random": gather_object([random_states(self.accelerator.device)]),
            "identity": self._identity(self._n_rows),
        }

    def _identity(self, n_rows: int) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        ema, n_weights = self._loop.ema, sum(each.numel() for each in self._loop.weights)
        return {
            "seed": self.settings.seed,
            "batch_size": self.settings.batch_size,
            "n_examples": n_rows,
            "model": f"one of {n_weights} weights",
            "optimizer": type(self._loop.optimizer).__name__,
            "objective": repr(self.objective),
            "scheduler": checkpoint.described(self.scheduler),
            "ema": None if ema is None else getattr(ema, "sigma_rel", None) or "of given decay",
            "snapshots": bool(self.settings.snapshot_every),
        }

    def _resume(self, n_rows: int) -> None:
        folder = self.settings.folder
        if folder is None:
            cure = "Pass the folder of the run that is resumed."
            raise ValueError(message(OWNER, "folder", "given with resume=True", None, cure))
        state = checkpoint.load(folder / "checkpoint.pt")
        checkpoint.check_same(state["identity"], self._identity(n_rows))
        self._loop.restore(state)
        for group, rate in zip(self._loop.optimizer.param_groups, self._base_rates, strict=True):
            group["lr"] = rate  # the optimizer's state has that of the old run
        self.n_steps_done, self.losses = state["step"], list(state["losses"])
        states, process = state["random"], self.accelerator.process_index
        self._random = states[process] if process < len(states) else None
