"""The Stable-Baselines3 life cycle of on-policy algorithms: their options, and their shell."""

from rlextras.onpolicy.options import COMMON_RULES, OnPolicyOptions
from rlextras.onpolicy.shell import OnPolicy

__all__ = ["COMMON_RULES", "OnPolicy", "OnPolicyOptions"]
