"""Where baselines of groups help, and where they do not: four tasks, five seeds, equal budgets.

GRPO (groups of eight that start alike, discounted return to go) and mirror descent of Kimi k1.5
stand beside REINFORCE (the same class: one pass, one minibatch, random starts, one baseline for all
episodes), PPO of rlextras and PPO of Stable-Baselines3 with hyperparameters of rl-baselines3-zoo.
Each run has the same number of environment steps, played-out episodes included; a return is the
mean of the last 100 training episodes. Each run stands in `grpo_tasks.csv`; what stands there is
not run again. It takes hours, most of them the peer's on Hopper, and is run where asked for by
name.

What came out: PPO with its critic is ahead on all four, ours and the peer's alike. Baselines of
groups do better than one for all episodes (REINFORCE) on CartPole and Pendulum, and on Acrobot from
random starts; on Hopper they do worse. Mirror descent on outcomes is last on three of the four.
"""

import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

import rlextras
from benchmarks.harness import Table
from benchmarks.records import Records

RECORDS = Records(Path(__file__).with_suffix(".csv"), n_keys=3)
SEEDS = range(5)
TASKS: Mapping[str, tuple[int, bool, dict[str, Any]]] = {  # steps, normalised, options
    "CartPole-v1": (100_000, False, {"n_steps": 32, "batch_size": 256, "gae_lambda": 0.8,
                                     "gamma": 0.98, "n_epochs": 20, "learning_rate": 1e-3}),
    "Pendulum-v1": (200_000, False, {"n_steps": 1024, "gamma": 0.9, "learning_rate": 1e-3}),
    "Acrobot-v1": (200_000, True, {"n_steps": 256, "gae_lambda": 0.94, "n_epochs": 4}),
    "Hopper-v5": (1_000_000, True, {"n_steps": 512, "batch_size": 32, "gamma": 0.999,
                                    "learning_rate": 9.8e-5, "n_epochs": 5, "gae_lambda": 0.99,
                                    "ent_coef": 0.00229519, "max_grad_norm": 0.7}),
}  # fmt: skip
N_ENVS = 8
GROUPS = {"learning_rate": 3e-3, "group_size": 8, "n_groups": 2, "advantage": "return_to_go"}
WAYS: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "GRPO": (rlextras.GRPO, GROUPS),
    "GRPO, random starts": (rlextras.GRPO, GROUPS | {"start": "random"}),
    "mirror descent": (
        rlextras.GRPO,
        GROUPS | {"advantage": "outcome", "objective": "mirror_descent", "reset_optimizer": True},
    ),
    "REINFORCE": (
        rlextras.GRPO,
        GROUPS
        | {"group_size": 16, "n_groups": 1, "n_epochs": 1, "batch_size": 10**9, "start": "random"},
    ),
    "rlextras.PPO": (rlextras.PPO, {}),
    "stable_baselines3.PPO": (stable_baselines3.PPO, {}),
}


def train(task: str, way: str, seed: int) -> dict[str, Any]:
    """One run."""
    n_steps, is_normalized, options = TASKS[task]
    algorithm, own = WAYS[way]
    is_grouped = algorithm is rlextras.GRPO
    env: Any = make_vec_env(task, n_envs=N_ENVS, seed=seed)
    env = VecNormalize(env, norm_reward=not is_grouped) if is_normalized else env
    given = own | {"gamma": options.get("gamma", 0.99)} if is_grouped else options
    model = algorithm("MlpPolicy", env, seed=seed, device="cpu", **given)
    start = time.process_time()
    model.learn(n_steps)
    seconds = time.process_time() - start
    returns = [episode["r"] for episode in model.ep_info_buffer]
    return {
        "environment": task,
        "way": way,
        "seed": seed,
        "return": round(float(np.mean(returns)), 2),
        "cpu_seconds": round(seconds, 2),
        "steps": model.num_timesteps,
    }


def tables() -> Iterator[Table]:
    """Run what is missing, then one table a task."""
    torch.set_num_threads(1)
    for task in TASKS:
        for seed in SEEDS:
            for way in WAYS:
                if (task, way, str(seed)) not in RECORDS.rows():
                    RECORDS.note(train(task, way, seed))
        yield table(task)


def table(task: str) -> Table:
    """What the runs of a task came to."""
    lines = [
        f"| {task}, {TASKS[task][0]:,} steps | return, mean ± sd | least | CPU s, median |",
        "|---|---|---|---|",
    ]
    for way in WAYS:
        rows = [row for key, row in RECORDS.rows().items() if key[:2] == (task, way)]
        returns = [float(row["return"]) for row in rows]
        seconds = statistics.median(float(row["cpu_seconds"]) for row in rows)
        lines.append(
            f"| {way} | {statistics.fmean(returns):.1f} ± {np.std(returns):.1f} "
            f"| {min(returns):.1f} | {seconds:.1f} |"
        )
    return Table("\n".join([*lines, "", f"{len(SEEDS)} seeds."]), True)
