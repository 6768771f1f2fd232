"""How does noise become a spiral?

A rectified flow of points in the plane, learned by a multilayer perceptron. Prints how far samples
are from the spiral, and draws a film strip of the flow into out/spiral.png.
"""

import math
from pathlib import Path

import torch
from matplotlib.figure import Figure

import genextras
from genextras.denoisers import MLPDenoiser
from genextras.training import Trainer

torch.set_num_threads(1)  # small layers run no faster on more
torch.manual_seed(0)
angle = 3 * math.pi * torch.rand(4000).sqrt()
SPIRAL = torch.stack([angle * angle.cos(), angle * angle.sin()], 1) / 6
POINTS = SPIRAL + 0.02 * torch.randn(4000, 2)

scheduler = genextras.FlowMatchScheduler()
model = MLPDenoiser(2, hidden_size=64, num_layers=3)
trainer = Trainer(model, scheduler, "flow", batch_size=256, learning_rate=3e-3, progress_bar=False)
trainer.fit(POINTS, n_steps=500)

unet, scheduler = trainer.pipeline().unet, trainer.scheduler
scheduler.set_timesteps(40)
x = torch.randn(1000, 2)
first = torch.cdist(x, SPIRAL).min(1).values.mean().item()
with torch.no_grad(), genextras.trajectory(scheduler) as path:
    for t in scheduler.timesteps:
        x = scheduler.step(unet(x, t).sample, t, x).prev_sample
last = torch.cdist(x, SPIRAL).min(1).values.mean().item()
print(f"mean distance to the spiral: noise {first:.3f}, samples {last:.3f}")

figure = Figure(figsize=(12, 2.4), layout="constrained")
for axes, k in zip(figure.subplots(1, 6), (0, 8, 16, 24, 32, 40), strict=True):
    axes.scatter(*path.samples[k].T, s=1)
    axes.set(xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), xticks=[], yticks=[], title=f"call {k}")
Path("out").mkdir(exist_ok=True)
figure.savefig("out/spiral.png")
assert last < first / 3
