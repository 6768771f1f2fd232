"""Tiny networks and data for tests of training."""

import diffusers
import torch
from torch import nn

from genextras.training import Trainer
from tests.genextras.networks import seeded


class Points(nn.Module):
    """A small network for points in the plane."""

    def __init__(self, width=16, dropout=0.0, n_out=2):
        super().__init__()
        layers = [nn.Linear(4, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, n_out)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x, label):
        t = torch.as_tensor(label).to(x).expand(len(x))[:, None] / 1000
        return self.layers(torch.cat([x, t, t * t], 1))


def points(seed=0, **options):
    with seeded(seed):
        return Points(**options)


def tiny_unet(**options):
    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    sizes = {"sample_size": 8, "in_channels": 1, "out_channels": 1, "block_out_channels": (8,)}
    with seeded():
        return diffusers.UNet2DModel(
            **{**sizes, **blocks, "layers_per_block": 1, "norm_num_groups": 4, **options}
        )


def cloud(n=200, std=0.5, mean=0.3, seed=0):
    return mean + std * torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def pictures(n=24, seed=0):
    return 2 * torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) - 1


def quiet(model, scheduler, objective="prediction", **options):
    """A trainer without a progress bar, of small batches."""
    return Trainer(
        model, scheduler, objective, **{"progress_bar": False, "batch_size": 16, **options}
    )


def equal_weights(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)
