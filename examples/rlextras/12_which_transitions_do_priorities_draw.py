"""Which transitions do priorities draw, and what did the critic think of them?

DDPG learns to swing the pendulum up and draws transitions in proportion to how wrong its critic was
about them. Prints the share of the draws that the most surprising tenth of the memory gets (a tenth
if all were drawn alike), the weight that corrects for it, the bias of the critic against what the
last episodes returned, and the return of the policy.
"""

import numpy as np
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.noise import NormalActionNoise

from rlextras import DDPG

N_STEPS = 6_000

torch.set_num_threads(1)
model = DDPG(
    "MlpPolicy",
    "Pendulum-v1",
    buffer_size=N_STEPS,
    batch_size=100,
    prioritized=True,
    replay_buffer_kwargs={"alpha": 0.6, "beta": 0.5},
    bias_episodes=4,
    gamma=0.98,
    action_noise=NormalActionNoise(np.zeros(1), 0.2 * np.ones(1)),
    policy_kwargs={"net_arch": [64, 64]},
    seed=0,
    device="cpu",
).learn(N_STEPS)

buffer = model.replay_buffer
priorities = np.sort(buffer.tree[:N_STEPS])
share = priorities[-N_STEPS // 10 :].sum() / priorities.sum()
_, weights, _ = buffer.sample_weighted(1000)
print(f"draws of the most surprising tenth: {100 * share:.0f}%")
print(f"weights from {weights.min():.2f} to {weights.max():.2f}")
bias = model.critic_bias()
print(f"critic: {bias['q_mean']:.0f} on average, {bias['q_bias']:+.0f} against the returns")
mean, _ = evaluate_policy(model, make_vec_env("Pendulum-v1", seed=1), n_eval_episodes=20)
print(f"mean return of the policy: {mean:.0f}")
assert share > 0.15
assert mean > -400
