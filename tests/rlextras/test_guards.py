"""Bad input from environments and policies: one clear line each, and a model that stays usable."""

import io

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnvWrapper
from torch.distributions import Distribution

from rlextras import PPO, TRPO
from rlextras.host.guards import naming_divergence
from tests.rlextras.environments import Clock, Line, limited

SMALL = {"n_steps": 16, "batch_size": 16, "seed": 0, "device": "cpu"}
AT = 5


class Spoilt(VecEnvWrapper):
    """Change what one step of all environments returned."""

    def __init__(self, venv, spoil):
        super().__init__(venv)
        self.spoil, self.n_steps = spoil, 0

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        self.n_steps += 1
        given = self.venv.step_wait()
        return self.spoil(*given) if self.n_steps == AT else given


def line(spoil=None):
    return limited(lambda: Line(spoil=spoil, spoil_at=AT), limit=9, n_envs=2)


def stays_usable(model):
    """After a failure a model predicts, is saved, loaded, and learns elsewhere."""
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    loaded = type(model).load(file, env=line(), device="cpu")
    places = np.linspace(-1, 1, 6).reshape(3, 2)
    assert np.array_equal(
        *(each.predict(places, deterministic=True)[0] for each in (model, loaded))
    )
    for each in (model, loaded):
        each.set_env(line())
        assert np.isfinite(each.learn(64).predict(places)[0]).all()


def test_infos_may_be_missing_where_no_episode_ended():
    env = Spoilt(line(), lambda o, r, d, i: (o, r, d, []))
    assert PPO("MlpPolicy", env, **SMALL).learn(32).num_timesteps == 32


NAN, INF = np.float32("nan"), np.float32("inf")
STEPS = {
    "observation is NaN": (
        lambda o, r, d, i: (o * NAN, r, d, i),
        "observation must be finite, got nan from environment 0",
    ),
    "observation is infinite": (
        lambda o, r, d, i: (o + INF, r, d, i),
        "observation must be finite, got inf from environment 0",
    ),
    "reward is infinite": (
        lambda o, r, d, i: (o, r - INF, d, i),
        "reward must be finite, got -inf from environment 0",
    ),
    "observation has other shape": (
        lambda o, r, d, i: (o[:, :1], r, d, i),
        r"observation must have shape \(2, 2\), got \(2, 1\)\. Let the environment's step",
    ),
    "observation of one only": (
        lambda o, r, d, i: (o[0], r, d, i),
        r"observation must have shape \(2, 2\), got \(2,\)",
    ),
    "reward in columns": (
        lambda o, r, d, i: (o, r[:, None], d, i),
        r"reward must have shape \(2,\), got \(2, 1\)",
    ),
    "one done": (lambda o, r, d, i: (o, r, d[0], i), r"done must have shape \(2,\), got \(\)"),
    "one info": (lambda o, r, d, i: (o, r, d, i[:1]), "env must give one info per environment, 2"),
}


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("name", STEPS)
def test_what_a_step_returns_is_looked_at(name, backend):
    spoil, message = STEPS[name]
    model = PPO("MlpPolicy", Spoilt(line(), spoil), **SMALL, backend=backend)
    with pytest.raises(ValueError, match=rf"^PPO: {message}") as caught:
        model.learn(64)
    assert "\n" not in str(caught.value)
    stays_usable(model)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda observations: {}, r"observation must hold 'step', got none\. Let the environment"),
        (
            lambda observations: {"step": observations["step"] * NAN},
            r"observation\['step'\] must be finite, got nan",
        ),
        (
            lambda observations: {"step": observations["step"][:, :0]},
            r"observation\['step'\] must have shape \(2, 1\), got \(2, 0\)",
        ),
    ],
    ids=["missing", "nan", "shape"],
)
def test_every_part_of_a_dict_is_looked_at(spoil, message):
    env = limited(lambda: Clock(7, as_dict=True), limit=5, n_envs=2)
    env = Spoilt(env, lambda o, *rest: (spoil(o), *rest))
    with pytest.raises(ValueError, match=rf"^PPO: {message}"):
        PPO("MultiInputPolicy", env, **SMALL).learn(64)


@pytest.mark.parametrize("algorithm", [PPO, TRPO])
def test_a_single_environment_of_another_shape_is_named(algorithm):
    model = algorithm("MlpPolicy", line(lambda o, r: (np.zeros(3), r)), **SMALL)
    owner = algorithm.__name__
    with pytest.raises(
        ValueError, match=rf"^{owner}: observation must fit its space, got one that"
    ):
        model.learn(64)
    stays_usable(model)


def test_a_dict_without_a_key_is_named():
    class Partial(Clock):
        def observe(self):
            return {} if self.n_steps == AT else super().observe()

    env = DummyVecEnv([lambda: Partial(7, as_dict=True)])
    with pytest.raises(ValueError, match=r"^PPO: observation must fit its space.*'step'"):
        PPO("MultiInputPolicy", env, **SMALL).learn(64)


class BrokenError(Exception):
    """What a simulator raises."""


def broken(observation, reward):
    raise BrokenError("the arm fell off")


@pytest.mark.parametrize("algorithm", [PPO, TRPO])
def test_what_an_environment_raises_arrives_with_a_note(algorithm):
    model = algorithm("MlpPolicy", line(broken), **SMALL)
    with pytest.raises(BrokenError, match="the arm fell off") as caught:
        model.learn(64)
    [note] = caught.value.__notes__
    owner = algorithm.__name__
    assert note.startswith(f"{owner}: the environment raised this in a step after 8 timesteps. The")
    stays_usable(model)


def test_a_process_that_dies_arrives_with_a_note():
    env = SubprocVecEnv([lambda: Line(spoil=lambda *_: exit(1), spoil_at=AT)], start_method="fork")
    try:
        with pytest.raises((EOFError, ConnectionError)) as caught:
            PPO("MlpPolicy", env, **SMALL).learn(64)
        assert "PPO: the environment raised this in a step after 4" in caught.value.__notes__[0]
    finally:
        env.waiting = False
        for process in env.processes:
            process.join()


# A policy that computes no numbers


@pytest.mark.parametrize("action_space", ["numbers", "choices"])
@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("algorithm", [PPO, TRPO])
def test_actions_that_are_no_numbers_are_not_taken(algorithm, backend, action_space):
    env = line() if action_space == "numbers" else limited(lambda: Clock(7), limit=5, n_envs=2)
    model = algorithm("MlpPolicy", env, **SMALL, backend=backend)
    with torch.no_grad():
        model.policy.action_net.bias.fill_(NAN)
    owner = algorithm.__name__
    with pytest.raises(
        ValueError, match=rf"^{owner}: action, value, log-probability and loss must"
    ):
        model.learn(64)


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("algorithm", [PPO, TRPO])
def test_an_update_that_diverges_says_so_at_once(algorithm, backend):
    options = SMALL | {"learning_rate": 1e38, "normalize_advantage": False}
    model = algorithm("MlpPolicy", line(lambda o, r: (o, 1e30)), **options, backend=backend)
    with pytest.raises(
        ValueError, match=r"must be finite, got NaN or infinity from the policy\. Lower"
    ):
        model.learn(64)
    assert model.num_timesteps <= 64


# Sizes


def test_a_rollout_smaller_than_a_minibatch_is_announced():
    message = (
        r"^PPO: batch_size=64 does not divide n_steps \* n_envs = 32: in place of all of them "
        r"there will be a truncated mini-batch of size 32\. Choose 32, or more n_steps\."
    )
    with pytest.warns(UserWarning, match=message):
        model = PPO("MlpPolicy", line(), n_steps=16, batch_size=64, device="cpu")
    assert model.learn(32)._n_updates == 10


@pytest.mark.parametrize("device", ["cud", 3])
def test_a_device_that_is_none_is_refused(device):
    with pytest.raises((ValueError, TypeError), match=r"PPO: device must be .*, got"):
        PPO("MlpPolicy", line(), **(SMALL | {"device": device}))


def test_the_space_of_the_observations_is_that_of_the_environment():
    # Scalars have no axis of their own: (N,) is right for them.
    env = limited(lambda: Clock(7), limit=5, n_envs=2)
    env.observation_space = spaces.Discrete(101)
    env.buf_obs[None] = np.zeros(2, np.int64)
    env._save_obs = lambda i, observation: env.buf_obs[None].__setitem__(i, int(observation[0]))
    assert PPO("MlpPolicy", env, **SMALL).learn(32).num_timesteps == 32


def test_torchs_own_checks_are_left_out_only_meanwhile(monkeypatch):
    monkeypatch.setattr(Distribution, "_validate_args", True)  # torch.compile leaves it off
    seen = []

    class Look(BaseCallback):
        def _on_step(self):
            seen.append(Distribution._validate_args)
            return True

    PPO("MlpPolicy", line(), **SMALL, backend="torch").learn(64, callback=Look())
    assert set(seen) == {True}
    with naming_divergence("PPO"), naming_divergence("TRPO"):
        assert not Distribution._validate_args
    assert Distribution._validate_args
