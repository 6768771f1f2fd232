"""How good are samples: distances to data, bits per dimension, samplers side by side.

All are functions of Tensors and of a generator; no network is downloaded and nothing is asked of a
host. Work is done in blocks, so memory does not grow with the number of pairs.
"""

from genextras.evaluation.bits import bits_per_dim
from genextras.evaluation.comparison import SamplerComparison, compare_samplers
from genextras.evaluation.distances import energy_distance, mmd, sliced_wasserstein
from genextras.evaluation.features import frechet_distance, precision_recall

__all__ = [
    "SamplerComparison",
    "bits_per_dim",
    "compare_samplers",
    "energy_distance",
    "frechet_distance",
    "mmd",
    "precision_recall",
    "sliced_wasserstein",
]
