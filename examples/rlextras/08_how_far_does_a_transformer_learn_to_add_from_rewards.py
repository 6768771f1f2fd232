"""How far does a transformer learn to add two digits from rewards alone?

Nobody shows it a sum: it writes digits, and a few lines of code count how many of them are right.
GRPO compares eight answers to the same question. Guessing has a tenth of the digits right; the tens
come soon, the ones take long. Prints the share of right digits on the way, and some answers, and
draws the reward into out/addition.png if matplotlib is there.
"""

from pathlib import Path

import torch
from stable_baselines3.common.callbacks import BaseCallback

from rlextras import GRPO
from rlextras.envs import Addition, TokenVecEnv

TASK, N_ENVS, N_UPDATES, N_PARTS = Addition(n_digits=1), 64, 240, 6


class Curve(BaseCallback):
    """Note the mean reward of each update."""

    def __init__(self) -> None:
        super().__init__()
        self.rewards: list[float] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        last = list(self.model.ep_info_buffer)[-N_ENVS:]
        self.rewards.append(sum(episode["r"] for episode in last) / len(last))


torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
env = TokenVecEnv(TASK, n_envs=N_ENVS, seed=0)
options = {"group_size": 8, "n_groups": N_ENVS // 8, "n_epochs": 1, "ent_coef": 0.03}
model = GRPO("CausalTransformerPolicy", env, 1e-3, 512, **options, max_grad_norm=1.0, seed=0)
curve = Curve()
model.learn(N_UPDATES * N_ENVS * TASK.max_answer, callback=curve)

size = N_UPDATES // N_PARTS
shares = [sum(curve.rewards[k : k + size]) / size for k in range(0, N_UPDATES, size)]
print("share of right digits:", " ".join(f"{share:.2f}" for share in shares))
env.seed(100)
seen = env.reset()
for _ in range(TASK.max_answer):
    seen, _, _, infos = env.step(model.predict(seen, deterministic=True)[0])
texts = [TASK.decode(info["terminal_observation"]["tokens"].tolist()) for info in infos[:8]]
print("it writes:", ", ".join(texts))
try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    print("pip install matplotlib, and the curve is drawn")
else:
    Path("out").mkdir(exist_ok=True)
    plt.plot(curve.rewards)
    plt.gca().set(xlabel="update", ylabel="share of right digits")
    plt.savefig("out/addition.png")
assert shares[-1] > shares[0] + 0.15
