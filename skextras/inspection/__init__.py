"""Pictures of what a model has learnt, in the manner of scikit-learn's Display classes."""

from skextras.features.selection.display import SelectionDisplay
from skextras.inspection.margin_display import MarginDisplay
from skextras.inspection.shap_display import ShapDisplay
from skextras.inspection.tree_display import TreeDisplay
from skextras.kernel.display import KernelLogisticDisplay
from skextras.som.display import SOMDisplay

__all__ = [
    "KernelLogisticDisplay",
    "MarginDisplay",
    "SOMDisplay",
    "SelectionDisplay",
    "ShapDisplay",
    "TreeDisplay",
]
