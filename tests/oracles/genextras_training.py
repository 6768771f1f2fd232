"""Losses, weights and averages from their definitions, one sample and one number at a time."""

import math

import numpy as np
import torch

STD, MEAN = 0.5, 0.3


def target(prediction, x_0, noise, a, b, sigma_data=1.0):
    """What a network should say, from the definition of each prediction."""
    sigma = b / a
    skip = sigma_data**2 / (sigma**2 + sigma_data**2)
    out = sigma * sigma_data / math.sqrt(sigma**2 + sigma_data**2)
    return {
        "epsilon": noise,
        "sample": x_0,
        "v_prediction": a * noise - b * x_0,
        "flow_prediction": noise - x_0,
        "score": -noise / b,
        "edm": (x_0 - skip * (x_0 + sigma * noise)) / out,
        "edm_negative": (skip * (x_0 + sigma * noise) - x_0) / out,
    }[prediction]


def data_of(prediction, output, x, a, b, sigma_data=1.0):
    """x_0 that a prediction stands for, solved by hand for each kind."""
    sigma = b / a
    skip = sigma_data**2 / (sigma**2 + sigma_data**2)
    out = sigma * sigma_data / math.sqrt(sigma**2 + sigma_data**2)
    return {
        "epsilon": lambda: (x - b * output) / a,
        "sample": lambda: output,
        "v_prediction": lambda: (a * x - b * output) / (a**2 + b**2),
        "flow_prediction": lambda: (x - b * output) / (a + b),
        "score": lambda: (x + b**2 * output) / a,
        "edm": lambda: skip * x / a + out * output,
    }[prediction]()


def weight(name, a, b, sigma_data=1.0):
    """λ of ‖D - x_0‖² as papers print it, as a function of SNR and σ."""
    snr, sigma = (a / b) ** 2, b / a
    return {
        "epsilon": snr,
        "sample": 1.0,
        "v_prediction": (a**2 + b**2) * (snr + 1),  # SNR + 1 where a² + b² = 1
        "flow_prediction": ((a + b) / b) ** 2,
        "score": snr,
        "edm": (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2 * 1.0,
        "snr": snr,
        "truncated-snr": max(snr, 1.0),
        "min-snr": min(snr, 5.0),
        "soft-min-snr": 4 * snr / (snr + 4),
        "p2": snr / (1 + snr),
    }[name]


def power_average(values, exponent):
    """Σ τ^γ-weighted mean as the recursion of EDM2 unrolls, by products of decays."""
    shares = []
    for t in range(1, len(values) + 1):
        share = 1 - (1 - 1 / t) ** (exponent + 1)
        for later in range(t + 1, len(values) + 1):
            share *= (1 - 1 / later) ** (exponent + 1)
        shares.append(share)
    return sum(share * value for share, value in zip(shares, values, strict=True))


def profile(steps, exponent, n):
    """Density of a power-function average over n fine cells of [0, max(steps)]."""
    edges = np.linspace(0, max(steps), n + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    return middle, [
        np.where(middle < t, (g + 1) * middle**g / t ** (g + 1), 0.0)
        for t, g in zip(steps, exponent, strict=True)
    ]


def gaussian_kl(mean, variance, other_mean, other_variance):
    """KL between two Gaussians by torch's own law."""
    laws = [
        torch.distributions.Normal(m, v**0.5)
        for m, v in ((mean, variance), (other_mean, other_variance))
    ]
    return torch.distributions.kl_divergence(*laws)
