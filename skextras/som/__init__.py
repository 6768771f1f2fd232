"""Self-organising maps: members, their shell (base, supervised, display), and the engine."""

from skextras.som.self_organizing_map import SelfOrganizingMap
from skextras.som.som_classifier import SOMClassifier
from skextras.som.som_regressor import SOMRegressor

__all__ = ["SelfOrganizingMap", "SOMClassifier", "SOMRegressor"]
