"""Digits after a fixed budget by EDM's objective and by DDPM's, and two processes beside one.

The same small DiT, updates, batches and seeds. Energy distance of 500 samples to held-out digits
after few calls of the network, by the same three solvers on the same path of DDPM, whose predicted
data are clipped for both objectives; EDM's network takes part in `EDMPreconditioned`. (EDM's own
Heun method spends two calls a step: three steps in five calls are too long to be stable, and say
more about the solver than about the objective.) The interval is Student's, over the differences of
pairs of one seed, so below zero EDM is better: it should be, surely, at every budget, by the best
solver of each. The solvers were chosen on seeds 0 and 1, which are not among the five here. The
last table compares the weights of one network that was trained by one process and by two.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import genextras
from benchmarks.harness import Table
from benchmarks.training import digits
from genextras.denoisers import DiT, EDMPreconditioned
from genextras.evaluation import energy_distance
from genextras.training import Trainer, launch

SEEDS, N_STEPS, CALLS, N_SAMPLES = range(2, 7), 800, (5, 10, 20), 500
STUDENT = 2.776  # 97.5% quantile for four degrees of freedom
STD = 0.75  # of the digits
LEVELS = {"sigma_data": STD, "sigma_max": 20.0}
ADAMS = {"algorithm_type": "adams", "timestep_spacing": "rectified", "kappa": 1 / STD}
SOLVERS: dict[str, Callable[[], Any]] = {
    "DDIM": lambda: genextras.DDIMScheduler(timestep_spacing="trailing"),
    "DPM-Solver++": lambda: genextras.MultistepScheduler(use_karras_sigmas=True, thresholding=True),
    "Adams": lambda: genextras.MultistepScheduler(thresholding=True, **ADAMS),
}
OBJECTIVES = {"EDM": "edm", "DDPM": "epsilon"}


def model(label_scale: float) -> DiT:
    """A transformer of 16 tokens."""
    sizes = {"patch_size": 2, "hidden_size": 64, "num_layers": 3, "num_attention_heads": 4}
    return DiT(8, 1, timestep_scale=label_scale, **sizes)


@cache
def trained(objective: str, seed: int) -> torch.nn.Module:
    """Averaged weights after the budget."""
    torch.manual_seed(seed)
    is_edm = objective == "edm"
    scheduler = genextras.EDMScheduler(**LEVELS) if is_edm else genextras.DDPMScheduler()
    network = model(250.0 if is_edm else 1.0)
    options = {"batch_size": 64, "learning_rate": 2e-3, "seed": seed, "progress_bar": False}
    trainer = Trainer(network, scheduler, objective, lr_schedule=falling, **options)
    return trainer.fit(digits()[0], n_steps=N_STEPS).pipeline().unet


def falling(step: int) -> float:
    """Up over 100 updates, then down to nothing."""
    return min(step / 100, 1.0) * (1 - step / N_STEPS)


@torch.no_grad()
def sampled(network: torch.nn.Module, scheduler: Any, n_calls: int, seed: int) -> Tensor:
    """Samples after so many calls."""
    scheduler.set_timesteps(n_calls)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(N_SAMPLES, 1, 8, 8, generator=generator) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        output = network(scheduler.scale_model_input(x, t), t).sample
        x = scheduler.step(output, t, x).prev_sample
    return x


def distances(objective: str, solver: str, n_calls: int) -> list[float]:
    """Energy distance to held-out digits, of each seed."""
    held_out, found = digits()[1].flatten(1), []
    for seed in SEEDS:
        scheduler, network = SOLVERS[solver](), trained(OBJECTIVES[objective], seed)
        if objective == "EDM":
            network = EDMPreconditioned(network, scheduler, sigma_data=STD)
        made = sampled(network, scheduler, n_calls, seed).flatten(1)
        found.append(energy_distance(made, held_out))
    return found


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half of its 95% interval."""
    return statistics.mean(values), STUDENT * statistics.stdev(values) / len(values) ** 0.5


def objectives() -> Table:
    """EDM beside DDPM."""
    rows = ["| energy distance | " + " | ".join(f"{n} calls" for n in CALLS) + " |"]
    rows.append("|---|" + "---|" * len(CALLS))
    found: dict[str, list[list[list[float]]]] = {}  # by objective, solver, calls, seed
    for objective in OBJECTIVES:
        found[objective] = []
        for solver in SOLVERS:
            columns = [distances(objective, solver, n) for n in CALLS]
            found[objective].append(columns)
            rows.append(row(f"{objective}, {solver}", columns, ".4f"))
    for solver, ours, theirs in zip(SOLVERS, found["EDM"], found["DDPM"], strict=True):
        rows.append(row(f"EDM minus DDPM, {solver}", list(map(gains, ours, theirs)), "+.4f"))
    best = {
        objective: [min(cells, key=statistics.mean) for cells in zip(*columns, strict=True)]
        for objective, columns in found.items()
    }
    apart = list(map(gains, best["EDM"], best["DDPM"]))
    rows.append(row("EDM minus DDPM, best of each", apart, "+.4f"))
    return Table("\n".join(rows), all(sum(interval(each)) < 0 for each in apart))


def gains(ours: list[float], theirs: list[float]) -> list[float]:
    """Differences of pairs of one seed."""
    return [one - other for one, other in zip(ours, theirs, strict=True)]


def row(name: str, columns: list[list[float]], form: str) -> str:
    """A line of the table: means with their intervals."""
    cells = (f"{mean:{form}} ± {half:.4f}" for mean, half in map(interval, columns))
    return f"| {name} | {' | '.join(cells)} |"


def train(folder: Path) -> None:
    """A short run, by however many processes there are."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    options = {"batch_size": 64, "folder": folder, "progress_bar": False}
    trainer = Trainer(model(1.0), genextras.DDPMScheduler(), "epsilon", **options)
    trainer.fit(digits()[0], n_steps=50)


def processes() -> Table:
    """Two processes beside one."""
    with tempfile.TemporaryDirectory() as folder:
        kept = []
        for n in (1, 2):
            launch(train, [Path(folder) / str(n)], num_processes=n)
            kept.append(torch.load(Path(folder) / str(n) / "checkpoint.pt", weights_only=True))
    one, two = (each["model"] for each in kept)
    apart = max((one[name] - two[name]).abs().max().item() for name in one)
    rows = ["| 50 updates, batches of 64 | largest difference of weights |", "|---|---|"]
    rows.append(f"| two processes beside one | {apart:.1e} |")
    return Table("\n".join(rows), apart < 1e-5)


def tables() -> Iterator[Table]:
    """Objectives, then processes."""
    torch.set_num_threads(1)  # small layers run no faster on more
    yield objectives()
    yield processes()
