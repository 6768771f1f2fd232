"""How good are pictures after ten calls of the network?

The data are digits, one Gaussian a class, whose best denoiser is known: the only error is the
sampler's, the median distance to where the exact flow takes the same noise. "Chosen" is Adams on a
grid from optimise_grid. Prints the errors, draws them into out/quality_against_calls.png.
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import genextras

CALLS, (IMAGES, CLASSES) = (5, 10, 20), load_digits(return_X_y=True)
GROUPS = [IMAGES[k == CLASSES] / 8 - 1 for k in range(10)]  # in [-1, 1]
MEANS = torch.tensor(np.stack([group.mean(0) for group in GROUPS]))
VALUES, AXES = torch.linalg.eigh(torch.tensor(np.stack([np.cov(each.T) for each in GROUPS])))
VALUES = VALUES.clamp(min=0) + 0.01  # a little blur: some pixels never change
ADAMS = {"algorithm_type": "adams", "solver_order": 3, "kappa": 2.0}
SAMPLERS = {"DPM-Solver++": genextras.MultistepScheduler(use_karras_sigmas=True)}
SAMPLERS["DDIM"] = genextras.DDIMScheduler(clip_sample=False, timestep_spacing="trailing")
SAMPLERS["chosen"] = genextras.MultistepScheduler(**ADAMS)
LOGS = 0.5 * np.log(1 / SAMPLERS["DDIM"].alphas_cumprod.double().numpy() - 1)  # log σ by label
DATA = torch.tensor(IMAGES[:64] / 8 - 1).view(-1, 1, 8, 8)


def network(x, t):
    """E[ε | x]: each class pulls with its posterior probability."""
    sigma = float(np.exp(np.interp(float(t), range(1000), LOGS)))
    y, variance = x.flatten(1) * (1 + sigma**2) ** 0.5, VALUES + sigma**2  # (B, 64), (10, 64)
    turned = torch.einsum("kij,bki->bkj", AXES, y[:, None] - MEANS)
    weights = torch.softmax(-0.5 * (turned**2 / variance + variance.log()).sum(2), dim=1)
    data = MEANS + torch.einsum("kij,bkj->bki", AXES, turned * VALUES / variance)
    return ((y - (weights[:, :, None] * data).sum(1)) / sigma).view_as(x)


def run(name, n):  # from the same noise
    scheduler, random = SAMPLERS[name], torch.Generator().manual_seed(0)
    scheduler.set_timesteps(n)
    if name == "chosen":
        options = {"scheduler": scheduler, "order": 2, "generator": random}
        scheduler.set_timesteps(sigmas=genextras.optimise_grid(network, DATA, n, **options).sigmas)
    x = torch.randn(DATA.shape, generator=random.manual_seed(1)).double()
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, t), t, x).prev_sample
    return x


axes, exact, error = Figure().subplots(), run("DPM-Solver++", 300), {}
for name in SAMPLERS:
    error[name] = [(run(name, n) - exact).flatten(1).norm(dim=1).median().item() / 8 for n in CALLS]
    print(f"{name:13} after {CALLS} calls:", *(f"{each:.4f}" for each in error[name]))
    axes.loglog(CALLS, error[name], "o-", label=name)
axes.legend(title="distance to the exact flow against calls")
Path("out").mkdir(exist_ok=True)
axes.figure.savefig("out/quality_against_calls.png")
assert error["chosen"][1] < min(error["DDIM"][1], error["DPM-Solver++"][1]) / 2
