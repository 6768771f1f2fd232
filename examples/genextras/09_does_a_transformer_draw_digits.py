"""Does a small transformer draw digits?

A DiT with rotary positions learns the flow from noise to the digits of scikit-learn, with their
classes, for some seconds. Printed are the energy distance between its samples and digits that it
never saw, and the share of samples that lie among those digits (precision), beside those of noise.
Pictures, a column a class, are in out/digits_of_a_transformer.png.
"""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import genextras
from genextras.denoisers import DiT, EDMPreconditioned
from genextras.evaluation import energy_distance, precision_recall

N_STEPS, BATCH, RANDOM = 400, 64, torch.Generator().manual_seed(0)
torch.manual_seed(0), torch.set_num_threads(1)  # two wait for each other at this size
pixels, classes = load_digits(return_X_y=True)
order = torch.randperm(len(pixels), generator=RANDOM)
DATA = (torch.tensor(pixels).float().view(-1, 1, 8, 8) / 8 - 1)[order]  # in [-1, 1]
LABELS, TEST = torch.tensor(classes)[order], DATA[1500:]

scheduler = genextras.FlowMatchScheduler()
SIZES = {"hidden_size": 48, "num_layers": 3, "num_attention_heads": 4, "num_class_embeds": 10}
network = DiT(8, 1, position="rope", timestep_scale=250.0, **SIZES)
model = EDMPreconditioned(network, scheduler, sigma_data=DATA.std().item())
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, N_STEPS)

for _ in range(N_STEPS):
    rows = torch.randint(1500, (BATCH,), generator=RANDOM)
    data, labels = DATA[rows], LABELS[rows]
    noise = torch.randn(data.shape, generator=RANDOM)
    levels = torch.randn(BATCH, generator=RANDOM).sigmoid() * 1000  # the middle counts most
    is_dropped = torch.rand(BATCH, generator=RANDOM) < 0.1  # for guidance: 10 is no class
    answer = model(scheduler.add_noise(data, noise, levels), levels, labels.where(~is_dropped, 10))
    loss = (answer.sample - (noise - data)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step(), schedule.step()

x, wanted = torch.randn(100, 1, 8, 8, generator=RANDOM), torch.arange(100) % 10
scheduler.set_timesteps(15)
with torch.no_grad():
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, t, wanted).sample, t, x).prev_sample

distance = {}
for name, samples in {"noise": torch.randn(x.shape), "DiT": x}.items():
    pair = TEST.flatten(1), samples.flatten(1)
    distance[name], precision = energy_distance(*pair), precision_recall(*pair).precision
    print(f"{name:5}: energy distance {distance[name]:.3f}, precision {precision:.2f}")
axes = Figure(figsize=(6, 6)).subplots()
axes.imshow(x.view(10, 10, 8, 8).permute(1, 2, 0, 3).reshape(80, 80), cmap="gray")
Path("out").mkdir(exist_ok=True)
axes.figure.savefig("out/digits_of_a_transformer.png")
assert distance["DiT"] < distance["noise"] / 5
