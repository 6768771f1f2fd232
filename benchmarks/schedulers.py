"""Schedulers: the cost of a step besides the network, one torch thread.

Seconds are for one call. Quality is the largest difference from the result of diffusers on the same
noise, relative to the largest entry; in bfloat16 that is what the peer rounds on its way.
"""

from collections.abc import Callable, Iterator
from functools import partial

import diffusers
import torch

import genextras
from benchmarks.harness import Contest, Contestant

SIZES = {"1x4x64x64": (1, 4, 64, 64), "4x3x256x256": (4, 3, 256, 256)}
STEPS, LOOPS, REPEATS = 50, 4, 500
FREE = {"clip_sample": False}
HOST = {"compat": "diffusers"}
# name: (ours, its options), (the peer, its options)
PAIRS = {
    "DDIM": (("DDIMScheduler", FREE), ("DDIMScheduler", FREE)),
    "DDIM, clipped": (("DDIMScheduler", {}), ("DDIMScheduler", {})),
    "DDPM, clipped": (("DDPMScheduler", {}), ("DDPMScheduler", {})),
    "EDM Euler": (("EDMScheduler", {"solver": "euler", **HOST}), ("EDMEulerScheduler", {})),
    "DPM++ 2M": (("MultistepScheduler", HOST), ("DPMSolverMultistepScheduler", {})),
    "DPM++ 3M": (
        ("MultistepScheduler", {"solver_order": 3, **HOST}),
        ("DPMSolverMultistepScheduler", {"solver_order": 3}),
    ),
    "flow Euler": (("FlowMatchScheduler", HOST), ("FlowMatchEulerDiscreteScheduler", {})),
    "flow Heun": (
        ("FlowMatchScheduler", {"solver": "heun", **HOST}),
        ("FlowMatchHeunDiscreteScheduler", {}),
    ),
}
HALVES = ("DDIM", "DDIM, clipped", "DDPM, clipped")
TABLES = ("DDIM", "EDM Euler", "DPM++ 2M", "flow Euler")


def contests() -> Iterator[Contest]:
    """Steps at two sizes, noise for a batch, and making the table."""
    torch.set_num_threads(1)
    for name in PAIRS:
        for label, shape in SIZES.items():
            work = partial(loops, shape=shape, dtype=torch.float32)
            yield duel(f"{name}: step, {label}", name, work, units=STEPS * LOOPS)
    for name in HALVES:
        for label, shape in SIZES.items():
            work = partial(loops, shape=shape, dtype=torch.bfloat16)
            task = f"{name}: step, {label}, bfloat16"
            yield duel(task, name, work, units=STEPS * LOOPS, tolerance=0.1)
    yield duel("DDPM: add_noise, 16x3x32x32", "DDPM, clipped", noise_a_batch, units=REPEATS)
    for name in TABLES:
        warm, cold = partial(make_table, request=False), partial(make_table, request=True)
        yield duel(f"{name}: set_timesteps(50) again", name, warm, units=REPEATS)
        yield duel(f"{name}: set_timesteps(50) anew, and a step", name, cold, units=REPEATS)


def duel(task: str, name: str, work: Callable, *, units: int, tolerance: float = 1e-4) -> Contest:
    """The same work with our scheduler and with its peer."""
    (ours, options), (peer, peers_options) = PAIRS[name]
    makers = {
        f"genextras.{ours}": partial(getattr(genextras, ours), **options),
        f"diffusers.{peer}": partial(getattr(diffusers, peer), **peers_options),
    }
    expected = work(makers[f"diffusers.{peer}"]()).double()
    scale = expected.abs().max()
    return Contest(
        task=task,
        units=units,
        quality_name="difference",
        tolerance=tolerance,
        rounds=7,
        contestants=[
            Contestant(
                name=label,
                run=partial(work, make()),
                quality=lambda result: float((result - expected).abs().max() / scale),
            )
            for label, make in makers.items()
        ],
    )


def loops(scheduler, *, shape, dtype) -> torch.Tensor:
    """Whole sampling loops with a network that costs nothing: it takes x itself for its answer."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(shape, generator=generator).to(dtype)
    words = {} if "Heun" in type(scheduler).__name__ else {"generator": generator}
    scales = hasattr(scheduler, "scale_model_input")
    for _ in range(LOOPS):
        x = start
        scheduler.set_timesteps(STEPS)
        for t in scheduler.timesteps:
            if scales:
                scheduler.scale_model_input(x, t)
            x = scheduler.step(x, t, x, return_dict=False, **words)[0]
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


def make_table(scheduler, *, request: bool) -> torch.Tensor:
    """Choose fifty steps, as before or with another request in between and the first step."""
    x = torch.zeros(1, 1, 1, 1)
    for _ in range(REPEATS):
        if request and hasattr(scheduler, "_request"):
            scheduler._request = None  # as if nothing had been asked before
        scheduler.set_timesteps(STEPS)
        if request:
            if hasattr(scheduler, "scale_model_input"):
                scheduler.scale_model_input(x, scheduler.timesteps[0])
            scheduler.step(x, scheduler.timesteps[0], x, return_dict=False)
    return scheduler.timesteps.float()
