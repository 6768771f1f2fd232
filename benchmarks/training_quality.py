"""Digits after a fixed budget by EDM's objective and by DDPM's, and two processes beside one.

The same small DiT, updates, batches and seeds. Energy distance of 500 samples to held-out digits
after few calls of the network: DDPM's epsilon by DDIM and by DPM-Solver++, EDM by its own Heun
method and by Euler's. DDPM's samplers clip the predicted data to [-1, 1], for at the noisiest level
an error of ε counts 157-fold; EDM's clip nothing. Heun's method takes an odd number of calls, so
one less than an even budget; three steps of it, in five calls, are too long to be stable. The
interval is Student's, over the differences of pairs of one seed (the better of EDM's samplers minus
the better of DDPM's), so below zero EDM is better: it should be, surely, at every budget. The last
table compares the weights of one network that was trained by one process and by two.
"""

import statistics
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

import genextras
from benchmarks.harness import Table
from benchmarks.training import digits
from genextras.denoisers import DiT
from genextras.evaluation import energy_distance
from genextras.training import Trainer, launch

SEEDS, N_STEPS, CALLS, N_SAMPLES = (0, 1, 2), 1000, (5, 10, 20, 50), 500
STUDENT = 4.303  # 97.5% quantile for two degrees of freedom
STD = 0.75  # of the digits
LEVELS = {"sigma_data": STD, "sigma_max": 20.0}
SAMPLERS = {
    "DDPM epsilon, DDIM": lambda: genextras.DDIMScheduler(timestep_spacing="trailing"),
    "DDPM epsilon, DPM-Solver++": lambda: genextras.MultistepScheduler(
        use_karras_sigmas=True, thresholding=True
    ),
    "EDM, Euler": lambda: genextras.EDMScheduler(solver="euler", **LEVELS),
    "EDM, Heun": lambda: genextras.EDMScheduler(solver="heun", **LEVELS),
}


def model(label_scale: float) -> DiT:
    """A transformer of 16 tokens."""
    sizes = {"patch_size": 2, "hidden_size": 64, "num_layers": 3, "num_attention_heads": 4}
    return DiT(8, 1, timestep_scale=label_scale, **sizes)


@cache
def trained(objective: str, seed: int) -> torch.nn.Module:
    """Averaged weights after the budget."""
    torch.manual_seed(seed)
    is_edm = objective == "edm"
    scheduler = SAMPLERS["EDM, Heun"]() if is_edm else genextras.DDPMScheduler()
    network = model(250.0 if is_edm else 1.0)
    options = {"batch_size": 64, "learning_rate": 2e-3, "seed": seed, "progress_bar": False}
    trainer = Trainer(network, scheduler, objective, lr_schedule=falling, **options)
    return trainer.fit(digits()[0], n_steps=N_STEPS).pipeline().unet


def falling(step: int) -> float:
    """Up over 100 updates, then down to nothing."""
    return min(step / 100, 1.0) * (1 - step / N_STEPS)


@torch.no_grad()
def sampled(network: torch.nn.Module, name: str, n_calls: int, seed: int) -> Tensor:
    """Samples after at most so many calls; Heun's method takes two a step, and one in the last."""
    scheduler = SAMPLERS[name]()
    scheduler.set_timesteps((n_calls + 1) // 2 if name.endswith("Heun") else n_calls)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(N_SAMPLES, 1, 8, 8, generator=generator) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        output = network(scheduler.scale_model_input(x, t), t).sample
        x = scheduler.step(output, t, x).prev_sample
    return x


def distances(name: str, n_calls: int) -> list[float]:
    """Energy distance to held-out digits, of each seed."""
    objective, held_out = "edm" if name.startswith("EDM") else "epsilon", digits()[1].flatten(1)
    made = (sampled(trained(objective, seed), name, n_calls, seed) for seed in SEEDS)
    return [energy_distance(each.flatten(1), held_out) for each in made]


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half of its 95% interval."""
    return statistics.mean(values), STUDENT * statistics.stdev(values) / len(values) ** 0.5


def objectives() -> Table:
    """EDM beside DDPM."""
    rows = ["| energy distance | " + " | ".join(f"{n} calls" for n in CALLS) + " |"]
    rows.append("|---|" + "---|" * len(CALLS))
    found = {name: [distances(name, n) for n in CALLS] for name in SAMPLERS}
    for name, columns in found.items():
        cells = (f"{interval(each)[0]:.4f} ± {interval(each)[1]:.4f}" for each in columns)
        rows.append(f"| {name} | {' | '.join(cells)} |")
    gains = []
    for i in range(len(CALLS)):
        pairs = {  # the best sampler of each objective, by its mean
            kind: min((c[i] for n, c in found.items() if n.startswith(kind)), key=statistics.mean)
            for kind in ("DDPM", "EDM")
        }
        gains.append(interval([e - d for e, d in zip(pairs["EDM"], pairs["DDPM"], strict=True)]))
    cells = (f"{mean:+.4f} ± {half:.4f}" for mean, half in gains)
    rows.append(f"| EDM minus DDPM, best of each | {' | '.join(cells)} |")
    return Table("\n".join(rows), all(mean + half < 0 for mean, half in gains))


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
