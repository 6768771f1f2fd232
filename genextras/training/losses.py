"""Losses of one batch as pure functions of tensors; a loss for each sample, means over its numbers.

With a network F(c x, label) every one of them is tied to a path by (a, b) alone, so that what is
trained is what a scheduler of the same path asks for.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from genextras.core.paths import mix
from genextras.core.predictions import solve, target_weights
from genextras.core.steps import LEARNED, MIN_VARIANCE, posterior_variance, transition_variance

__all__ = [
    "Levels",
    "denoising_loss",
    "drop_labels",
    "hybrid_loss",
    "random_signs",
    "sliced_score_loss",
]


TWICE = SDPBackend.MATH  # fused attention has no second derivative


class Levels(NamedTuple):
    """Noise levels of B samples, Tensors of shape (B,)."""

    labels: Tensor  # as the network knows them
    a: Tensor  # x = a x_0 + b ε
    b: Tensor
    weights: Tensor  # of the squared error of what the network predicts
    scales: Tensor  # of x at the network's door


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean square over all but the first dimension, in float32 at least.

    Parameters
    ----------
    output, target : Tensor of shape (B, ...)
        Same units.

    Returns
    -------
    Tensor of shape (B,)
        Squared units.
    """
    wide = output.to(torch.promote_types(output.dtype, torch.float32))
    return (wide - target).square().flatten(1).mean(1)


def denoising_loss(
    output: Tensor,
    data: Tensor,
    noise: Tensor,
    levels: Levels,
    *,
    prediction: str,
    sigma_data: float = 1.0,
) -> Tensor:
    """Weighted error of a network's prediction P at x = a x_0 + b ε.

    weight ‖P̂ - P‖² / d with P = u x_0 + w ε: DDPM's eq. 14 for "epsilon", denoising score matching
    ([1]_) for "score", conditional flow matching ([2]_) for "flow_prediction", EDM's eq. 8 for
    "edm".

    Parameters
    ----------
    output : Tensor of shape (B, ...)
        P̂.
    data : Tensor of shape (B, ...), data units
        x_0.
    noise : Tensor of shape (B, ...), dimensionless
        ε, standard normal.
    levels : Levels
        Of each sample.
    prediction : str
        What the network predicts.
    sigma_data : float, default=1.0
        Standard deviation of data, for "edm".

    Returns
    -------
    Tensor of shape (B,)
        Loss of each sample.

    References
    ----------
    .. [1] Vincent (2011), A connection between score matching and denoising autoencoders, Neural
       computation 23.
    .. [2] Lipman et al. (2023), Flow matching for generative modeling, arXiv:2210.02747.

    Examples
    --------
    >>> one = torch.ones(2)
    >>> levels = Levels(labels=one, a=0.6 * one, b=0.8 * one, weights=3 * one, scales=one)
    >>> data, noise = torch.zeros(2, 5), torch.ones(2, 5)
    >>> denoising_loss(0.5 * noise, data, noise, levels, prediction="epsilon").tolist()
    [0.75, 0.75]
    """
    target = mix(data, noise, *target_weights(prediction, levels.a, levels.b, sigma_data))
    return levels.weights * squared_error(output, target)


def sliced_score_loss(
    network: Callable[[Tensor], Tensor],
    x: Tensor,
    levels: Levels,
    *,
    prediction: str,
    sigma_data: float = 1.0,
    directions: Tensor | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Sliced score matching with variance reduction: b² (vᵀ ∂s/∂x v + ‖s‖²/2) / d ([1]_, eq. 8).

    It needs no x_0, and has the same gradient on average as denoising score matching at the same
    levels. Its least value on Gaussian data of variance V at a level is -b² / 2V. If the network
    keeps checkpoints, call ``backward`` under ``sdpa_kernel(SDPBackend.MATH)``, as ``Trainer``.

    Parameters
    ----------
    network : callable
        Maps x to the network's prediction at these levels.
    x : Tensor of shape (B, ...)
        Noised data.
    levels : Levels
        Of each sample; weights and scales are not read.
    prediction : str
        What the network predicts; the score is s = -ε/b.
    sigma_data : float, default=1.0
        Standard deviation of data, for "edm".
    directions : Tensor of shape (B, ...), optional
        v, of identity covariance; random signs are drawn here if they are not given.
    generator : torch.Generator, optional
        Source of those signs, on the device of x.

    Returns
    -------
    Tensor of shape (B,)
        Loss of each sample.

    References
    ----------
    .. [1] Song, Garg, Shi, Ermon (2020), Sliced score matching, arXiv:1905.07088.

    Examples
    --------
    >>> one = torch.ones(3)
    >>> levels = Levels(labels=one, a=one, b=one, weights=one, scales=one)
    >>> x = torch.zeros(3, 4)  # the score of N(0, 2), data N(0, 1) with noise N(0, 1)
    >>> sliced_score_loss(lambda x: -x / 2, x, levels, prediction="score").tolist()
    [-0.5, -0.5, -0.5]
    """
    x = x.detach().requires_grad_()
    v = random_signs(x, generator) if directions is None else directions
    with sdpa_kernel(TWICE):
        output = network(x)
        scaled = -mix(x, output, *solve(prediction, levels.a, levels.b, sigma_data)[2:])  # b s = -ε
        slope = torch.autograd.grad((scaled * v).sum(), x, create_graph=True)[0]
    curvature = levels.b * (slope * v).flatten(1).mean(1)  # b² vᵀ ∂s/∂x v
    return curvature + 0.5 * scaled.square().flatten(1).mean(1)


def random_signs(like: Tensor, generator: Generator | None = None) -> Tensor:
    """Independent signs.

    Parameters
    ----------
    like : Tensor of shape (B, ...)
        Tells shape and device.
    generator : torch.Generator, optional
        Source of randomness, on that device.

    Returns
    -------
    Tensor of shape (B, ...), float32
        -1 or 1, as likely.
    """
    is_down = torch.rand(like.shape, generator=generator, device=like.device) < 0.5
    return torch.where(is_down, -1.0, 1.0)


class Transition(NamedTuple):
    """One step of DDPM for each of B samples, Tensors of shape (B,)."""

    alpha_bar: Tensor  # ᾱ_t
    alpha_bar_prev: Tensor  # ᾱ_{t-1}; 1 for the step to data


def bound_term(
    data: Tensor,
    x: Tensor,
    predicted: Tensor,
    variance: Tensor,
    step: Transition,
    *,
    quantum: float = 2 / 255,
) -> Tensor:
    """One term of the variational bound, in nats a number: improved DDPM [1]_, eqs. 4 to 7.

    KL(q(x_{t-1} | x_t, x_0) ‖ p(x_{t-1} | x_t)) between Gaussians, and for the step to data
    -log p(x_0 | x_1) of data that are whole multiples of a quantum in [-1, 1].

    Parameters
    ----------
    data : Tensor of shape (B, ...), data units
        x_0.
    x : Tensor of shape (B, ...)
        x_t.
    predicted : Tensor of shape (B, ...), data units
        The network's x_0.
    variance : Tensor of shape (B, ...)
        Of p.
    step : Transition
        Of each sample.
    quantum : float, default=2/255
        Size of one step of the data's numbers.

    Returns
    -------
    Tensor of shape (B,)
        Nats a number.

    References
    ----------
    .. [1] Nichol, Dhariwal (2021), Improved denoising diffusion probabilistic models,
       arXiv:2102.09672.
    """
    now, before = step.alpha_bar.double(), step.alpha_bar_prev.double()
    true_variance = posterior_variance(now, before).clamp(min=MIN_VARIANCE)
    gain = before.sqrt() * transition_variance(now, before) / (1 - now)  # of x_0, DDPM eq. 7
    keep = (now / before).sqrt() * (1 - before) / (1 - now)  # of x_t
    gain, keep, true = (_columns(each.to(x.dtype), x) for each in (gain, keep, true_variance))
    mean = gain * predicted + keep * x
    apart = gain * (data - predicted)  # of the two means
    kl = 0.5 * ((variance / true).log() + (true + apart.square()) / variance - 1)
    nats = torch.where(_columns(before == 1, x), _nll(data, mean, variance, quantum), kl)
    return nats.flatten(1).mean(1)


def _columns(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


def _nll(data: Tensor, mean: Tensor, variance: Tensor, quantum: float) -> Tensor:
    """-log of the probability of one quantum around data; the first and last reach to infinity."""
    deviation = variance.sqrt() * math.sqrt(2)
    upper = ((data - mean + quantum / 2) / deviation).erf()
    lower = ((data - mean - quantum / 2) / deviation).erf()
    upper = torch.where(data > 1 - quantum / 2, torch.ones_like(upper), upper)
    lower = torch.where(data < quantum / 2 - 1, -torch.ones_like(lower), lower)
    return -(0.5 * (upper - lower)).clamp(min=1e-12).log()


def hybrid_loss(
    output: Tensor,
    data: Tensor,
    noise: Tensor,
    levels: Levels,
    step: Transition,
    *,
    prediction: str,
    variance_type: str,
    share: float,
    quantum: float = 2 / 255,
) -> Tensor:
    """Loss of a network that also predicts a variance: L_simple + share · L_vlb ([1]_, eq. 16).

    The bound moves the variance alone: its gradient does not reach the predicted mean.

    Parameters
    ----------
    output : Tensor of shape (B, 2 C, ...)
        The prediction, and what the variance is made of.
    data : Tensor of shape (B, C, ...), data units
        x_0.
    noise : Tensor of shape (B, C, ...), dimensionless
        ε.
    levels : Levels
        Of each sample.
    step : Transition
        The step that starts there.
    prediction : str
        What the first half predicts.
    variance_type : {"learned", "learned_range"}
        What the second half is, as DDPMScheduler reads it.
    share : float
        Weight of one term of the bound; the paper's 0.001 of its sum is 0.001 T of one term.
    quantum : float, default=2/255
        Size of one step of the data's numbers.

    Returns
    -------
    Tensor of shape (B,)
        Loss of each sample.

    References
    ----------
    .. [1] Nichol, Dhariwal (2021), Improved denoising diffusion probabilistic models,
       arXiv:2102.09672.
    """
    simple, raw = output.float().chunk(2, dim=1)
    loss = denoising_loss(simple, data, noise, levels, prediction=prediction)
    x = mix(data, noise, levels.a, levels.b)
    p, q = solve(prediction, levels.a, levels.b)[:2]
    predicted = mix(x, simple.detach(), p, q).clamp(-1, 1)
    now, before = step.alpha_bar.double(), step.alpha_bar_prev.double()
    small = posterior_variance(now, before).clamp(min=MIN_VARIANCE)
    ends = (_columns(each.float(), x) for each in (small, transition_variance(now, before)))
    variance = LEARNED[variance_type](raw, *ends).clamp(min=MIN_VARIANCE)
    return loss + share * bound_term(data, x, predicted, variance, step, quantum=quantum)


def drop_labels(
    labels: Tensor,
    rate: float,
    *,
    null: int,
    draws: Tensor | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Forget some labels, for classifier-free guidance ([1]_, algorithm 1).

    Parameters
    ----------
    labels : LongTensor of shape (B,)
        Classes.
    rate : float in [0, 1]
        Probability of each to be forgotten.
    null : int
        The class that stands for none.
    draws : Tensor of shape (B,), optional
        Uniform numbers that decide; drawn here if they are not given.
    generator : torch.Generator, optional
        Source of randomness, on the device of ``labels``.

    Returns
    -------
    LongTensor of shape (B,)
        Classes, some of them null.

    References
    ----------
    .. [1] Ho, Salimans (2022), Classifier-free diffusion guidance, arXiv:2207.12598.

    Examples
    --------
    >>> drop_labels(torch.tensor([3, 4]), 1.0, null=10).tolist()
    [10, 10]
    """
    if draws is None:
        draws = torch.rand(labels.shape, generator=generator, device=labels.device)
    return torch.where((draws < rate).to(labels.device), null, labels)
