"""Training of diffusion models: updates a second, beside a loop as diffusers' examples have it.

The same network (a small DiT or U-Net), digits in memory, batches, AdamW, clipping, average of
weights and number of updates. The peer's loop is that of `train_unconditional.py`: accelerate,
`DataLoader`, `add_noise`, `EMAModel`, a progress bar fed with the loss of each update. Ours is
`Trainer` with its defaults, compiled and not. Quality is the error of ε of the averaged weights on
held-out digits, at fixed noise.
"""

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

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
from benchmarks.harness import Contest, Contestant
from genextras.denoisers import DiT
from genextras.training import EMAModel as OurEMAModel
from genextras.training import Trainer

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


def contests() -> Iterator[Contest]:
    """Digits, by network and batch size; 16 is the batch size of diffusers' example."""
    for batch_size, n_steps in ((16, 400), (64, 300)):
        options = {"make": dit, "batch_size": batch_size, "n_steps": n_steps}
        runs = {
            "genextras, compile=True": partial(ours, compile=True, **options),
            "genextras": partial(ours, **options),
            "diffusers' loop, compiled": partial(plain, compile=True, **options),
            "diffusers' loop": partial(plain, **options),
        }
        yield contest(f"DiT on digits, batches of {batch_size}", runs, n_steps)
    options = {"make": unet, "batch_size": 16, "n_steps": 300}
    runs = {"genextras": partial(ours, **options), "diffusers' loop": partial(plain, **options)}
    yield contest("U-Net on digits, batches of 16", runs, 300)


def contest(task: str, runs: dict[str, Any], n_steps: int) -> Contest:
    """Seconds an update; compilation belongs to the run that is thrown away."""
    makers = runs.items()
    return Contest(
        task=f"{task}: seconds an update",
        contestants=[Contestant(name=name, run=run, quality=error) for name, run in makers],
        quality_name="error of ε",
        tolerance=0.02,
        units=n_steps,
    )
