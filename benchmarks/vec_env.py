"""Vector environments alone, random actions, one torch thread; no learner.

Seconds are for 1000 environment steps. Classic control: the compiled version beside the host's
`DummyVecEnv` and Gymnasium's own vector environment (`make_vec`, which is vectorised NumPy for the
pole and a loop for the others). HalfCheetah-v5: `ThreadedVecEnv` beside `DummyVecEnv`; it needs
idle cores. Quality is the largest difference of a reward from `DummyVecEnv`'s, with the same seeds
and actions. Gymnasium's own has one: it gives no reward in the steps in which it resets itself.
"""

from collections.abc import Iterator
from functools import partial

import gymnasium
import numpy as np
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv

from benchmarks.harness import Contest, Contestant
from rlextras.vec_env import GymnasiumVecEnv, ThreadedVecEnv, make_compiled
from rlextras.vec_env.compiled import TASKS

SEED, N_ENVS, N_STEPS, N_CHEETAH_STEPS = 0, 8, 1_000, 500


def contests() -> Iterator[Contest]:
    """Each task that there is a compiled version of, then MuJoCo."""
    for env_id in TASKS:
        yield stepping(
            env_id,
            N_STEPS,
            {
                "rlextras.make_compiled": make_compiled(env_id, n_envs=N_ENVS),
                "DummyVecEnv": make_vec_env(env_id, n_envs=N_ENVS),
                "gymnasium.make_vec": gymnasium.make_vec(env_id, num_envs=N_ENVS),
                "the same in GymnasiumVecEnv": GymnasiumVecEnv(
                    gymnasium.make_vec(env_id, num_envs=N_ENVS)
                ),
            },
        )
    yield stepping(
        "HalfCheetah-v5",
        N_CHEETAH_STEPS,
        {
            cls.__name__: make_vec_env("HalfCheetah-v5", n_envs=N_ENVS, vec_env_cls=cls)
            for cls in (ThreadedVecEnv, DummyVecEnv)
        },
    )


def stepping(env_id: str, n_steps: int, envs: dict) -> Contest:
    """The same random actions for each of several vector environments."""
    space = make_vec_env(env_id).action_space
    space.seed(SEED)
    actions = np.array([[space.sample() for _ in range(N_ENVS)] for _ in range(n_steps)])
    expected = rewards_of(envs["DummyVecEnv"], actions)

    def difference(rewards):
        return np.abs(rewards - expected).max()

    return Contest(
        task=f"{env_id}, {N_ENVS} environments",
        units=n_steps * N_ENVS / 1000,
        quality_name="reward error",
        tolerance=0.0,
        contestants=[
            Contestant(name=name, run=partial(rewards_of, env, actions), quality=difference)
            for name, env in envs.items()
        ],
    )


def rewards_of(env, actions):
    """Rewards (T, N) of a vector environment of the host, or of Gymnasium."""
    if isinstance(env, gymnasium.vector.VectorEnv):
        env.reset(seed=SEED)
    else:
        env.seed(SEED)
        env.reset()
    return np.array([env.step(each)[1] for each in actions])
