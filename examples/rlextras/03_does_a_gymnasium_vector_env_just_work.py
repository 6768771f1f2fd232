"""Does a native Gymnasium vector environment just work, and learn what the host's own would?

Gymnasium's vector environments reset themselves in the step after an episode's last, and ignore
the action then; Stable-Baselines3 wants the next episode's first observation at once. Trains PPO on
each way that Gymnasium knows to reset, and on the host's DummyVecEnv: the parameters are the same
to the last bit. Then on Gymnasium's vectorised CartPole, and on the compiled one.
"""

import time

import gymnasium
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from rlextras import PPO
from rlextras.vec_env import as_vec_env, make_compiled

ENV_ID, N_ENVS, N_STEPS, SEED = "CartPole-v1", 8, 8_192, 0


def train(env: VecEnv, n_steps: int = N_STEPS) -> PPO:
    """The same program for every environment."""
    model = PPO("MlpPolicy", env, n_steps=128, batch_size=256, n_epochs=4, seed=SEED, device="cpu")
    start = time.perf_counter()
    model.learn(n_steps)
    rate = n_steps / (time.perf_counter() - start)
    episodes = [episode["r"] for episode in model.ep_info_buffer]
    print(f"{rate:10,.0f} steps/s, mean return {sum(episodes) / len(episodes):4.0f}")
    return model


def difference(one: PPO, other: PPO) -> float:
    """Largest absolute difference between the parameters of two models."""
    pairs = zip(one.policy.parameters(), other.policy.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
PPO("MlpPolicy", ENV_ID, device="cpu").learn(1)  # compile the kernels, or load them, once
print("DummyVecEnv        ", end="")
host = train(make_vec_env(ENV_ID, n_envs=N_ENVS))
for mode in AutoresetMode:
    print(f"Sync, {mode.name:<13}", end="")
    native = SyncVectorEnv([lambda: gymnasium.make(ENV_ID)] * N_ENVS, autoreset_mode=mode)
    assert difference(train(as_vec_env(native)), host) == 0

print("vectorised         ", end="")
train(as_vec_env(gymnasium.make_vec(ENV_ID, num_envs=N_ENVS)))
print("compiled           ", end="")
assert difference(train(make_compiled(ENV_ID, n_envs=N_ENVS)), host) == 0
print("every rollout was that of DummyVecEnv: the parameters differ by 0")
