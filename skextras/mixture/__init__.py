"""Mixtures by EM: one loop, many models."""

from skextras.mixture.bernoulli import BernoulliMixture
from skextras.mixture.categorical import CategoricalMixture
from skextras.mixture.categorical_hmm import CategoricalHMM
from skextras.mixture.display import MixtureDisplay
from skextras.mixture.em import EMModel, EMResult, InfeasibleError, ascend, responsibilities
from skextras.mixture.gaussian import GaussianMixture
from skextras.mixture.gaussian_hmm import GaussianHMM
from skextras.mixture.mixed import MixedMixture
from skextras.mixture.poisson import PoissonMixture
from skextras.mixture.selection import MixtureSelection, select_mixture
from skextras.mixture.student import StudentMixture

__all__ = [
    "BernoulliMixture",
    "CategoricalHMM",
    "CategoricalMixture",
    "EMModel",
    "EMResult",
    "GaussianHMM",
    "GaussianMixture",
    "InfeasibleError",
    "MixedMixture",
    "MixtureDisplay",
    "MixtureSelection",
    "PoissonMixture",
    "StudentMixture",
    "ascend",
    "responsibilities",
    "select_mixture",
]
