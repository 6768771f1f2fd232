"""Does a small transformer draw digits?

A DiT with rotary positions learns the flow from noise to the digits of scikit-learn, with their
classes, in a loop of twelve lines. Printed is the energy distance between its samples and digits
that it never saw, beside those of noise and of a Gaussian with the data's mean and covariance. The
pictures, one row a class, are in out/digits_of_a_transformer.png.
"""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import genextras
from genextras.denoisers import DiT, EDMPreconditioned
from genextras.evaluation import energy_distance

N_STEPS, BATCH, RANDOM = 700, 128, torch.Generator().manual_seed(0)
torch.manual_seed(0)
pixels, classes = load_digits(return_X_y=True)
order = torch.randperm(len(pixels), generator=RANDOM)
DATA = (torch.tensor(pixels).float().view(-1, 1, 8, 8) / 8 - 1)[order]  # in [-1, 1]
LABELS, TEST = torch.tensor(classes)[order], DATA[1500:]

scheduler = genextras.FlowMatchScheduler()
network = DiT(8, 1, hidden_size=64, num_layers=4, num_attention_heads=4, num_class_embeds=10,
              position="rope", timestep_scale=250.0)  # fmt: skip
model = EDMPreconditioned(network, scheduler, sigma_data=DATA.std().item())
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, N_STEPS)

for step in range(N_STEPS):
    rows = torch.randint(1500, (BATCH,), generator=RANDOM)
    data, labels = DATA[rows], LABELS[rows]
    noise = torch.randn(data.shape, generator=RANDOM)
    levels = torch.randn(BATCH, generator=RANDOM).sigmoid() * 1000  # the middle counts most
    is_dropped = torch.rand(BATCH, generator=RANDOM) < 0.1  # for guidance: 10 is no class
    answer = model(scheduler.add_noise(data, noise, levels), levels, labels.where(~is_dropped, 10))
    loss = (answer.sample - (noise - data)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()

wanted = torch.arange(len(TEST)) % 10
x = torch.randn(TEST.shape, generator=RANDOM)
scheduler.set_timesteps(20)
with torch.no_grad():
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, t, wanted).sample, t, x).prev_sample

flat = DATA[:1500].flatten(1).double()
law = torch.distributions.MultivariateNormal(flat.mean(0), flat.T.cov() + 1e-4 * torch.eye(64))
made = {"noise": torch.randn(TEST.shape), "a Gaussian": law.sample((len(TEST),)), "DiT": x}
found = {name: energy_distance(each.flatten(1), TEST.flatten(1)) for name, each in made.items()}
for name, distance in found.items():
    print(f"energy distance to unseen digits, {name:10}: {distance:.3f}")
axes = Figure(figsize=(6, 6)).subplots()
axes.imshow(x[:100].view(10, 10, 8, 8).permute(1, 2, 0, 3).reshape(80, 80), cmap="gray")
Path("out").mkdir(exist_ok=True)
axes.figure.savefig("out/digits_of_a_transformer.png")
assert found["DiT"] < found["a Gaussian"]
