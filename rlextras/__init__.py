"""rlextras: reinforcement learning algorithms with the life cycle of Stable-Baselines3.

A program swaps the class before ``.learn()`` and changes nothing else.
"""

from importlib.metadata import version

__version__ = version("mlextras")

try:
    from rlextras.ddpg import DDPG
    from rlextras.grpo import GRPO
    from rlextras.ppo import PPO
    from rlextras.trpo import TRPO
except ModuleNotFoundError as error:
    missing = (error.name or "rlextras").partition(".")[0]
    if missing == "rlextras":
        raise
    raise ModuleNotFoundError(
        f'rlextras: {missing} is not installed. Run: pip install "mlextras[rl]".', name=error.name
    ) from error

__all__ = ["DDPG", "GRPO", "PPO", "TRPO"]
