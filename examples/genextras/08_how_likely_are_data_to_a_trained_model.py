"""How likely are data to a trained model?

A flow is trained on a mixture of two Gaussians, whose density is known. Prints bits per number of
new data, by the trained model and exactly; a model that has learned the law loses little.
"""

import math

import torch

import genextras
from genextras.denoisers import MLPDenoiser
from genextras.training import Trainer

torch.set_num_threads(1)  # small layers run no faster on more
torch.manual_seed(0)
CENTRES, STD = torch.tensor([[-0.8, 0.0], [0.8, 0.4]]), 0.3


def draw(n):
    return CENTRES[torch.randint(0, 2, (n,))] + STD * torch.randn(n, 2)


def exact_bits(x):
    squares = (x[:, None] - CENTRES).square().sum(2) / (2 * STD**2)
    logs = (-squares).logsumexp(1) - math.log(2) - math.log(2 * math.pi * STD**2)
    return (-logs / 2 / math.log(2)).mean().item()


model = MLPDenoiser(2, hidden_size=64, num_layers=3)
scheduler = genextras.FlowMatchScheduler()
trainer = Trainer(model, scheduler, "flow", batch_size=256, learning_rate=3e-3, progress_bar=False)
trainer.fit(draw(5000), n_steps=500)

trained, x = trainer.pipeline().unet, draw(300)
options = {"trace": "exact", "tolerance": 1e-3}
result = genextras.likelihood(lambda x, t: trained(x, t).sample, x, scheduler, **options)
found, known = result.bits_per_dim.mean().item(), exact_bits(x)
gaussian = math.log2(x.std().item() * math.sqrt(2 * math.pi * math.e))
print(f"bits per number: trained {found:.3f}, exact {known:.3f}, one round Gaussian {gaussian:.3f}")
assert abs(found - known) < 0.1
