"""Selectors of features: joint penalties, mutual information, stability, shadows."""

from skextras.features.selection.boruta import BorutaSelector
from skextras.features.selection.display import SelectionDisplay
from skextras.features.selection.l1l2 import L1L2Selector
from skextras.features.selection.mrmr import MRMRSelector
from skextras.features.selection.stability import StabilitySelector

__all__ = [
    "BorutaSelector",
    "L1L2Selector",
    "MRMRSelector",
    "SelectionDisplay",
    "StabilitySelector",
]
