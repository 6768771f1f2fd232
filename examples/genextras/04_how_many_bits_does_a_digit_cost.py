"""How many bits does a digit cost?

A diffusion model knows the density of its data: genextras.likelihood follows the probability flow
and adds up how it stretches space. The data are digits of 4 x 4, one Gaussian a class, so the exact
density is known too. Printed are bits per pixel, for three families of models.
"""

import math
from functools import partial

import numpy as np
import torch
from sklearn.datasets import load_digits

import genextras

IMAGES, CLASSES = load_digits(return_X_y=True)
SMALL = torch.tensor(IMAGES).view(-1, 4, 2, 4, 2).mean((2, 4)).flatten(1) / 8 - 1  # (1797, 16)
GROUPS = [SMALL[torch.tensor(k == CLASSES)] for k in range(10)]
MEANS = torch.stack([group.mean(0) for group in GROUPS])
MOMENTS = torch.stack([torch.cov(group.T) + 0.01 * torch.eye(16) for group in GROUPS])
VALUES, AXES = torch.linalg.eigh(MOMENTS)
SCHEDULERS = {
    "variance preserving": genextras.DDPMScheduler(),
    "variance exploding": genextras.SDEScheduler(sde="ve", prediction_type="epsilon"),
    "rectified flow": genextras.FlowMatchScheduler(),
}
SHARES = SCHEDULERS["variance preserving"].alphas_cumprod.double().numpy()
LEVELS = {  # (a, b) of x = a x_0 + b ε at a label; DDPM's between whole labels by log σ
    "variance preserving": lambda t: unit(np.interp(t, range(1000), np.log(1 / SHARES - 1) / 2)),
    "variance exploding": lambda t: (1.0, t),
    "rectified flow": lambda t: (1 - t / 1000, t / 1000),
}


def unit(log_sigma):
    return 1 / math.hypot(1, math.exp(log_sigma)), 1 / math.hypot(1, math.exp(-log_sigma))


def network(x, t, name):
    """What a perfect network says: E[ε | x], or E[ε - x_0 | x] for the flow."""
    a, b = LEVELS[name](t.item())
    y, variance = x / a, VALUES + (b / a) ** 2
    turned = torch.einsum("kij,bki->bkj", AXES, y[:, None] - MEANS)
    weights = torch.softmax(-0.5 * (turned**2 / variance + variance.log()).sum(2), dim=1)
    data = MEANS + torch.einsum("kij,bkj->bki", AXES, turned * VALUES / variance)
    data = (weights[:, :, None] * data).sum(1)
    return (x - a * data) / b - (data if name == "rectified flow" else 0)


laws, found = torch.distributions.MultivariateNormal(MEANS, MOMENTS), {}
digits, turned = SMALL[:8], SMALL[:8].flip(1)
for name, x in [*dict.fromkeys(SCHEDULERS, digits).items(), ("rectified flow", turned)]:
    known = (laws.log_prob(x[:, None]).logsumexp(1) - math.log(10)) / -16 / math.log(2)
    model, what = partial(network, name=name), "digits" if x is digits else "upside down"
    bits = genextras.likelihood(model, x, SCHEDULERS[name], trace="exact").bits_per_dim
    found[what] = bits.mean().item()
    print(f"{what:11} {name:19} {found[what]:7.4f} bits per pixel, exact {known.mean():7.4f}")
    assert (bits - known).abs().max() < 1e-3
assert found["digits"] < found["upside down"]
