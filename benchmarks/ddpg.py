"""DDPG beside Stable-Baselines3's, kernels compiled beforehand.

Training: seconds are for 1000 environment steps with one update each, all of `learn` included; the
models go on from where the last round left them. Quality is the largest difference between the
parameters of the two after 20 updates on the same data. With two cores, the peer has its better
setting of torch's threads, found beforehand. Priorities: seconds are for one update's worth of
1,000,000 transitions: 1 added, 256 drawn, 256 given new priorities; the peers are a sum tree in
plain Python over NumPy arrays, as most libraries have it, and one that walks a whole batch level by
level; quality is how far the sum is off.
"""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

import rlextras
from benchmarks.harness import Contest, Contestant

PEERS = (rlextras, stable_baselines3)
SEED, N_LEAVES, N_DRAWN, WARM_UP = 0, 1_000_000, 256, 150
BUFFER_SIZE = 100_000
LARGE = {"policy_kwargs": {"net_arch": [400, 300]}, "batch_size": 256}
SMALL = {"policy_kwargs": {"net_arch": [64, 64]}, "batch_size": 100}


def contests() -> Iterator[Contest]:
    """Large and small networks on one core, large ones on two, priorities, goals."""
    torch.set_num_threads(1)
    yield training("Pendulum-v1, [400, 300], batch 256, one thread", 100, LARGE)
    yield training("Pendulum-v1, [64, 64], batch 100, one thread", 500, SMALL)
    best = better_threads()
    task = f"Pendulum-v1, [400, 300], batch 256, two cores (the peer on {best})"
    yield training(task, 100, LARGE, threads={rlextras: 2, stable_baselines3: best})
    torch.set_num_threads(1)
    yield prioritizing()
    yield hindsight()


def made(module: Any, options: dict[str, Any], **more: Any) -> Any:
    """A model; the host writes into policy_kwargs, so that each gets its own."""
    given = {
        name: dict(value) if isinstance(value, dict) else value for name, value in options.items()
    }
    usual = {"buffer_size": BUFFER_SIZE, "seed": SEED, "device": "cpu"}
    return module.DDPG("MlpPolicy", "Pendulum-v1", **(usual | given | more))


def training(
    task: str, n_steps: int, options: dict[str, Any], threads: dict[Any, int] | None = None
) -> Contest:
    """Go on learning."""
    models = {module: made(module, options).learn(WARM_UP) for module in PEERS}
    apart = difference(options)

    def learn(module: Any) -> Any:
        torch.set_num_threads((threads or {}).get(module, 1))
        return models[module].learn(n_steps, reset_num_timesteps=False)

    return Contest(
        task=task,
        units=n_steps / 1000,
        rounds=15,  # short ones: the clock of the processor moves within seconds
        quality_name="largest difference after 20 updates",
        tolerance=1e-5,
        contestants=[
            Contestant(
                name=f"{module.__name__}.DDPG",
                run=partial(learn, module),
                quality=lambda _, module=module: apart if module is rlextras else 0.0,
            )
            for module in PEERS
        ],
    )


def difference(options: dict[str, Any]) -> float:
    """Largest difference between parameters after 20 updates on the same data."""
    models = [made(module, options, learning_starts=100).learn(120) for module in PEERS]
    pairs = zip(*(model.policy.parameters() for model in models), strict=True)
    return max((one - other).abs().max().item() for one, other in pairs)


def better_threads() -> int:
    """The number of torch's threads with which the peer is faster."""
    model = made(stable_baselines3, LARGE).learn(WARM_UP)
    seconds = {}
    for n_threads in (1, 2, 1, 2):
        torch.set_num_threads(n_threads)
        start = time.perf_counter()
        model.learn(100, reset_num_timesteps=False)
        passed = time.perf_counter() - start
        seconds[n_threads] = min(passed, seconds.get(n_threads, passed))
    return min(seconds, key=seconds.__getitem__)


class OneByOne:
    """A sum tree in Python over an array: the sums first, then the priorities."""

    def __init__(self, n: int) -> None:
        self.n, self.tree = n, np.zeros(2 * n)

    def sum_error(self) -> float:
        """How far the first number is from the sum of the priorities."""
        return abs(self.tree[1] - self.tree[self.n :].sum())

    def assign(self, leaves: np.ndarray, priorities: np.ndarray) -> None:
        """Set priorities one after the other."""
        for leaf, priority in zip(leaves, priorities, strict=True):
            node = leaf + self.n
            self.tree[node] = priority
            while node > 1:
                node //= 2
                self.tree[node] = self.tree[2 * node] + self.tree[2 * node + 1]

    def draw(self, uniform: np.ndarray) -> np.ndarray:
        """Draw one after the other."""
        found = []
        for b, u in enumerate(uniform):
            left_of, node = (b + u) / len(uniform) * self.tree[1], 1
            while node < self.n:
                node *= 2
                if left_of >= self.tree[node]:
                    left_of -= self.tree[node]
                    node += 1
            found.append(node - self.n)
        return np.array(found)


class LevelByLevel(OneByOne):
    """A sum tree that takes all of a batch down and up together, by NumPy."""

    def assign(self, leaves: np.ndarray, priorities: np.ndarray) -> None:
        """Set priorities, then the sums above, level by level."""
        nodes = leaves + self.n
        self.tree[nodes] = priorities
        while len(nodes):
            nodes = np.unique(nodes // 2)
            nodes = nodes[nodes > 0]
            self.tree[nodes] = self.tree[2 * nodes] + self.tree[2 * nodes + 1]

    def draw(self, uniform: np.ndarray) -> np.ndarray:
        """Draw all, level by level."""
        left_of = (np.arange(len(uniform)) + uniform) / len(uniform) * self.tree[1]
        nodes = np.ones(len(uniform), np.int64)
        while (nodes < self.n).any():
            inner = nodes < self.n
            left = 2 * np.where(inner, nodes, 1)
            goes_right = inner & (left_of >= self.tree[left])
            left_of = np.where(goes_right, left_of - self.tree[left], left_of)
            nodes = np.where(inner, left + goes_right, nodes)
        return nodes - self.n


class Compiled:
    """Ours."""

    def __init__(self, n: int) -> None:
        from rlextras.kernels import priorities

        self._kernels, self.n = priorities, n
        self.tree, self.levels = priorities.planted(n), priorities.levels(n)

    def sum_error(self) -> float:
        """How far the last number is from the sum of the priorities."""
        return abs(self.tree[-1] - self.tree[: self.n].sum())

    def assign(self, leaves: np.ndarray, priorities: np.ndarray) -> None:
        """Set priorities."""
        self._kernels.assign(self.tree, self.levels, leaves, priorities)

    def draw(self, uniform: np.ndarray) -> np.ndarray:
        """Draw."""
        leaves = np.empty(len(uniform), np.int64)
        shares = np.empty(len(uniform), np.float32)
        self._kernels.draw(self.tree, self.levels, uniform, leaves, shares)
        return leaves


def prioritizing() -> Contest:
    """Add one, draw a batch, change its priorities, a hundred times."""
    trees = {kind: kind(N_LEAVES) for kind in (Compiled, OneByOne, LevelByLevel)}
    start = np.random.default_rng(SEED).random(N_LEAVES)
    for tree in (trees[Compiled], trees[LevelByLevel]):
        tree.assign(np.arange(N_LEAVES), start)
    trees[OneByOne].tree[:] = trees[LevelByLevel].tree
    n_times = 20

    def use(kind: Any) -> Any:
        rng, tree = np.random.default_rng(1), trees[kind]
        for k in range(n_times):
            tree.assign(np.array([k]), np.array([1.0]))
            leaves = tree.draw(rng.random(N_DRAWN))
            tree.assign(leaves, rng.random(N_DRAWN))
        return tree

    names = ("compiled", "one by one, in Python", "level by level, in NumPy")
    return Contest(
        task="priorities of 1,000,000: 1 added, 256 drawn, 256 changed",
        units=n_times,
        quality_name="error of the sum",
        tolerance=1e-6,
        contestants=[
            Contestant(name=name, run=partial(use, kind), quality=lambda tree: tree.sum_error())
            for name, kind in zip(names, trees, strict=True)
        ],
    )


def hindsight() -> Contest:
    """Dict observations and hindsight goals: the path of torch."""
    n_steps = 100

    def make(module: Any) -> Any:
        env = BitFlippingEnv(n_bits=4, continuous=True, max_steps=8)
        options = {"policy_kwargs": {"net_arch": [64, 64]}, "buffer_size": 10_000, "seed": SEED}
        return module.DDPG(
            "MultiInputPolicy", env, replay_buffer_class=HerReplayBuffer, device="cpu", **options
        ).learn(WARM_UP)

    models = {module: make(module) for module in PEERS}

    def missing(model: Any) -> float:
        return float(model._n_updates != model.num_timesteps - 100)

    return Contest(
        task="BitFlipping, Dict and HerReplayBuffer, [64, 64], batch 256",
        units=n_steps / 1000,
        quality_name="updates that are missing",
        tolerance=0.0,
        contestants=[
            Contestant(
                name=f"{module.__name__}.DDPG",
                run=partial(models[module].learn, n_steps, reset_num_timesteps=False),
                quality=missing,
            )
            for module in PEERS
        ],
    )
