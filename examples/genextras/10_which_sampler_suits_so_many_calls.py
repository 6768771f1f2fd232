"""Which sampler suits so many calls of the network?

The data are a spiral in the plane, a mixture of narrow Gaussians, so the network is exact and what
is left is the sampler's error. compare_samplers starts all of them from the same noise and sets
their energy distance to data beside the calls they made; Heun's method asks twice a step. The table
is printed, the picture is in out/samplers.png.
"""

from pathlib import Path

import torch

import genextras
from genextras.evaluation import compare_samplers

torch.set_num_threads(1)
RANDOM, WIDTH, N = torch.Generator().manual_seed(0), 0.02, 300
turns = torch.linspace(0.5, 2.0, N).double() * 2 * torch.pi
CENTRES = torch.stack([turns.cos(), turns.sin()], 1) * turns[:, None] / 12  # (N, 2)
rows = torch.randint(N, (500,), generator=RANDOM)
DATA = CENTRES[rows] + WIDTH * torch.randn(500, 2, generator=RANDOM)


def denoised(y, sigma):
    """E[x_0 | x_0 + σε = y]: each centre pulls with its posterior probability."""
    spread = WIDTH**2 + sigma**2
    shares = torch.softmax(-torch.cdist(y, CENTRES).square() / (2 * spread), dim=1)
    return (WIDTH**2 * y + sigma**2 * (shares @ CENTRES)) / spread


def epsilon(x, label):
    """E[ε | x] at a label of DDPM's levels."""
    share = SAMPLERS["DDIM"].alphas_cumprod[int(label)].double()
    sigma = ((1 - share) / share).sqrt()
    y = x / share.sqrt()
    return (y - denoised(y, sigma)) / sigma


def edm(x, label):
    """E[x_0 | x] at the label log(σ)/4, x scaled by 1/√(σ² + 1)."""
    sigma = (4 * label.double()).exp()
    return denoised(x * (sigma**2 + 1).sqrt(), sigma)


SAMPLERS = {
    "DDPM": genextras.DDPMScheduler(clip_sample=False, timestep_spacing="trailing"),
    "DDIM": genextras.DDIMScheduler(clip_sample=False, timestep_spacing="trailing"),
    "DPM-Solver++": genextras.MultistepScheduler(timestep_spacing="trailing"),
    "EDM, Heun": genextras.EDMScheduler(precondition=False, prediction_type="sample"),
}
MODELS = {name: edm if "EDM" in name else epsilon for name in SAMPLERS}
result = compare_samplers(MODELS, SAMPLERS, [5, 9, 17], data=DATA, generator=RANDOM)
print(result)
Path("out").mkdir(exist_ok=True)
result.plot().figure_.savefig("out/samplers.png")
last = {name: result.summary(name)[0][-1] for name in SAMPLERS}
assert last["DPM-Solver++"] < last["DDIM"] < last["DDPM"]
