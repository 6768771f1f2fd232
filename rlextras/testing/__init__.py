"""A compliance kit for algorithms in the style of Stable-Baselines3."""

from rlextras.testing.kit import algorithm_checks, check_algorithm, parametrize_with_checks
from rlextras.testing.subject import CheckFailedError

__all__ = ["CheckFailedError", "algorithm_checks", "check_algorithm", "parametrize_with_checks"]
