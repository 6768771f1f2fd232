"""What both shells share of living with the host: guards, phases, files, resuming, exporting.

Nothing here knows whether an algorithm learns from its latest rollout or from a replay buffer.
"""
