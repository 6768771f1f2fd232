"""Training of diffusion models: updates a second, beside a loop as diffusers' examples have it.

The same network (a small DiT or U-Net), digits in memory, batches, AdamW, clipping, average of
weights and number of updates. The peer's loop is that of `train_unconditional.py`: accelerate,
`DataLoader`, `add_noise`, `EMAModel`, a progress bar fed with the loss of each update; that script
compiles nothing, so "diffusers' loop" is the peer, and its compiled form shows what is left of the
difference. Ours is `Trainer` with `compile=True` (the DiT: a U-Net takes minutes to compile), and
with its defaults. Forward and backward take four fifths of an update and are the network's own, so
that a loop alone wins little: the last table says where the time of an update goes. Quality is the
error of ε of the averaged weights on held-out digits, at fixed noise.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache, partial
from typing import Any
from unittest.mock import patch

import diffusers
import torch
from accelerate import Accelerator
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset
from tqdm.auto import tqdm

import genextras
from benchmarks.harness import Contest, Contestant, Table, hold
from genextras.denoisers import DiT
from genextras.training import EMAModel as OurEMAModel
from genextras.training import Trainer
from genextras.training import loop as training_loop

RATE, WARMUP, DECAY = 1e-3, 20, 0.95


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Digits in [-1, 1] to train on, and held-out ones."""
    images = torch.tensor(load_digits().data).float().view(-1, 1, 8, 8) / 8 - 1
    images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))]
    return images[:1400], images[1400:]


def dit() -> torch.nn.Module:
    """A transformer of 16 tokens."""
    torch.manual_seed(0)
    return DiT(8, 1, patch_size=2, hidden_size=32, num_layers=4, num_attention_heads=4)


def unet() -> torch.nn.Module:
    """Convolutions on two resolutions."""
    torch.manual_seed(0)
    return diffusers.UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(16, 32),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
    )


def warm(step: int) -> float:
    """Factor on the learning rate, as the host's ``constant_with_warmup``."""
    return min(1.0, step / WARMUP)


def ours(make: Any, *, batch_size: int, n_steps: int, compile: bool = False) -> torch.nn.Module:  # noqa: A002
    """Averaged weights after training by ``Trainer``."""
    model = make()
    trainer = Trainer(
        model,
        genextras.DDPMScheduler(),
        "epsilon",
        batch_size=batch_size,
        learning_rate=RATE,
        lr_schedule=warm,
        compile=compile,
        ema=OurEMAModel(model.parameters(), decay=DECAY),
    )
    trainer.fit(digits()[0], n_steps=n_steps)
    return trainer.pipeline().unet


def plain(
    make: Any,
    *,
    batch_size: int,
    n_steps: int,
    compile: bool = False,  # noqa: A002
) -> torch.nn.Module:
    """Averaged weights after the loop of diffusers' example."""
    accelerator, scheduler, network = Accelerator(), diffusers.DDPMScheduler(), make()
    model = torch.compile(network) if compile else network
    average = EMAModel(model.parameters(), decay=DECAY)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    loader = DataLoader(TensorDataset(digits()[0]), batch_size, shuffle=True, drop_last=True)
    rates = get_scheduler("constant_with_warmup", optimizer, num_warmup_steps=WARMUP)
    model, optimizer, loader, rates = accelerator.prepare(model, optimizer, loader, rates)
    bar, batches = tqdm(total=n_steps), endless(loader)
    for step in range(n_steps):
        clean = next(batches)
        noise = torch.randn(clean.shape)
        labels = torch.randint(0, len(scheduler), (len(clean),)).long()
        noised = scheduler.add_noise(clean, noise, labels)
        with accelerator.accumulate(model):
            loss = mse_loss(model(noised, labels).sample, noise)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rates.step()
            optimizer.zero_grad()
        if accelerator.sync_gradients:
            average.step(model.parameters())
            bar.update(1)
        logs = {"loss": loss.detach().item(), "lr": rates.get_last_lr()[0], "step": step}
        bar.set_postfix(**logs)
    bar.close()
    average.copy_to(network.parameters())
    return network


def endless(loader: Any) -> Iterator[Tensor]:
    """Epoch after epoch."""
    while True:
        for (batch,) in loader:
            yield batch


@torch.no_grad()
def error(model: torch.nn.Module) -> float:
    """Mean squared error of ε on held-out digits, at fixed noise and levels."""
    held_out = digits()[1].repeat(4, 1, 1, 1)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(held_out.shape, generator=generator)
    labels = torch.randint(0, 1000, (len(held_out),), generator=generator)
    noised = diffusers.DDPMScheduler().add_noise(held_out, noise, labels)
    return mse_loss(model.eval()(noised, labels).sample, noise).item()


def tables() -> Iterator[Table]:
    """Digits, by network and batch size; 16 is the batch size of diffusers' example."""
    for make, batch_size, n_steps in ((dit, 16, 250), (dit, 64, 150), (unet, 16, 120)):
        report = hold(contest(make, batch_size, n_steps))
        yield Table(report.markdown(), report.is_fair)
    yield shares()


def contest(make: Any, batch_size: int, n_steps: int) -> Contest:
    """Seconds an update; compilation belongs to the run that is thrown away."""
    options = {"make": make, "batch_size": batch_size, "n_steps": n_steps}
    runs = {
        "genextras, compile=True": partial(ours, compile=True, **options),
        "genextras": partial(ours, **options),
        "diffusers' loop": partial(plain, **options),
        "diffusers' loop, compiled": partial(plain, compile=True, **options),
    }
    if make is unet:  # takes minutes to compile
        runs = {key: run for key, run in runs.items() if "compile" not in key}
    name = "DiT" if make is dit else "U-Net"
    return Contest(
        task=f"{name} on digits, batches of {batch_size}: seconds an update",
        contestants=[Contestant(name=key, run=run, quality=error) for key, run in runs.items()],
        quality_name="error of ε",
        tolerance=0.02,
        units=n_steps,
    )


def shares() -> Table:
    """Share of an update's processor time that each part takes, of the DiT without compilation."""
    options = {"batch_size": 16, "progress_bar": False}
    trainer = Trainer(dit(), genextras.DDPMScheduler(), "epsilon", **options)
    loop = trainer.fit(digits()[0], n_steps=20)._loop
    parts = {
        "forward": (loop.network, "module"),
        "backward": (loop.accelerator, "backward"),
        "clipping": (training_loop, "clip"),
        "AdamW": (loop.optimizer, "step"),
        "average of weights": (loop.ema, "step"),
        "levels, noise, data, loss": (loop, "take"),  # all, less the others
    }
    spent = dict.fromkeys(parts, 0.0)
    with ExitStack() as stack:
        for part, (owner, name) in parts.items():
            with_clock = timed(getattr(owner, name), part, spent)
            stack.enter_context(patch.object(owner, name, with_clock))
        trainer.fit(digits()[0], n_steps=220)
    *inner, outer = parts
    whole = spent[outer]
    spent[outer] -= sum(spent[part] for part in inner)
    rows = ["| part of an update, DiT, batches of 16 | share |", "|---|---|"]
    rows += [f"| {part} | {seconds / whole:.0%} |" for part, seconds in spent.items()]
    return Table("\n".join(rows), is_fair=True)


def timed(run: Any, part: str, spent: dict[str, float]) -> Any:
    """The same function, its processor time added up."""

    def with_clock(*arguments: Any, **words: Any) -> Any:
        start = time.process_time()
        try:
            return run(*arguments, **words)
        finally:
            spent[part] += time.process_time() - start

    return with_clock
