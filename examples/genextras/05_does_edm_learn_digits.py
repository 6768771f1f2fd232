"""Does EDM learn digits?

A small U-Net is trained on the digits of scikit-learn by the objective of EDM, and samples in 18
calls of the network. Prints the energy distance of samples to held-out digits, beside that of
Gaussian noise with the digits' own mean and spread; draws samples into out/digits.png.
"""

from pathlib import Path

import torch
from diffusers import UNet2DModel
from sklearn.datasets import load_digits

import genextras
from genextras.evaluation import energy_distance
from genextras.training import Trainer
from genextras.training.pictures import write_picture

torch.set_num_threads(1)  # small convolutions run no faster on more
torch.manual_seed(0)
DIGITS = torch.tensor(load_digits().data).float().view(-1, 1, 8, 8) / 8 - 1
DIGITS = DIGITS[torch.randperm(len(DIGITS))]
KNOWN, HELD_OUT = DIGITS[:1400], DIGITS[1400:]
unet = UNet2DModel(
    sample_size=8,
    in_channels=1,
    out_channels=1,
    layers_per_block=1,
    block_out_channels=(16, 32),
    norm_num_groups=4,
    down_block_types=("DownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "UpBlock2D"),
)
scheduler = genextras.EDMScheduler(sigma_data=0.6, sigma_max=20.0, solver="heun")
trainer = Trainer(unet, scheduler, "edm", batch_size=128, learning_rate=2e-3, progress_bar=False)
trainer.fit(KNOWN, n_steps=200)
first, last = (sum(each) / 20 for each in (trainer.losses[:20], trainer.losses[-20:]))
print(f"loss {first:.3f} at first, {last:.3f} at last")

samples = trainer.sample(200, n_steps=9, generator=torch.Generator().manual_seed(0))
noise = KNOWN.mean(0) + KNOWN.std(0) * torch.randn(200, 1, 8, 8)
ours, theirs = (energy_distance(each.flatten(1), HELD_OUT.flatten(1)) for each in (samples, noise))
print(f"energy distance to held-out digits: samples {ours:.3f}, noise {theirs:.3f}")
Path("out").mkdir(exist_ok=True)
write_picture(samples[:36], Path("out/digits.png"))
assert ours < theirs
