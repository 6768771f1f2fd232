"""How soon does DDPG swing the pendulum up, and how far is it from Stable-Baselines3's DDPG?

First both make 20 updates on the same data: prints the largest difference between their parameters.
Then ours learns for 6000 steps: prints steps per second and the mean return of the trained policy
in 20 episodes; about -150 is as good as it gets, a resting policy has about -1200.
"""

import copy
import time

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.noise import NormalActionNoise

import rlextras

N_STEPS = 6_000
OPTIONS = {
    "policy_kwargs": {"net_arch": [64, 64]},
    "batch_size": 100,
    "gamma": 0.98,
    "buffer_size": N_STEPS,
    "seed": 0,
    "device": "cpu",
}

torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
pair = [
    algorithm("MlpPolicy", "Pendulum-v1", **copy.deepcopy(OPTIONS)).learn(120)
    for algorithm in (rlextras.DDPG, stable_baselines3.DDPG)
]
parameters = zip(*(model.policy.parameters() for model in pair), strict=True)
apart = max((ours - theirs).abs().max().item() for ours, theirs in parameters)
print(f"after 20 updates, parameters differ by at most {apart:.1e}")

noise = NormalActionNoise(np.zeros(1), 0.2 * np.ones(1))
model = rlextras.DDPG("MlpPolicy", "Pendulum-v1", action_noise=noise, **OPTIONS)
start = time.perf_counter()
model.learn(N_STEPS)
print(f"{model.backend}: {N_STEPS / (time.perf_counter() - start):.0f} steps/s")
mean, _ = evaluate_policy(model, make_vec_env("Pendulum-v1", seed=1), n_eval_episodes=20)
print(f"mean return of the policy: {mean:.0f}")
assert apart < 1e-5
assert mean > -400
