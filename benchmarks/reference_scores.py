"""Scores of PPO on MuJoCo after a million steps, beside what others published.

Hyperparameters are those that rl-baselines3-zoo tuned, observations and rewards normalised. A score
is the mean return of 20 episodes of the final policy, most likely actions, rewards as the
environment gives them. Published are means over ten seeds and their spread (Tianshou, its own
hyperparameters) and one run with its spread over episodes (the zoo, version 3 of the environments).
With the zoo's hyperparameters Hopper learns to stand, or falls, with Stable-Baselines3's PPO as
well as with ours; so it is also trained with both libraries' defaults, which are PPO's as its
paper has them (2330 there). Each finished run stands in `reference_scores.csv`; what stands there
is not run again, and runs that are missing are said to be.
"""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

import rlextras
from benchmarks.harness import Table
from benchmarks.records import Records

RECORDS = Records(Path(__file__).with_suffix(".csv"), n_keys=4)
SEEDS, N_STEPS, N_EPISODES = range(3), 1_000_000, 20
POLICY = {
    "log_std_init": -2.0,
    "ortho_init": False,
    "activation_fn": nn.ReLU,
    "net_arch": {"pi": [256, 256], "vf": [256, 256]},
}
ZOO, DEFAULTS = "zoo", "defaults"
OPTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("Hopper-v5", ZOO): {
        "policy_kwargs": POLICY,
        "n_steps": 512,
        "batch_size": 32,
        "gamma": 0.999,
        "learning_rate": 9.80828e-05,
        "ent_coef": 0.00229519,
        "clip_range": 0.2,
        "n_epochs": 5,
        "gae_lambda": 0.99,
        "max_grad_norm": 0.7,
        "vf_coef": 0.835671,
    },
    ("Hopper-v5", DEFAULTS): {"gamma": 0.99},  # which VecNormalize has to be told
    ("HalfCheetah-v5", ZOO): {
        "policy_kwargs": POLICY,
        "n_steps": 512,
        "batch_size": 64,
        "gamma": 0.98,
        "learning_rate": 2.0633e-05,
        "ent_coef": 0.000401762,
        "clip_range": 0.1,
        "n_epochs": 20,
        "gae_lambda": 0.92,
        "max_grad_norm": 0.8,
        "vf_coef": 0.58096,
    },
}
OURS, PEERS = "rlextras.PPO", "stable_baselines3.PPO"
ALGORITHMS: dict[str, Any] = {OURS: rlextras.PPO, PEERS: stable_baselines3.PPO}
RUNS = [
    ("Hopper-v5", ZOO, OURS),
    ("Hopper-v5", ZOO, PEERS),
    ("Hopper-v5", DEFAULTS, OURS),
    ("Hopper-v5", DEFAULTS, PEERS),
    ("HalfCheetah-v5", ZOO, OURS),
]
PUBLISHED = {  # mean and spread: Tianshou over ten seeds, the zoo over episodes
    "Hopper-v5": ((2609, 701), (2410, 10)),
    "HalfCheetah-v5": ((5784, 1244), (5819, 664)),
}


def tables() -> Iterator[Table]:
    """Run what is missing, one run after another; then the table."""
    for seed in SEEDS:
        for run in RUNS:
            if (*run, str(seed)) not in RECORDS.rows():
                RECORDS.note(train(*run, seed))
    yield table()


def train(name: str, hyperparameters: str, algorithm: str, seed: int) -> dict[str, Any]:
    """Train one policy and evaluate it; a row of the records."""
    torch.set_num_threads(1)
    options = OPTIONS[name, hyperparameters]
    env = VecNormalize(make_vec_env(name, seed=seed), gamma=options["gamma"])
    model = ALGORITHMS[algorithm]("MlpPolicy", env, seed=seed, device="cpu", **options)
    start, cpu_start = time.perf_counter(), time.process_time()
    model.learn(N_STEPS)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    env.training = env.norm_reward = False
    score, deviation = evaluate_policy(model, env, n_eval_episodes=N_EPISODES)
    return {
        "environment": name,
        "hyperparameters": hyperparameters,
        "algorithm": algorithm,
        "seed": seed,
        "score": round(float(score), 1),
        "deviation": round(float(deviation), 1),
        "seconds": round(seconds),
        "cpu_seconds": round(cpu_seconds),
    }


def table() -> Table:
    """Scores of the finished runs beside the published ones, and whether they are as good."""
    rows = [
        "| after 1M steps | scores | mean ± sd | Tianshou, 10 seeds | zoo, one run | steps/s "
        "| CPU s a run |",
        "|---|---|---|---|---|---|---|",
    ]
    is_fair, runs = True, RECORDS.rows()
    for wanted in RUNS:
        (name, hyperparameters, algorithm), label = wanted, ", ".join(wanted)
        those = [run for keys, run in sorted(runs.items()) if keys[:3] == wanted]
        if not those:
            rows.append(f"| {label} | no run finished | | | | | |")
            continue
        scores = [float(run["score"]) for run in those]
        deviation = f" ± {statistics.stdev(scores):.0f}" if len(scores) > 1 else ""
        mean, published = statistics.mean(scores), PUBLISHED[name]
        others = [f"{center} ± {spread}" for center, spread in published]
        seconds, cpu = (
            statistics.median(float(run[key]) for run in those)
            for key in ("seconds", "cpu_seconds")
        )
        if (hyperparameters, algorithm) == (ZOO, OURS):
            is_fair &= mean >= min(center - spread for center, spread in published)
        rows.append(
            f"| {label} | {', '.join(f'{score:.0f}' for score in scores)} "
            f"({len(scores)} of {len(SEEDS)} seeds) | {mean:.0f}{deviation} | {others[0]} "
            f"| {others[1]} | {N_STEPS / seconds:.0f} | {cpu:.0f} |"
        )
    return Table("\n".join(rows), is_fair)
