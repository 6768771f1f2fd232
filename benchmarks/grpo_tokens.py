"""GRPO on tokens: completions a second beside TRL's GRPOTrainer, and seconds to an equal reward.

The task is to write four digits backwards; the model is a transformer of two layers, width 64 and
two heads, one torch thread, 8 prompts times 8 completions an update, learning rate 1e-3 and
constant, Adam, gradients clipped at 1, no divergence penalty, one pass, sampling at temperature 1;
the reward is the share of digits that are right, place by place. The peer lives in a virtual
environment that is made here, and has the same torch. Ours also runs the peer's very model as a
`HuggingFacePolicy`. Runs take turns; seconds are from the first reward to the last and leave out
set-up and kernels, which are compiled beforehand.

The peer's model is a GPT-2 without dropout, whose places are learnt, as ours are beside its rotary
ones. It had been a Llama: with rotary positions alone either algorithm ends at a reward of 0.3
after 300 updates, TRL's and ours, and with a GPT-2 either ends at 0.99. The peer's reward
looks at token ids, because a decoded text leaves out special tokens and moves what follows them;
nothing else slows it: no logging, no saving, no progress bar, float32, prompts of one length.

`equal reward` is the second at which the mean reward of twenty updates first is 0.8, which both
reach. Fair is what ends with a reward no lower than the peer's.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from benchmarks.harness import OtherLoad, Table
from rlextras import GRPO
from rlextras.envs import Reverse, TokenVecEnv

N_DIGITS, GROUP_SIZE, N_GROUPS, N_UPDATES, LEARNING_RATE = 4, 8, 8, 300, 1e-3
SEEDS, N_MEAN, THRESHOLD, N_TOKENS = range(3), 20, 0.8, 16
PEER = ("trl>=1.0", "datasets", "accelerate")
FOLDER = Path(tempfile.gettempdir()) / f"mlextras-trl-{sys.version_info[0]}.{sys.version_info[1]}"


def peer_python() -> Path:
    """The interpreter of the peer's environment, which is made where there is none.

    Packages of this environment are seen there, too: torch is the same, and is not fetched again.
    """
    python = FOLDER / "bin" / "python"
    done = FOLDER / "is_complete"
    if not done.exists():
        venv.create(FOLDER, with_pip=True, clear=True)
        [own] = (FOLDER / "lib").glob("python*/site-packages")
        (own / "shared.pth").write_text("\n".join(p for p in sys.path if "site-packages" in p))
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER], check=True)
        done.touch()
    return python


def peer(seed: int) -> dict[str, list[float]]:
    """Train with TRL in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = {
            "n_digits": N_DIGITS,
            "group_size": GROUP_SIZE,
            "n_groups": N_GROUPS,
            "n_updates": N_UPDATES,
            "learning_rate": LEARNING_RATE,
            "seed": seed,
            "folder": folder,
        }
        script = Path(__file__).with_name("trl_reverse.py")
        command = [peer_python(), script, json.dumps(wanted)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"the peer failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


class Watch(BaseCallback):
    """Note the mean reward of each update, and the clock."""

    def __init__(self, n_updates: int) -> None:
        super().__init__()
        self.n_updates = n_updates
        self.told: list[tuple[float, float]] = []

    def _on_step(self) -> bool:
        return len(self.told) < self.n_updates

    def _on_rollout_end(self) -> None:
        returns = self.model._episodes.returns
        self.told.append((time.perf_counter(), float(returns.mean())))


def trained(
    seed: int, policy: str, policy_kwargs: dict[str, Any], n_updates: int = N_UPDATES
) -> dict[str, list[float]]:
    """Train with ours."""
    env = TokenVecEnv(Reverse(N_DIGITS), n_envs=GROUP_SIZE * N_GROUPS, seed=seed)
    model = GRPO(
        policy,
        env,
        LEARNING_RATE,
        batch_size=GROUP_SIZE * N_GROUPS * N_DIGITS,
        group_size=GROUP_SIZE,
        n_groups=N_GROUPS,
        n_epochs=1,
        max_grad_norm=1.0,
        seed=seed,
        device="cpu",
        policy_kwargs=policy_kwargs,
    )
    watch = Watch(n_updates)
    model.learn((n_updates + 1) * GROUP_SIZE * N_GROUPS * N_DIGITS, callback=watch)
    clock = [each for each, _ in watch.told]
    return {
        "seconds": [each - clock[0] for each in clock],
        "rewards": [each for _, each in watch.told],
    }


def ours(seed: int, n_updates: int = N_UPDATES) -> dict[str, list[float]]:
    """Our transformer."""
    shape = {"width": 64, "n_layers": 2, "n_heads": 2}
    return trained(seed, "CausalTransformerPolicy", shape, n_updates)


def wrapped(seed: int) -> dict[str, list[float]]:
    """The peer's model in our algorithm."""
    from transformers import GPT2Config, GPT2LMHeadModel

    def make() -> GPT2LMHeadModel:
        config = GPT2Config(
            vocab_size=N_TOKENS,
            n_positions=4 * N_DIGITS,
            n_embd=64,
            n_layer=2,
            n_head=2,
            **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0),
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=0,
        )
        return GPT2LMHeadModel(config)

    return trained(seed, "HuggingFacePolicy", {"make_model": make})


CONTESTANTS: dict[str, Callable[[int], dict[str, list[float]]]] = {
    "rlextras.GRPO, CausalTransformerPolicy": ours,
    "rlextras.GRPO, HuggingFacePolicy": wrapped,
    "trl.GRPOTrainer": peer,
}


def tables() -> Iterator[Table]:
    """One table; the contestants take turns, seed by seed."""
    torch.set_num_threads(1)
    peer_python()
    ours(seed=0, n_updates=2)  # compiles the kernels where there is no cache
    load = OtherLoad()
    runs: dict[str, list[dict[str, list[float]]]] = {name: [] for name in CONTESTANTS}
    for seed in SEEDS:
        for name, run in CONTESTANTS.items():
            runs[name].append(run(seed))
    rates = {name: statistics.median(map(rate, each)) for name, each in runs.items()}
    final = {name: float(np.mean([last(run) for run in each])) for name, each in runs.items()}
    reached = {name: [at_threshold(run) for run in each] for name, each in runs.items()}
    theirs, head = "trl.GRPOTrainer", f"reverse {N_DIGITS} digits, {N_UPDATES} updates"
    lines = [
        f"| {head} | completions/s | to the peer | equal reward, s | to the peer | final reward |",
        "|---|---|---|---|---|---|",
    ]
    median = {name: statistics.median(each) for name, each in reached.items()}
    for name in runs:
        seconds = " ".join(f"{second:.1f}" for second in reached[name])
        lines.append(
            f"| {name} | {rates[name]:,.0f} | {rates[name] / rates[theirs]:.1f} | {seconds} "
            f"| {median[theirs] / median[name]:.1f} | {final[name]:.2f} |"
        )
    lines += ["", f"{len(SEEDS)} seeds, other work on {load.cores():.1f} cores."]
    is_fair = final["rlextras.GRPO, CausalTransformerPolicy"] >= final[theirs] - 0.05
    yield Table("\n".join(lines), is_fair)


def rate(run: dict[str, list[float]]) -> float:
    """Completions a second."""
    seconds = run["seconds"]
    return GROUP_SIZE * N_GROUPS * (len(seconds) - 1) / seconds[-1]


def last(run: dict[str, list[float]]) -> float:
    """Mean reward of the last updates."""
    return statistics.fmean(run["rewards"][-N_MEAN:])


def at_threshold(run: dict[str, list[float]]) -> float:
    """When the mean reward reached the threshold; NaN if it did not."""
    rewards = run["rewards"]
    for k in range(N_MEAN, len(rewards) + 1):
        if statistics.fmean(rewards[k - N_MEAN : k]) >= THRESHOLD:
            return run["seconds"][k - 1]
    return float("nan")
