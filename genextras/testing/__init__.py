"""A compliance kit for schedulers in the style of diffusers."""

from genextras.testing.kit import check_scheduler, parametrize_with_checks, scheduler_checks
from genextras.testing.subject import CheckFailedError

__all__ = ["CheckFailedError", "check_scheduler", "parametrize_with_checks", "scheduler_checks"]
