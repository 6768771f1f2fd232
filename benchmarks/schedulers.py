"""Schedulers: the cost of a step besides the network, one torch thread.

Seconds are for one call of ``scale_model_input`` and ``step``. Quality is the largest difference
from the result of diffusers on the same noise, relative to the largest entry; in bfloat16 that is
what the peer rounds on its way. "by hand" are the fewest operations of torch that compute the same
steps.
"""

import inspect
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import diffusers
import torch

import genextras
from benchmarks.harness import Contest, Contestant

SIZES = {"1x4x64x64": (1, 4, 64, 64), "4x3x256x256": (4, 3, 256, 256)}
STEPS, LOOPS, REPEATS = 50, 4, 500
MANY, FEW = 51, 15  # runs take milliseconds, and clocks move between them
FREE = {"clip_sample": False}
HOST = {"compat": "diffusers"}
KARRAS = {"use_karras_sigmas": True}
ENDS = {"sigma_min": 0.010000500, "sigma_max": 157.40698}  # of linear betas
# name: (ours, its options), (the peer, its options)
PAIRS = {
    "DDIM": (("DDIMScheduler", FREE), ("DDIMScheduler", FREE)),
    "DDIM, clipped": (("DDIMScheduler", {}), ("DDIMScheduler", {})),
    "DDPM, clipped": (("DDPMScheduler", {}), ("DDPMScheduler", {})),
    "EDM Euler": (("EDMScheduler", {"solver": "euler", **HOST}), ("EDMEulerScheduler", {})),
    "Euler": (
        ("EDMScheduler", {"solver": "euler", "precondition": False, **ENDS}),
        ("EulerDiscreteScheduler", KARRAS),
    ),
    "Heun": (
        ("EDMScheduler", {"precondition": False, **ENDS}),
        ("HeunDiscreteScheduler", {**KARRAS, "beta_start": 1e-4, "beta_end": 0.02}),
    ),
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
    "predictor of order 3 with a free corrector": (
        (
            "MultistepScheduler",
            {"algorithm_type": "adams", "solver_order": 3, "corrector_order": 3},
        ),
        ("UniPCMultistepScheduler", {"solver_order": 3}),
    ),
}
OTHERS = ("predictor of order 3 with a free corrector",)  # another method: nothing to be equal to
HALVES = ("DDIM", "DDIM, clipped", "DDPM, clipped")
TABLES = ("DDIM", "EDM Euler", "DPM++ 2M", "flow Euler")
BY_HAND = ("DDIM", "EDM Euler", "flow Euler")


def contests() -> Iterator[Contest]:
    """Steps at two sizes, noise for a batch, and making the table."""
    torch.set_num_threads(1)
    for name in PAIRS:
        for label, shape in SIZES.items():
            work = partial(loops, shape=shape, dtype=torch.float32)
            tolerance = math.inf if name in OTHERS else 1e-4
            task = f"{name}: step, {label}"
            yield duel(task, name, work, units=STEPS * LOOPS, tolerance=tolerance)
    for name in HALVES:
        for label, shape in SIZES.items():
            work = partial(loops, shape=shape, dtype=torch.bfloat16)
            task = f"{name}: step, {label}, bfloat16"
            yield duel(task, name, work, units=STEPS * LOOPS, tolerance=0.1)
    yield duel("DDPM: add_noise, 16x3x32x32", "DDPM, clipped", noise_a_batch, units=REPEATS)
    for name in TABLES:
        warm, cold = partial(make_table, is_new=False), partial(make_table, is_new=True)
        yield duel(f"{name}: set_timesteps(50) again", name, warm, units=REPEATS)
        yield duel(f"{name}: set_timesteps(50) anew, and a step", name, cold, units=REPEATS)


def duel(task: str, name: str, work: Callable, *, units: int, tolerance: float = 1e-4) -> Contest:
    """The same work with our scheduler and with its peer."""
    (ours, options), (peer, peers_options) = PAIRS[name]
    makers = {
        f"genextras.{ours}": partial(getattr(genextras, ours), **options),
        f"diffusers.{peer}": partial(getattr(diffusers, peer), **peers_options),
    }
    if name in BY_HAND and ": step, " in task and "bfloat16" not in task:
        makers["by hand"] = partial(ByHand, makers[f"genextras.{ours}"])
    expected = work(makers[f"diffusers.{peer}"]()).double()
    scale = expected.abs().max()
    return Contest(
        task=task,
        units=units,
        quality_name="difference",
        tolerance=tolerance,
        rounds=FEW if "256x256" in task else MANY,
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
    has_noise = "generator" in inspect.signature(scheduler.step).parameters
    words = {"generator": generator} if has_noise else {}
    scaled = getattr(scheduler, "scale_model_input", lambda x, t: x)
    for _ in range(LOOPS):
        scheduler.set_timesteps(STEPS)
        x = start * getattr(scheduler, "init_noise_sigma", 1.0)
        for t in scheduler.timesteps:
            x = scheduler.step(scaled(x, t), t, x, return_dict=False, **words)[0]
    return x


class ByHand:
    """A loop of a deterministic one-step scheduler, its numbers read off and written out."""

    def __init__(self, make: Callable[[], Any]) -> None:
        scheduler = make()
        scheduler.set_timesteps(STEPS)
        self.timesteps = range(STEPS)
        self.init_noise_sigma = float(scheduler.init_noise_sigma)
        one, zero = torch.ones(1), torch.zeros(1)
        self._lines, self._scales = [], []
        for t in scheduler.timesteps:
            lead, gain = (
                scheduler.step(F, t, x, return_dict=False)[0] for F, x in ((zero, one), (one, zero))
            )
            self._scales.append(scheduler.scale_model_input(one, t)[0])
            self._lines.append((None if lead == 1 else lead[0], float(gain)))

    def set_timesteps(self, n_steps: int) -> None:
        """Nothing to choose."""

    def scale_model_input(self, x: torch.Tensor, t: int) -> torch.Tensor:
        return x if self._scales[t] == 1 else torch.mul(x, self._scales[t])

    def step(self, F: torch.Tensor, t: int, x: torch.Tensor, return_dict: bool) -> tuple:
        lead, gain = self._lines[t]
        if lead is None:
            return (torch.add(x, F, alpha=gain),)
        return (torch.mul(x, lead).add_(F, alpha=gain),)


def noise_a_batch(scheduler) -> torch.Tensor:
    """Noise of another level for each of sixteen samples."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(16, 3, 32, 32, generator=generator)
    noise = torch.randn(16, 3, 32, 32, generator=generator)
    t = torch.randint(1000, (16,), generator=generator)
    for _ in range(REPEATS):
        noisy = scheduler.add_noise(clean, noise, t)
    return noisy


def make_table(scheduler, *, is_new: bool) -> torch.Tensor:
    """Choose fifty steps: as before, or another number than before and everything for a step."""
    x = torch.zeros(1, 1, 1, 1)
    for i in range(REPEATS):
        scheduler.set_timesteps(STEPS - (i % 2 if is_new else 0))
        if is_new:
            if hasattr(scheduler, "scale_model_input"):
                scheduler.scale_model_input(x, scheduler.timesteps[0])
            scheduler.step(x, scheduler.timesteps[0], x, return_dict=False)
    scheduler.set_timesteps(STEPS)
    return scheduler.timesteps.float()
