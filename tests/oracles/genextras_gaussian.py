"""Gaussian data, whose denoiser, probability flow and likelihood are known in closed form.

Also EDM's algorithm 2, step by step from the paper.
"""

import math

import torch


class GaussianNetwork:
    """A perfect network for data from N(mean, std²), in the words of any scheduler."""

    def __init__(self, std=0.5, mean=0.3):
        self.std, self.mean = std, mean

    def data(self, x, a, b):
        """E[x_0 | x_t = x]."""
        gain = a * self.std**2 / (a**2 * self.std**2 + b**2)
        return self.mean + gain * (x - a * self.mean)

    def output(self, prediction, x, a, b, sigma_data=1.0):
        """What such a network says, from the definition of each prediction."""
        x_0 = self.data(x, a, b)
        variance = a**2 * self.std**2 + b**2
        epsilon = b * (x - a * self.mean) / variance
        sigma = b / a if a else math.inf
        skip, out = 0.0, 0.0
        if "edm" in prediction:
            skip = sigma_data**2 / (sigma**2 + sigma_data**2)
            out = sigma * sigma_data / math.sqrt(sigma**2 + sigma_data**2)
        return {
            "epsilon": lambda: epsilon,
            "sample": lambda: x_0,
            "v_prediction": lambda: a * epsilon - b * x_0,
            "flow_prediction": lambda: epsilon - x_0,
            "score": lambda: -(x - a * self.mean) / variance,
            "edm": lambda: (x_0 - skip * x / a) / out,
            "edm_negative": lambda: -(x_0 - skip * x / a) / out,
        }[prediction]()

    def flow(self, x, a, b, a_next=1.0, b_next=0.0):
        """Where the probability flow carries x: z = (x - a mean) / spread is kept."""
        spread = (a**2 * self.std**2 + b**2) ** 0.5
        spread_next = (a_next**2 * self.std**2 + b_next**2) ** 0.5
        return a_next * self.mean + spread_next * (x - a * self.mean) / spread


def levels_of(scheduler, t):
    """(a, b) that a scheduler gives to a label, as floats."""
    a, b = scheduler._levels(torch.as_tensor(t).double().reshape(1))
    return a.item(), b.item()


def run(scheduler, network, prediction, x, sigma_data=1.0, generator=None):
    """A whole loop in which the network knows the level by its label alone."""
    for t in scheduler.timesteps:
        a, b = levels_of(scheduler, t)
        output = network.output(prediction, x, a, b, sigma_data)
        x = scheduler.step(output, t, x, generator=generator, return_dict=False)[0]
    return x


def edm_algorithm_2(denoise, x, sigmas, *, churn, low, high, scale, draw):
    """Karras et al. 2022, algorithm 2, one line of the paper a line; ``sigmas`` end in 0."""
    n = len(sigmas) - 1
    for i in range(n):
        here, there = sigmas[i], sigmas[i + 1]
        gamma = min(churn / n, math.sqrt(2) - 1) if low <= here <= high else 0.0
        raised = here + gamma * here
        if gamma > 0:
            x = x + math.sqrt(raised**2 - here**2) * scale * draw(i)
        slope = (x - denoise(x, raised)) / raised
        ahead = x + (there - raised) * slope
        if there != 0:
            second = (ahead - denoise(ahead, there)) / there
            ahead = x + (there - raised) * (slope + second) / 2
        x = ahead
    return x
