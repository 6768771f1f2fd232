"""The Stable-Baselines3 life cycle of off-policy algorithms: their options, and their shell."""

from rlextras.offpolicy.options import COMMON_RULES, OffPolicyOptions
from rlextras.offpolicy.shell import OffPolicy

__all__ = ["COMMON_RULES", "OffPolicy", "OffPolicyOptions"]
