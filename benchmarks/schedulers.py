"""Schedulers: the cost of a step besides the network, one torch thread, float32.

Seconds are for one call. Quality is the largest difference from the result of diffusers on the same
noise, relative to the largest entry.
"""

from collections.abc import Callable, Iterator
from functools import partial

import diffusers
import torch

import genextras
from benchmarks.harness import Contest, Contestant

SIZES = {"1x4x64x64": (1, 4, 64, 64), "4x3x256x256": (4, 3, 256, 256)}
NAMES = ("DDIMScheduler", "DDPMScheduler")
STEPS, LOOPS, REPEATS = 50, 10, 500


def contests() -> Iterator[Contest]:
    """Steps at two sizes, noise for a batch, and making the table."""
    torch.set_num_threads(1)
    for name in NAMES:
        for label, shape in SIZES.items():
            yield duel(
                f"{name}.step, {label}", name, partial(loops, shape=shape), units=STEPS * LOOPS
            )
    for name in NAMES:
        yield duel(f"{name}.add_noise, 16x3x32x32", name, noise_a_batch, units=REPEATS)
        yield duel(f"{name}.set_timesteps(50)", name, make_table, units=REPEATS)


def duel(task: str, name: str, work: Callable, *, units: int) -> Contest:
    """The same work with our scheduler and with diffusers'."""
    makers = {module.__name__: getattr(module, name) for module in (genextras, diffusers)}
    expected = work(makers["diffusers"]()).double()
    scale = expected.abs().max()
    return Contest(
        task=task,
        units=units,
        quality_name="difference",
        tolerance=1e-5,
        rounds=7,
        contestants=[
            Contestant(
                name=f"{module}.{name}",
                run=partial(work, make()),
                quality=lambda result: float((result - expected).abs().max() / scale),
            )
            for module, make in makers.items()
        ],
    )


def loops(scheduler, *, shape) -> torch.Tensor:
    """Whole sampling loops with a network that costs nothing: it takes x itself for the noise."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(shape, generator=generator)
    for _ in range(LOOPS):
        x = start
        scheduler.set_timesteps(STEPS)
        for t in scheduler.timesteps:
            x = scheduler.step(x, t, x, generator=generator, return_dict=False)[0]
    return x


def noise_a_batch(scheduler) -> torch.Tensor:
    """Noise of another level for each of sixteen samples."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(16, 3, 32, 32, generator=generator)
    noise = torch.randn(16, 3, 32, 32, generator=generator)
    t = torch.randint(1000, (16,), generator=generator)
    for _ in range(REPEATS):
        noisy = scheduler.add_noise(clean, noise, t)
    return noisy


def make_table(scheduler) -> torch.Tensor:
    """Choose fifty steps."""
    for _ in range(REPEATS):
        scheduler.set_timesteps(STEPS)
    return scheduler.timesteps
