"""GRPO on CartPole-v1 until it is solved: no critic, kernels compiled beforehand, one torch thread.

Solved is a mean return of 475 or more over the last 64 training episodes at the end of a rollout.
One group in as many environments; the options stand in `CARTPOLE` and were found on other seeds.
Steps count all that the environments took, those included that play on while others of the group
finish (in a DummyVecEnv they rest instead). Seconds of the process (it has one thread) stand beside
those of the clock; below them stands how the critic's absence shows in parameters, beside
Stable-Baselines3's policy of the same layers. Fair is when all seeds solve it.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from benchmarks.harness import OtherLoad, Table
from rlextras import GRPO
from rlextras.vec_env import make_compiled

SEEDS, THRESHOLD, N_EPISODES, MAX_STEPS = range(8), 475.0, 64, 400_000
CARTPOLE: dict[str, Any] = {
    "learning_rate": 7e-3,
    "group_size": 24,
    "n_groups": 1,
    "n_epochs": 8,
    "batch_size": 256,
    "clip_range": 0.5,
    "advantage": "return_to_go",
}
ENVIRONMENTS: dict[str, Callable[..., Any]] = {
    "compiled": make_compiled,
    "DummyVecEnv": make_vec_env,
}
STARTS = ("same", "random")


class Watch(BaseCallback):
    """Note when the mean of the last episodes reaches a threshold, and stop there."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self._threshold = threshold
        self.reached: tuple[float, float, int] | None = None

    def _on_training_start(self) -> None:
        self._start = time.process_time(), time.perf_counter()

    def _on_step(self) -> bool:
        return self.reached is None

    def _on_rollout_end(self) -> None:
        last = [episode["r"] for episode in self.model.ep_info_buffer]
        if len(last) == N_EPISODES and np.mean(last) >= self._threshold:
            cpu, wall = self._start
            passed = time.process_time() - cpu, time.perf_counter() - wall
            self.reached = (*passed, self.num_timesteps)


def solve(make: Callable[..., Any], start: str, seed: int) -> tuple[float, float, int] | None:
    """Seconds of the process, of the clock, and steps until it is solved."""
    env = make("CartPole-v1", n_envs=CARTPOLE["group_size"], seed=seed)
    options = CARTPOLE | {"start": start, "stats_window_size": N_EPISODES}
    watch = Watch(THRESHOLD)
    GRPO("MlpPolicy", env, seed=seed, device="cpu", **options).learn(MAX_STEPS, callback=watch)
    return watch.reached


def tables() -> Iterator[Table]:
    """Time to the threshold, then parameters."""
    torch.set_num_threads(1)
    solve(make_compiled, "same", 0)  # compiles
    load = OtherLoad()
    ways = [(name, start) for start in STARTS for name in ENVIRONMENTS]
    runs: dict[tuple[str, str], list[Any]] = {way: [] for way in ways}
    for seed in SEEDS:
        for name, start in ways:
            runs[name, start].append(solve(ENVIRONMENTS[name], start, seed))
    lines = [
        f"| CartPole-v1 until {THRESHOLD:g} | seeds that did | s, median | spread "
        "| CPU s, median | steps, median |",
        "|---|---|---|---|---|---|",
    ]
    for (name, start), each in runs.items():
        done = [run for run in each if run is not None]
        cpu, wall, steps = (list(column) for column in zip(*done, strict=True))
        lines.append(
            f"| {name}, starts {start} | {len(done)} of {len(each)} "
            f"| {statistics.median(wall):.2f} | {min(wall):.2f} to {max(wall):.2f} "
            f"| {statistics.median(cpu):.2f} | {statistics.median(steps):,.0f} |"
        )
    lines += ["", f"{len(SEEDS)} seeds, other work on {load.cores():.1f} cores."]
    yield Table("\n".join(lines), all(None not in each for each in runs.values()))
    yield parameters()


def parameters() -> Table:
    """What a policy without a critic holds, with Adam's moments."""
    models = {
        "rlextras.GRPO": GRPO("MlpPolicy", "CartPole-v1", device="cpu"),
        "stable_baselines3.PPO": stable_baselines3.PPO("MlpPolicy", "CartPole-v1", device="cpu"),
    }
    lines = ["| MlpPolicy, CartPole-v1 | parameters | bytes with Adam's moments |", "|---|---|---|"]
    for name, model in models.items():
        n = sum(each.numel() for each in model.policy.parameters())
        lines.append(f"| {name} | {n:,} | {3 * 4 * n:,} |")
    return Table("\n".join(lines), True)
