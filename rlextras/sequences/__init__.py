"""Policies that write sequences of tokens, one a step."""

from rlextras.sequences.hugging_face import HuggingFacePolicy
from rlextras.sequences.policy import CausalTransformerPolicy, SequencePolicy

__all__ = ["CausalTransformerPolicy", "HuggingFacePolicy", "SequencePolicy"]
