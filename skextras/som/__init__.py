"""Self-organising maps."""

from skextras.som.self_organizing_map import SelfOrganizingMap

__all__ = ["SelfOrganizingMap"]
