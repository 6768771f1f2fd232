"""Does a run that was stopped, and resumed by another process, end where the unbroken one does?

PPO trains on Pendulum under VecNormalize. One run goes through; the other one is saved after half
the way, this process ends it, and a new Python process loads it with ``resume=True`` and goes on.
Prints the largest difference between their parameters, and between what VecNormalize learnt.
"""

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from rlextras import PPO

HALF = 8_192


def make_env() -> gymnasium.Env:
    return gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make("Pendulum-v1"))


def second_half(folder: Path) -> None:
    """What the other process does: environments and model from their files, and go on."""
    venv = pickle.loads((folder / "environments.pkl").read_bytes())
    model = PPO.load(folder / "model", env=VecNormalize(venv), device="cpu", resume=True)
    model.learn(HALF, reset_num_timesteps=False).save(folder / "model")
    model.get_vec_normalize_env().save(folder / "statistics.pkl")


def first_half() -> PPO:
    env = VecNormalize(DummyVecEnv([make_env] * 4))
    return PPO("MlpPolicy", env, n_steps=256, seed=0, device="cpu").learn(HALF)


torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
if len(sys.argv) == 2:
    second_half(Path(sys.argv[1]))
    sys.exit()

unbroken = first_half().learn(HALF, reset_num_timesteps=False)
with tempfile.TemporaryDirectory() as folder:
    stopped = first_half()
    stopped.save(Path(folder) / "model")  # VecNormalize's statistics are in the file
    (Path(folder) / "environments.pkl").write_bytes(pickle.dumps(stopped.get_env().venv))
    subprocess.run([sys.executable, __file__, folder], check=True)
    resumed = PPO.load(Path(folder) / "model", device="cpu")
    statistics = pickle.loads((Path(folder) / "statistics.pkl").read_bytes())

pairs = zip(unbroken.policy.parameters(), resumed.policy.parameters(), strict=True)
difference = max((a - b).abs().max().item() for a, b in pairs)
means = [each.obs_rms.mean for each in (unbroken.get_vec_normalize_env(), statistics)]
print(f"{resumed.num_timesteps} steps each, half of them in another process")
print(f"parameters differ by {difference}, normalised means by {np.abs(means[0] - means[1]).max()}")
assert np.array_equal([difference, *means[0]], [0, *means[1]])
