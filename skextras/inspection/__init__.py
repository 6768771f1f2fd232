"""Pictures of what a model has learnt, in the manner of scikit-learn's Display classes."""

from skextras.features.selection.display import SelectionDisplay
from skextras.inspection.margin_display import MarginDisplay
from skextras.inspection.shap_display import ShapDisplay
from skextras.inspection.tree_display import TreeDisplay
from skextras.som.display import SOMDisplay

__all__ = ["MarginDisplay", "SOMDisplay", "SelectionDisplay", "ShapDisplay", "TreeDisplay"]
