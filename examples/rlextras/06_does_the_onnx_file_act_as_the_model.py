"""Does an ONNX file act as the model that it was exported from, without torch?

Trains PPO on CartPole, writes its policy, and lets onnxruntime play the same episodes with the file
alone. Prints both returns, the time of a decision, and on how many observations the two differ.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gymnasium
import numpy as np
import onnxruntime
import torch
from stable_baselines3.common.env_util import make_vec_env

from rlextras import PPO

N_EPISODES, Act = 5, Callable[[np.ndarray], int]


def play(act: Act) -> tuple[float, list[np.ndarray]]:
    """Mean return of some episodes, and the observations on the way."""
    env, total, seen = gymnasium.make("CartPole-v1"), 0.0, []
    for seed in range(N_EPISODES):
        observation, _ = env.reset(seed=seed)
        is_over = truncated = False
        while not (is_over or truncated):
            seen.append(observation)
            observation, reward, is_over, truncated, _ = env.step(act(observation))
            total += float(reward)
    return total / N_EPISODES, seen


def microseconds_of_one(act: Act, seen: list[np.ndarray]) -> float:
    start = time.perf_counter()
    _ = [act(observation) for observation in seen]
    return 1e6 * (time.perf_counter() - start) / len(seen)


torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
model = PPO("MlpPolicy", env, n_steps=128, seed=0, device="cpu").learn(16_384)
with tempfile.TemporaryDirectory() as folder:
    model.export_onnx(Path(folder) / "policy.onnx")
    session = onnxruntime.InferenceSession(Path(folder) / "policy.onnx")

acts = {
    "the host's policy": lambda seen: int(model.policy.predict(seen, deterministic=True)[0]),
    "predict": lambda seen: int(model.predict(seen, deterministic=True)[0]),
    "onnxruntime": lambda seen: int(session.run(["action"], {"observation": seen[None]})[0][0]),
}
(by_model, seen), (by_file, _) = play(acts["predict"]), play(acts["onnxruntime"])
for name, act in acts.items():
    print(f"{name:<18} {microseconds_of_one(act, seen[-500:]):6.1f} µs a decision")
n_different = sum(acts["predict"](each) != acts["onnxruntime"](each) for each in seen)
print(f"return {by_file} and {by_model}, other actions in {n_different} of {len(seen)} places")
assert (n_different, by_file) == (0, by_model)
