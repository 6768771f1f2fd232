"""Slow and obvious twins of genextras: one number at a time, in plain Python floats."""

import math
from fractions import Fraction

import numpy as np


def alphas_cumprod(betas):
    """ᾱ_t = Π (1 - β_s), by hand."""
    products, product = [], 1.0
    for beta in betas:
        product *= 1.0 - beta
        products.append(product)
    return products


def cosine_betas(n_levels):
    """Improved DDPM, eq. 17, and its cap."""

    def alpha_bar(step):
        return math.cos((step / n_levels + 0.008) / 1.008 * math.pi / 2) ** 2

    return [min(1 - alpha_bar(t + 1) / alpha_bar(t), 0.999) for t in range(n_levels)]


def trailing(n_train, n_steps):
    """Round T - i T/n half to even, less one, without floating point."""
    return [round(n_train - i * Fraction(n_train, n_steps)) - 1 for i in range(n_steps)]


def target(prediction, x_0, epsilon, alpha_bar):
    """What a perfect network of each kind would say."""
    a, b = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    sigma = b / a if a else math.inf
    std = 1.0  # of data, which only EDM's preconditioning asks for
    if prediction.startswith("edm"):  # EDM, table 1: D = c_skip x + c_out F with x = x_0 + σ ε
        skip = std**2 / (sigma**2 + std**2)
        out = sigma * std / math.sqrt(sigma**2 + std**2)
        sign = -1 if prediction == "edm_negative" else 1
        return sign * (x_0 - skip * (x_0 + sigma * epsilon)) / out
    return {
        "epsilon": epsilon,
        "sample": x_0,
        "v_prediction": a * epsilon - b * x_0,
        "flow_prediction": epsilon - x_0,
        "flow_negative": x_0 - epsilon,
        "score": -epsilon / b,
    }[prediction]


def predicted(prediction, x, output, alpha_bar):
    """(x_0, ε) by solving x = a x_0 + b ε beside the definition of the output."""
    a, b = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    definition = [target(prediction, *unit, alpha_bar) for unit in ((1.0, 0.0), (0.0, 1.0))]
    x_0, epsilon = np.linalg.solve([[a, b], definition], [x, output])
    return float(x_0), float(epsilon)


def posterior(x, x_0, alpha_bar, alpha_bar_prev):
    """Mean and variance of x_s given x_t = x and x_0, by Bayes' rule with precisions.

    x_s | x_0 ~ N(√ᾱ_s x_0, 1 - ᾱ_s) is the prior, x_t | x_s ~ N(√α x_s, 1 - α) the likelihood.
    """
    alpha = alpha_bar / alpha_bar_prev
    prior, likelihood = 1 / (1 - alpha_bar_prev), alpha / (1 - alpha)
    variance = 1 / (prior + likelihood)
    mean = variance * (prior * math.sqrt(alpha_bar_prev) * x_0 + likelihood * x / math.sqrt(alpha))
    return mean, variance


def ddim_mean(x, x_0, epsilon, alpha_bar_prev, sigma):
    """DDIM, eq. 12, without its noise."""
    direction = math.sqrt(1 - alpha_bar_prev - sigma**2) * epsilon
    return math.sqrt(alpha_bar_prev) * x_0 + direction


def dynamic_threshold(samples, ratio, max_value):
    """Imagen, section 2.3, one sample at a time."""
    bounded = []
    for sample in samples:
        scale = min(max(float(np.quantile(np.abs(sample), ratio)), 1.0), max_value)
        bounded.append(np.clip(sample, -scale, scale) / scale)
    return np.stack(bounded)


def gaussian_denoiser(x, alpha_bar, std):
    """E[x_0 | x_t = x] for data from N(0, std²)."""
    a = alpha_bar**0.5
    return a * std**2 / (alpha_bar * std**2 + 1 - alpha_bar) * x


def gaussian_flow(x, alpha_bar, std):
    """Where the probability flow carries x_t = x: marginals are kept, so scales are divided."""
    return x * std / (alpha_bar * std**2 + 1 - alpha_bar) ** 0.5
