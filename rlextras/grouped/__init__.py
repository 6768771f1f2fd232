"""The Stable-Baselines3 life cycle of algorithms that compare episodes of a group."""

from rlextras.grouped.batches import Batch
from rlextras.grouped.options import GROUP_RULES
from rlextras.grouped.update import GroupedUpdate
from rlextras.grouped.wrappers import GroupWrapper, LengthReward, Outcome, SuccessRateStarts

__all__ = [
    "GROUP_RULES",
    "Batch",
    "GroupWrapper",
    "GroupedUpdate",
    "LengthReward",
    "Outcome",
    "SuccessRateStarts",
]
