"""Mixtures by EM: one loop, many models."""

from skextras.mixture.em import EMModel, EMResult, InfeasibleError, ascend, responsibilities
from skextras.mixture.gaussian import GaussianMixture

__all__ = [
    "EMModel",
    "EMResult",
    "GaussianMixture",
    "InfeasibleError",
    "ascend",
    "responsibilities",
]
