"""Beds of the quality benchmark: data laws whose denoiser E[x_0 | x_0 + σε] is known exactly."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

N_REFERENCE, CLEAN = 200, 1e-3  # steps of the reference in log σ, and the σ where it ends


@dataclass
class Bed:
    """A data law.

    Attributes
    ----------
    name : str
        What tables call it.
    denoise : callable
        Maps (x_0 + σε, σ) to E[x_0]; float64.
    std : float
        Of data, over all dimensions.
    noise : Tensor of shape (n, d)
        Where all samplers start.
    """

    name: str
    denoise: Callable[[Tensor, float], Tensor]
    std: float
    noise: Tensor
    _known: dict = field(default_factory=dict)

    def exact(self, start: Tensor, sigma: float) -> Tensor:
        """Data to which the probability flow leads from x at σ: Runge-Kutta of order 4 in log σ."""
        key = round(sigma, 6), round(start.std().item(), 6)
        if key not in self._known:
            x, logs = start, np.linspace(math.log(sigma), math.log(CLEAN), N_REFERENCE + 1)
            for now, ahead in pairwise(logs):
                x = self._runge_kutta(x, now, ahead - now)
            self._known[key] = self.denoise(x, CLEAN)
        return self._known[key]

    def _runge_kutta(self, x: Tensor, now: float, stride: float) -> Tensor:
        def slope(x: Tensor, share: float) -> Tensor:
            return x - self.denoise(x, math.exp(now + share * stride))

        first = slope(x, 0)
        second = slope(x + stride / 2 * first, 0.5)
        third = slope(x + stride / 2 * second, 0.5)
        fourth = slope(x + stride * third, 1)
        return x + stride / 6 * (first + 2 * second + 2 * third + fourth)


def ring() -> Bed:
    """Eight narrow Gaussians on a circle, turned with it, of unequal weight; two dimensions."""
    angles = torch.arange(8, dtype=torch.float64) * math.pi / 4
    out = torch.stack([angles.cos(), angles.sin()], 1)
    along = torch.stack([-angles.sin(), angles.cos()], 1)
    widths = torch.tensor([[0.03, 0.12], [0.045, 0.18]]).double().repeat(4, 1)
    weights = torch.tensor([1.0, 2, 3, 1, 2, 3, 1, 2]).double()
    bases = torch.stack([out, along], 2)
    return _mixture("ring, 2-D", (0.65 * out, bases, widths, weights), n=2048)


def manifold() -> Bed:
    """Ten classes, each near a plane of its own in 64 dimensions: widths fall as one over rank."""
    rng = np.random.default_rng(1)
    rank = np.arange(1, 65)
    means = rng.normal(size=(10, 64)) * 1.5 / np.sqrt(rank)
    means = means @ np.linalg.qr(rng.normal(size=(64, 64)))[0].T
    bases = np.stack([np.linalg.qr(rng.normal(size=(64, 64)))[0] for _ in range(10)])
    widths = np.tile(np.maximum(0.9 / rank, 0.005), (10, 1))
    weights = rng.dirichlet(np.full(10, 5.0))
    means -= weights @ means
    scale = 0.5 / math.sqrt(((means**2).sum(1) + (widths**2).sum(1)) @ weights / 64)
    tensors = (torch.from_numpy(each) for each in (scale * means, bases, scale * widths, weights))
    return _mixture("manifold, 64-D", tuple(tensors), n=256)


def digits() -> Bed:
    """The 1797 digits of scikit-learn, each blurred by a Gaussian of a tenth of their std."""
    pixels = torch.from_numpy(load_digits().data)
    pixels -= pixels.mean(0)
    points = pixels * (0.5 / pixels.square().mean().sqrt())
    width, norms = 0.05, points.square().sum(1)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        spread = width**2 + sigma**2
        shares = torch.softmax((x @ points.T - norms / 2) / spread, dim=1)
        return (width**2 * x + sigma**2 * (shares @ points)) / spread

    return Bed("digits, 8x8", denoise, 0.5, _noise(192, 64))


def _mixture(name: str, gaussians: tuple[Tensor, ...], *, n: int) -> Bed:
    """Gaussians: means, axes ``bases[k][:, i]``, deviations ``widths[k][i]``, weights."""
    means, bases, widths, weights = gaussians
    k, d = means.shape
    logs = (weights / weights.sum()).log()
    turned = bases.permute(1, 0, 2).reshape(d, -1)  # (d, k d)
    centres = torch.einsum("kd,kde->ke", means, bases)
    variances = widths**2

    def denoise(x: Tensor, sigma: float) -> Tensor:
        axes = (x @ turned).view(-1, k, d) - centres  # along the axes of each Gaussian
        spread = variances + sigma**2
        shares = torch.softmax(logs - 0.5 * (axes**2 / spread + spread.log()).sum(-1), dim=1)
        kept = (axes * (variances / spread) * shares[..., None]).view(len(x), -1)
        return kept @ turned.T + shares @ means

    mean = weights / weights.sum() @ means
    second = (means**2).sum(1) + variances.sum(1)
    std = math.sqrt(((weights / weights.sum() @ second) - (mean**2).sum()).item() / d)
    return Bed(name, denoise, std, _noise(n, d))


def _noise(n: int, d: int) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def distance_of_laws(made: Tensor, exact: Tensor) -> float:
    """Sliced W2 between two sets of points: sorted along 128 fixed directions."""
    generator = torch.Generator().manual_seed(1)
    ways = torch.randn(made.shape[1], 128, dtype=torch.float64, generator=generator)
    ways /= ways.norm(dim=0)
    gaps = (made @ ways).sort(0).values - (exact @ ways).sort(0).values
    return gaps.square().mean().sqrt().item()


def error_of_samples(made: Tensor, exact: Tensor) -> float:
    """Root mean square over the dimensions, median over the samples."""
    return (made - exact).square().mean(1).sqrt().median().item()
