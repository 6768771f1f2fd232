"""Does an inverted picture come back, and can it be edited on the way?

A digit is turned into the noise that DDIM makes it from, and sampled again from that noise. The
inversion that people use asks the network at the wrong end of each step and comes back elsewhere;
genextras.invert solves for the right one. Sampled with another class, the same noise gives an
edited digit. Every class is a Gaussian, so its best network is known. The path goes to out/.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

import genextras

IMAGES, CLASSES = load_digits(return_X_y=True)
GROUPS = [torch.tensor(IMAGES[k == CLASSES] / 8 - 1) for k in range(10)]  # in [-1, 1]
MEANS = [group.mean(0) for group in GROUPS]
MOMENTS = [torch.cov(group.T) + 0.01 * torch.eye(64) for group in GROUPS]
SCHEDULER = genextras.DDIMScheduler(clip_sample=False, timestep_spacing="trailing")
SCHEDULER.set_timesteps(20)


def network(x, t, *, digit):
    """E[ε | x] for one class: x = a x_0 + b ε has the covariance a² C + b²."""
    share = SCHEDULER.alphas_cumprod[int(t)].double()
    total = share * MOMENTS[digit] + (1 - share) * torch.eye(64)
    gap = x.flatten(1) - share.sqrt() * MEANS[digit]
    return (1 - share).sqrt() * torch.linalg.solve(total, gap.T).T.view_as(x)


def walk(scheduler, x, digit):
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, t, digit=digit), t, x).prev_sample
    return x


def nearest(x):
    """Class of the highest density."""
    laws = map(torch.distributions.MultivariateNormal, MEANS, MOMENTS)
    return int(np.argmax([law.log_prob(x.flatten()).item() for law in laws]))


picture = GROUPS[3][0].view(1, 1, 8, 8)
usual = genextras.DDIMInverseScheduler.from_config(SCHEDULER.config)
usual.set_timesteps(20)
exact = genextras.invert(partial(network, digit=3), picture, SCHEDULER, tolerance=1e-10)
gaps = {"usual": walk(usual, picture, 3), "exact": exact}
gaps = {k: (walk(SCHEDULER, noise, 3) - picture).abs().max().item() for k, noise in gaps.items()}
print("largest change of a pixel: " + ", ".join(f"{k} {gap:.2g}" for k, gap in gaps.items()))
with genextras.trajectory(SCHEDULER) as path:
    edited = walk(SCHEDULER, exact, 8)
print(f"the {nearest(picture)} was edited into the digit {nearest(edited)}")
Path("out").mkdir(exist_ok=True)
path.plot().figure_.savefig("out/a_three_becomes_an_eight.png")
assert gaps["exact"] < 1e-6 < 1e-2 < gaps["usual"]
assert (nearest(picture), nearest(edited)) == (3, 8)
