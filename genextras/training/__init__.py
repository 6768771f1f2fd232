"""Train what the schedulers sample: objectives, noise levels, averages of weights, a trainer.

Importing this package makes ``DenoisingPipeline`` known to ``DiffusionPipeline.from_pretrained``.
"""

from genextras.training.ema import EMAModel, Snapshot, blend, posthoc_weights, power_exponent
from genextras.training.launching import launch
from genextras.training.levels import LossHistory, importance_warp, uniforms
from genextras.training.losses import (
    Levels,
    bound_term,
    denoising_loss,
    drop_labels,
    hybrid_loss,
    sliced_score_loss,
)
from genextras.training.objective import OBJECTIVES, Objective
from genextras.training.path import TrainingPath
from genextras.training.pipeline import DenoisingPipeline
from genextras.training.snapshots import read_snapshots
from genextras.training.trainer import Trainer
from genextras.training.weightings import WEIGHTINGS, error_weights, weighting

__all__ = [
    "OBJECTIVES",
    "WEIGHTINGS",
    "DenoisingPipeline",
    "EMAModel",
    "Levels",
    "LossHistory",
    "Objective",
    "Snapshot",
    "Trainer",
    "TrainingPath",
    "blend",
    "bound_term",
    "denoising_loss",
    "drop_labels",
    "error_weights",
    "hybrid_loss",
    "importance_warp",
    "launch",
    "posthoc_weights",
    "power_exponent",
    "read_snapshots",
    "sliced_score_loss",
    "uniforms",
    "weighting",
]
