"""PPO until it has learnt: time to a threshold, and whether the learning curves are the peer's.

Hyperparameters are the host's defaults, which Pendulum does not learn by, and those of
rl-baselines3-zoo, for Pendulum without its gSDE; the same for both, seed by seed, one torch thread,
kernels compiled beforehand. Schedules run over 100,000 steps, as there, and the runs stop early.
The threshold is reached when the mean of the last 20 training episodes reaches it at the end of a
rollout. Seconds are of the process (it has one thread), so that other work on the machine counts
little; those of the clock stand beside them. The final return is the mean of the last 20 training
episodes of the whole run.
Kolmogorov-Smirnov compares the final returns of the seeds, and their steps to the threshold: the
curves are taken for different where p is below 0.01. Each run stands in `learning.csv`; what stands
there is not run again.
"""

import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import stable_baselines3
import torch
from scipy.stats import ks_2samp
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import LinearSchedule

import rlextras
from benchmarks.harness import Table
from benchmarks.records import Records

RECORDS = Records(Path(__file__).with_suffix(".csv"), n_keys=3)
SEEDS, N_EPISODES, LEAST_P = range(10), 20, 0.01
HORIZON = 100_000  # the schedules of the zoo go to their end there
PEERS = (rlextras, stable_baselines3)


class Task(NamedTuple):
    """What is learnt."""

    environment: str
    threshold: float
    n_steps: int
    n_envs: int
    options: dict[str, Any]


TASKS = {
    "CartPole-v1, defaults": Task("CartPole-v1", 475.0, 163_840, 8, {}),
    "CartPole-v1": Task(
        "CartPole-v1",
        475.0,
        40_960,
        8,
        {
            "n_steps": 32,
            "batch_size": 256,
            "gae_lambda": 0.8,
            "gamma": 0.98,
            "n_epochs": 20,
            "learning_rate": LinearSchedule(0.001, 0.0, 1.0),
            "clip_range": LinearSchedule(0.2, 0.0, 1.0),
        },
    ),
    "Pendulum-v1": Task(
        "Pendulum-v1",
        -200.0,
        81_920,
        4,
        {"n_steps": 1024, "gae_lambda": 0.95, "gamma": 0.9, "learning_rate": 1e-3},
    ),
}


class Watch(BaseCallback):
    """Note when the mean of the last episodes reaches a threshold; end a run."""

    def __init__(self, threshold: float, n_steps: int) -> None:
        super().__init__()
        self._threshold, self._n_steps = threshold, n_steps
        self.reached: tuple[float, float, int] | None = None

    def _on_training_start(self) -> None:
        self._start = time.process_time(), time.perf_counter()

    def _on_step(self) -> bool:
        return self.num_timesteps < self._n_steps

    def _on_rollout_end(self) -> None:
        last = list(self.model.ep_info_buffer)[-N_EPISODES:]
        is_enough = len(last) == N_EPISODES
        if self.reached is None and is_enough and mean_return(last) >= self._threshold:
            cpu, wall = self._start
            passed = time.process_time() - cpu, time.perf_counter() - wall
            self.reached = (*passed, self.num_timesteps)


def mean_return(episodes: list[Mapping[str, float]]) -> float:
    """Mean return of some episodes."""
    return statistics.mean(episode["r"] for episode in episodes)


def train(module: Any, name: str, seed: int) -> dict[str, Any]:
    """Learn with one seed; a row of the records."""
    task = TASKS[name]
    env = make_vec_env(task.environment, n_envs=task.n_envs, seed=seed)
    model = module.PPO("MlpPolicy", env, seed=seed, device="cpu", **task.options)
    watch = Watch(task.threshold, task.n_steps)
    model.learn(max(HORIZON, task.n_steps), callback=watch)
    cpu, wall, steps = watch.reached or ("", "", "")
    return {
        "environment": name,
        "seed": seed,
        "package": module.__name__,
        "final_return": round(mean_return(list(model.ep_info_buffer)[-N_EPISODES:]), 2),
        "cpu_seconds": cpu and round(cpu, 3),
        "seconds": wall and round(wall, 3),
        "steps": steps,
    }


def tables() -> Iterator[Table]:
    """Run what is missing, ours and the peer's in turn; then one table a task."""
    torch.set_num_threads(1)
    rlextras.PPO("MlpPolicy", "CartPole-v1", n_steps=64, device="cpu").learn(64)  # compiles
    for name in TASKS:
        for seed in SEEDS:
            for module in PEERS:
                if (name, str(seed), module.__name__) not in RECORDS.rows():
                    RECORDS.note(train(module, name, seed))
        yield table(name)


def table(name: str) -> Table:
    """What the runs of a task came to."""
    _, threshold, n_steps, n_envs, _ = TASKS[name]
    runs = [row for (task, *_), row in RECORDS.rows().items() if task == name]
    mine, theirs = ([run for run in runs if run["package"] == peer.__name__] for peer in PEERS)
    lines = [
        f"| {name}, {n_envs} DummyVecEnv, until {threshold:g} | seeds that did "
        "| CPU s, median | spread | ratio | s, median | steps, median | final return |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ours = median(mine, "cpu_seconds")
    for peer, group in zip(PEERS, (mine, theirs), strict=True):
        done = [float(run["cpu_seconds"]) for run in group if run["cpu_seconds"]]
        spread = f"{min(done):.2f} to {max(done):.2f}" if done else ""
        final = [float(run["final_return"]) for run in group]
        lines.append(
            f"| {peer.__name__} | {len(done)} of {len(group)} | {median(group, 'cpu_seconds'):.2f} "
            f"| {spread} | {median(group, 'cpu_seconds') / ours:.1f} "
            f"| {median(group, 'seconds'):.2f} | {median(group, 'steps'):.0f} "
            f"| {statistics.mean(final):.1f} ± {np.std(final):.1f} |"
        )
    tests = {
        words: ks_2samp(*([float(run[key]) for run in g if run[key]] for g in (mine, theirs)))
        for words, key in {
            "final returns": "final_return",
            "steps to the threshold": "steps",
        }.items()
    }
    told = [
        f"{words} {test.statistic:.2f} (p = {test.pvalue:.2f})" for words, test in tests.items()
    ]
    is_same = all(test.pvalue >= LEAST_P for test in tests.values())
    verdict = "no difference" if is_same else "**they differ**"
    lines += [
        "",
        f"{n_steps} steps a run, {len(mine)} and {len(theirs)} seeds of {len(SEEDS)}. "
        f"Kolmogorov-Smirnov: {', '.join(told)}: {verdict}.",
    ]
    return Table("\n".join(lines), is_same)


def median(runs: list[dict[str, str]], column: str) -> float:
    """Median over the runs that reached the threshold; NaN if none did."""
    values = [float(run[column]) for run in runs if run[column]]
    return statistics.median(values) if values else float("nan")
