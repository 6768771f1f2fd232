"""Stable-Baselines3: CartPole to its solved threshold, evaluated on the way, saved and loaded."""

import time
from pathlib import Path

import gymnasium
import numpy as np
import stable_baselines3
import torch
from matplotlib.figure import Figure
from stable_baselines3.common.callbacks import EvalCallback, StopTrainingOnRewardThreshold
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.utils import LinearSchedule

import rlextras
from examples.demo.report import Row, save_figure

ENV, MAX_STEPS, SEED = "CartPole-v1", 100_000, 1
OPTIONS = {  # rl-baselines3-zoo's for this environment
    "n_steps": 32,
    "batch_size": 256,
    "gae_lambda": 0.8,
    "gamma": 0.98,
    "n_epochs": 20,
    "ent_coef": 0.0,
    "learning_rate": LinearSchedule(1e-3, 0.0, 1.0),
    "clip_range": LinearSchedule(0.2, 0.0, 1.0),
}


def train(PPO, threshold: float, folder: Path):
    """Learn until the mean return of an evaluation reaches the threshold; save the best model."""
    stop = StopTrainingOnRewardThreshold(threshold, verbose=1)
    watch = EvalCallback(
        make_vec_env(ENV, n_envs=8, seed=SEED + 100),
        callback_on_new_best=stop,
        n_eval_episodes=16,
        eval_freq=250,  # calls, of eight steps each
        best_model_save_path=str(folder),
        log_path=str(folder),
        verbose=0,
    )
    model = PPO(
        "MlpPolicy", make_vec_env(ENV, n_envs=8, seed=SEED), seed=SEED, device="cpu", **OPTIONS
    )
    return model.learn(MAX_STEPS, callback=watch, progress_bar=True)


def run(folder: Path) -> list[Row]:
    """Train with ours and with SB3's PPO, load what was saved, evaluate; draw both curves."""
    threshold = gymnasium.spec(ENV).reward_threshold
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two are slower for a network of this size
    rows, figure = [], Figure(figsize=(6, 4))
    axes = figure.subplots()
    for package in (rlextras, stable_baselines3):  # what is imported on first use is not timed
        package.PPO("MlpPolicy", ENV, n_steps=64, seed=SEED, device="cpu").learn(64)
    for package in (rlextras, stable_baselines3):
        name = f"{package.__name__}.PPO"
        print(f"\n{name}: {ENV} to a return of {threshold:g}", flush=True)
        start = time.perf_counter()
        model = train(package.PPO, threshold, folder / package.__name__)
        seconds = time.perf_counter() - start
        best = package.PPO.load(folder / package.__name__ / "best_model", device="cpu")
        mean, std = evaluate_policy(best, make_vec_env(ENV, seed=SEED + 200), n_eval_episodes=20)
        score = f"return {mean:.0f} +- {std:.0f} after {model.num_timesteps} steps"
        rows.append(Row(f"{ENV} to {threshold:g}", name, score, seconds))
        log = np.load(folder / package.__name__ / "evaluations.npz")
        axes.plot(log["timesteps"], log["results"].mean(axis=1), marker="o", label=name)
    axes.axhline(threshold, color="grey", linestyle=":", label="solved")
    axes.set(xlabel="environment steps", ylabel="mean return", title=ENV)
    axes.legend()
    torch.set_num_threads(n_threads)
    save_figure(figure, folder / "control.png")
    return rows
