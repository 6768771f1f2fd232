"""Schedulers: what a number of model calls is worth, with networks that are exact.

On each bed the denoiser is known in closed form, so the only error is the sampler's. "excess W2" is
the sliced Wasserstein distance between the samples and what the exact probability flow makes of the
same noise; "ODE error" is the root mean square distance from it, the median over samples; both in
units of data, whose standard deviation is about 0.5. Ours is one rule for all: Adams-Bashforth of
order 2 in σ / (1 + κσ) on its own grid with κ = 1 / std of data, from 8 calls on with the free
corrector of order 3, from 16 on with order 3. Peers are asked with several grids; azula takes part
where it is installed.
"""

import importlib.util
import math
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import diffusers
import numpy as np
import torch
from torch import Tensor

import genextras
from benchmarks.harness import Contest, Contestant
from benchmarks.scheduler_beds import (
    Bed,
    digits,
    distance_of_laws,
    error_of_samples,
    manifold,
    ring,
)

CALLS = (5, 10, 20, 50)
QUALITIES = {"excess W2": distance_of_laws, "ODE error": error_of_samples}
SIGMA_DATA = 0.5  # of the preconditioning

# name: (class of diffusers, its options, how it is asked)
PEERS = {
    "DDIM": ("DDIMScheduler", {"clip_sample": False, "timestep_spacing": "trailing"}, "labels"),
    "Euler, Karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}, "labels"),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {"timestep_spacing": "trailing"}, "labels"),
    "DPM++ 2M, Karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}, "labels"),
    "DPM++ 2M, Lu": ("DPMSolverMultistepScheduler", {"use_lu_lambdas": True}, "labels"),
    "UniPC": ("UniPCMultistepScheduler", {"timestep_spacing": "trailing"}, "labels"),
    "UniPC, Karras": ("UniPCMultistepScheduler", {"use_karras_sigmas": True}, "labels"),
    "EDM DPM++ 2M": ("EDMDPMSolverMultistepScheduler", {}, "log sigma"),
    "EDM Euler": ("EDMEulerScheduler", {}, "log sigma"),
    "flow Euler": ("FlowMatchEulerDiscreteScheduler", {}, "time"),
}


def contests() -> Iterator[Contest]:
    """Every bed, both measures, four numbers of calls."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="diffusers")
    for make_bed in (ring, manifold, digits):
        bed = make_bed()
        for n_calls in CALLS:
            for quality in QUALITIES:
                yield contest(bed, n_calls, quality)


def contest(bed: Bed, n_calls: int, quality: str) -> Contest:
    """All samplers with so many calls, beside the exact flow from where each starts."""
    runs: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
        "genextras: Adams": partial(sample, ours(bed, n_calls), "labels", bed, n_calls)
    }
    for name, (peer, options, asked) in PEERS.items():
        scheduler = getattr(diffusers, peer)(**options)
        runs[f"diffusers: {name}"] = partial(sample, scheduler, asked, bed, n_calls)
    if importlib.util.find_spec("azula"):
        for sampler, order in (("vAB", 2), ("vAB", 3), ("REAB", 2)):
            runs[f"azula: {sampler}{order}"] = partial(sample_azula, sampler, order, bed, n_calls)
    measure = QUALITIES[quality]
    return Contest(
        task=f"{bed.name}: {quality} after {n_calls} calls",
        quality_name=quality,
        tolerance=0.0,
        contestants=[
            Contestant(name=name, run=run, quality=lambda result: measure(*result))
            for name, run in runs.items()
        ],
    )


def our_orders(n_calls: int) -> dict[str, int]:
    """Orders of predictor and corrector."""
    return {"solver_order": 2 if n_calls < 16 else 3, "corrector_order": 0 if n_calls < 8 else 3}


def ours(bed: Bed, n_calls: int) -> genextras.MultistepScheduler:
    return genextras.MultistepScheduler(
        algorithm_type="adams",
        timestep_spacing="rectified",
        kappa=1 / bed.std,
        **our_orders(n_calls),
    )


def sample(scheduler, asked: str, bed: Bed, n_calls: int) -> tuple[Tensor, Tensor]:
    """Samples, and what they should be."""
    scheduler.set_timesteps(n_calls)
    network = NETWORKS[asked](scheduler, bed)
    scales = hasattr(scheduler, "scale_model_input")
    start = x = bed.noise * float(getattr(scheduler, "init_noise_sigma", 1.0))
    for t in scheduler.timesteps:
        output = network(scheduler.scale_model_input(x, t) if scales else x, float(t))
        x = scheduler.step(output, t, x, return_dict=False)[0]
    return x, bed.exact(*first_level(scheduler, asked, start, bed))


def first_level(scheduler, asked: str, start: Tensor, bed: Bed) -> tuple[Tensor, float]:
    """The start as x_0 + σε, and its σ."""
    if asked == "time":  # all noise: any σ is as good that leaves nothing of data
        return bed.noise * 3e3, 3e3
    if asked == "log sigma":
        return start, float(scheduler.sigmas[0])
    sigma = known_sigmas(scheduler)[int(scheduler.timesteps[0])]
    is_scaled = isinstance(scheduler, diffusers.EulerDiscreteScheduler)
    return start if is_scaled else start * math.sqrt(1 + sigma**2), float(sigma)


def known_sigmas(scheduler) -> np.ndarray:
    shares = scheduler.alphas_cumprod.double().numpy()
    return np.sqrt((1 - shares) / shares)


def epsilon_network(scheduler, bed: Bed) -> Callable[[Tensor, float], Tensor]:
    """ε from x of unit variance and a label of the β schedule, between two of them by log σ."""
    logs = np.log(known_sigmas(scheduler))

    def network(x: Tensor, label: float) -> Tensor:
        sigma = math.exp(np.interp(label, np.arange(len(logs)), logs))
        noisy = x * math.sqrt(1 + sigma**2)
        return (noisy - bed.denoise(noisy, sigma)) / sigma

    return network


def edm_network(scheduler, bed: Bed) -> Callable[[Tensor, float], Tensor]:
    """F of EDM's preconditioning, asked at log(σ) / 4."""

    def network(x: Tensor, label: float) -> Tensor:
        sigma = math.exp(4 * label)
        norm = math.hypot(sigma, SIGMA_DATA)
        noisy = x * norm
        skipped = SIGMA_DATA**2 / norm**2 * noisy
        return (bed.denoise(noisy, sigma) - skipped) * norm / (sigma * SIGMA_DATA)

    return network


def flow_network(scheduler, bed: Bed) -> Callable[[Tensor, float], Tensor]:
    """ε - x_0 at a label of 1000 t; at t = 1, where x says nothing, x_0 is the mean of data."""

    def network(x: Tensor, label: float) -> Tensor:
        time = min(label / 1000, 1 - 1e-6)
        return (x - bed.denoise(x / (1 - time), time / (1 - time))) / time

    return network


NETWORKS = {"labels": epsilon_network, "log sigma": edm_network, "time": flow_network}


def sample_azula(kind: str, order: int, bed: Bed, n_calls: int) -> tuple[Tensor, Tensor]:
    """A sampler of azula on its rectified schedule, which ends at σ = 0.001."""
    from azula import denoise, noise, sample

    class Exact(denoise.Denoiser):
        def __init__(self) -> None:
            super().__init__()
            self.schedule = noise.RectifiedSchedule()

        def forward(self, x_t: Tensor, t: Tensor) -> denoise.DiracPosterior:
            alpha, sigma = (float(each) for each in self.schedule(t))
            return denoise.DiracPosterior(bed.denoise(x_t / alpha, sigma / alpha))

    denoiser = Exact()
    alpha, sigma = (float(each) for each in denoiser.schedule(torch.ones((), dtype=torch.float64)))
    make = getattr(sample, f"{kind}Sampler")
    sampler = make(denoiser, order=order, steps=n_calls, silent=True, dtype=torch.float64)
    start = bed.noise * sigma
    return sampler(start), bed.exact(start / alpha, sigma / alpha)
