"""DDPG until it has learnt: whether it learns what Stable-Baselines3's learns, and in what time.

Hyperparameters of Pendulum are those of rl-baselines3-zoo (20,000 steps, [400, 300], an update for
each step after 10,000 random ones); InvertedPendulum has [64, 64] and batches of 100. The same for
both, seed by seed, one torch thread, kernels compiled beforehand. The return is the mean of 20
episodes of the trained policy. Kolmogorov-Smirnov compares the returns of the seeds: the learning
is taken for different where p is below 0.01. Each run stands in `ddpg_learning.csv`; what stands
there is not run again.
"""

import copy
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import stable_baselines3
import torch
from scipy.stats import ks_2samp
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.noise import NormalActionNoise

import rlextras
from benchmarks.harness import Table
from benchmarks.records import Records
from rlextras.offpolicy.prioritized import PrioritizedReplayBuffer

RECORDS = Records(Path(__file__).with_suffix(".csv"), n_keys=3)
SEEDS, N_EPISODES, LEAST_P, N_STEPS = range(5), 20, 0.01, 20_000
PEERS = (rlextras, stable_baselines3)
TASKS: dict[str, tuple[str, dict[str, Any]]] = {  # what is published, options
    "Pendulum-v1": (
        "published: -152 ± 94",
        {
            "gamma": 0.98,
            "buffer_size": 200_000,
            "learning_starts": 10_000,
            "policy_kwargs": {"net_arch": [400, 300]},
        },
    ),
    "InvertedPendulum-v5": (
        "at most 1000",
        {
            "learning_starts": 1_000,
            "batch_size": 100,
            "buffer_size": 20_000,
            "policy_kwargs": {"net_arch": [64, 64]},
        },
    ),
}


def train(module: Any, name: str, seed: int) -> dict[str, Any]:
    """Learn with one seed; a row of the records."""
    options = copy.deepcopy(TASKS[name][1])  # the host writes into policy_kwargs
    noise = NormalActionNoise(np.zeros(1), 0.1 * np.ones(1))
    env = make_vec_env(name, seed=seed)
    model = module.DDPG("MlpPolicy", env, seed=seed, device="cpu", action_noise=noise, **options)
    cpu, wall = time.process_time(), time.perf_counter()
    model.learn(N_STEPS)
    passed = time.process_time() - cpu, time.perf_counter() - wall
    mean, _ = evaluate_policy(model, make_vec_env(name, seed=1000 + seed), N_EPISODES)
    return {
        "environment": name,
        "seed": seed,
        "package": module.__name__,
        "return": round(float(mean), 2),
        "cpu_seconds": round(passed[0], 3),
        "seconds": round(passed[1], 3),
    }


def tables() -> Iterator[Table]:
    """Run what is missing, ours and the peer's in turn; then one table a task, and memory."""
    torch.set_num_threads(1)
    rlextras.DDPG("MlpPolicy", "Pendulum-v1", buffer_size=200, device="cpu").learn(102)  # compiles
    for name in TASKS:
        for seed in SEEDS:
            for module in PEERS:
                if (name, str(seed), module.__name__) not in RECORDS.rows():
                    RECORDS.note(train(module, name, seed))
        yield table(name)
    yield memory()


def table(name: str) -> Table:
    """What the runs of a task came to."""
    runs = [row for (task, *_), row in RECORDS.rows().items() if task == name]
    groups = [[run for run in runs if run["package"] == peer.__name__] for peer in PEERS]
    lines = [
        f"| {name}, {N_STEPS} steps, {TASKS[name][0]} | seeds | return | CPU s | ratio | s |",
        "|---|---|---|---|---|---|",
    ]
    ours = statistics.median(float(run["cpu_seconds"]) for run in groups[0])
    for peer, group in zip(PEERS, groups, strict=True):
        returns = [float(run["return"]) for run in group]
        cpu, wall = (
            statistics.median(float(run[key]) for run in group)
            for key in ("cpu_seconds", "seconds")
        )
        lines.append(
            f"| {peer.__name__} | {len(group)} | {statistics.mean(returns):.1f} "
            f"± {np.std(returns):.1f} | {cpu:.1f} | {cpu / ours:.1f} | {wall:.1f} |"
        )
    test = ks_2samp(*([float(run["return"]) for run in group] for group in groups))
    is_same = test.pvalue >= LEAST_P
    verdict = "no difference" if is_same else "**they differ**"
    words = f"Kolmogorov-Smirnov: {test.statistic:.2f} (p = {test.pvalue:.2f}): {verdict}."
    return Table("\n".join([*lines, "", words]), is_same)


def memory() -> Table:
    """Bytes of a transition in a prioritised buffer and in the host's."""
    env = make_vec_env("Pendulum-v1")
    spaces, n = (env.observation_space, env.action_space), 10_000
    sizes = {
        kind.__name__: sum(
            each.nbytes
            for each in vars(kind(n, *spaces, "cpu")).values()
            if hasattr(each, "nbytes")
        )
        / n
        for kind in (PrioritizedReplayBuffer, ReplayBuffer)
    }
    lines = ["| buffer, Pendulum-v1 | bytes a transition |", "|---|---|"]
    lines += [f"| {name} | {size:.0f} |" for name, size in sizes.items()]
    ours, theirs = sizes.values()
    return Table("\n".join(lines), ours <= theirs + 16)
