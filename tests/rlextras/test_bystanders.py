"""Whoever is by between two steps may replace what the kernels work on, and is found."""

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback, ConvertCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnvWrapper,
    VecNormalize,
)
from torch import nn
from torch.testing import assert_close

from rlextras import DDPG, PPO, TRPO
from rlextras.host.bystanders import is_alone
from rlextras.vec_env import CompiledVecEnv, GymnasiumVecEnv, ThreadedVecEnv

SMALL = {"seed": 0, "device": "cpu", "learning_starts": 8, "buffer_size": 64, "batch_size": 8}
SMALL |= {"policy_kwargs": {"net_arch": [16]}}
NAME = "Pendulum-v1"


class Bystander:
    """Does something to a model whenever it is asked."""

    def __init__(self, do):
        self.do, self.model = do, None

    def __call__(self, given=None):
        if self.model is not None and self.model.num_timesteps >= 10:
            self.do(self.model)
        return given


def silence(model):
    """Put zeros in the place of all that the actor has learnt."""
    for parameter in model.policy.actor.parameters():
        parameter.data = torch.zeros_like(parameter)


def in_the_environment(who):
    class Wrapped(gymnasium.Wrapper):
        def step(self, action):
            who()
            return super().step(action)

    return {"env": Wrapped(gymnasium.make(NAME))}


def in_a_wrapper(who):
    class Wrapped(VecEnvWrapper):
        def reset(self):
            return self.venv.reset()

        def step_wait(self):
            who()
            return self.venv.step_wait()

    return {"env": VecNormalize(Wrapped(make_vec_env(NAME)), norm_obs=False, norm_reward=False)}


def in_a_function_of_a_wrapper(who):
    return {"env": gymnasium.wrappers.TransformObservation(gymnasium.make(NAME), who, None)}


def in_a_method_put_in_place_of_another(who):
    env = gymnasium.make(NAME)
    step = env.unwrapped.step
    env.unwrapped.step = lambda action: who(step(action))
    return {"env": env}


def in_the_noise(who):
    class Noise(NormalActionNoise):
        def __call__(self):
            who()
            return super().__call__()

    noise = Noise(np.zeros(1, np.float32), np.full(1, 1e-6, np.float32))
    return {"action_noise": VectorizedActionNoise(noise, 1)}


def in_the_buffer(who):
    class Buffer(ReplayBuffer):
        def add(self, *args, **kwargs):
            who()
            super().add(*args, **kwargs)

    return {"replay_buffer_class": Buffer}


def in_the_schedule(who):
    return {"learning_rate": lambda _: who(1e-3)}


def in_a_derived_class(who):
    class Derived(DDPG):
        def train(self, *args, **kwargs):
            super().train(*args, **kwargs)
            who()

    return {"kind": Derived}


def in_a_callback(who):
    return {"callback": lambda *_: who() is None}


@pytest.mark.parametrize(
    "place",
    [
        in_the_environment,
        in_a_wrapper,
        in_a_function_of_a_wrapper,
        in_a_method_put_in_place_of_another,
        in_the_noise,
        in_the_buffer,
        in_the_schedule,
        in_a_derived_class,
        in_a_callback,
    ],
)
def test_memory_that_somebody_replaces_between_two_steps_is_found(place):
    who = Bystander(silence)
    options = {"env": NAME, "callback": None, "kind": DDPG} | place(who)
    callback, kind = options.pop("callback"), options.pop("kind")
    who.model = model = kind("MlpPolicy", **options, **SMALL)
    model.learn(32, callback=callback)
    assert model.backend.name == "numba"
    actions = model.replay_buffer.actions[:32, 0, 0]
    assert np.all(actions[:8])
    assert np.all(np.abs(actions[12:]) < 0.01)  # one step of Adam away from zeros at most


def test_a_method_of_the_model_put_in_place_of_another_is_found():
    model = DDPG("MlpPolicy", NAME, **SMALL)
    train = model.train

    def train_and_silence(*args, **kwargs):
        train(*args, **kwargs)
        silence(model)

    model.train = train_and_silence
    model.learn(32)
    assert np.all(np.abs(model.replay_buffer.actions[12:32]) < 0.01)


def test_a_log_of_the_users_own_is_somebody():
    class Log(KVWriter):
        def write(self, *args, **kwargs):
            pass

    model = DDPG("MlpPolicy", NAME, **SMALL)
    model.set_logger(Logger(None, [Log()]))
    assert not is_alone(model, ConvertCallback(None))


def noise():
    return NormalActionNoise(np.zeros(1), np.ones(1))


ALONE = {
    "an id": lambda: {"env": NAME},
    "noise": lambda: {"env": NAME, "action_noise": noise()},
    "noise of several": lambda: {"env": make_vec_env(NAME, 2), "action_noise": noise()},
    "a schedule": lambda: {"env": NAME, "learning_rate": LinearSchedule(1e-3, 0, 1)},
    "normalised": lambda: {"env": VecNormalize(make_vec_env(NAME, 2))},
    "threads": lambda: {"env": make_vec_env(NAME, 2, vec_env_cls=ThreadedVecEnv)},
    "processes": lambda: {"env": make_vec_env(NAME, 2, vec_env_cls=SubprocVecEnv)},
    "compiled": lambda: {"env": CompiledVecEnv(NAME)},
    "native": lambda: {"env": GymnasiumVecEnv(gymnasium.make_vec(NAME, 2))},
    "priorities": lambda: {"env": NAME, "prioritized": True},
}


@pytest.mark.parametrize("name", ALONE)
def test_the_hosts_own_parts_leave_a_model_alone(name):
    model = DDPG("MlpPolicy", **ALONE[name](), **SMALL)
    model.learn(1)
    assert is_alone(model, ConvertCallback(None))
    assert is_alone(model, CheckpointCallback(1, "unused"))
    assert not model._is_alone  # learn is over
    model.env.close()


def put_a_layer(policy):
    torch.manual_seed(5)
    policy.action_net = nn.Linear(policy.action_net.in_features, policy.action_net.out_features)


def put_a_hook(policy):
    policy.action_net.register_forward_hook(lambda module, given, told: 3 * told)


def put_memory(policy):
    for parameter in policy.parameters():
        parameter.data = parameter.data * 2


def put_a_method(policy):
    forward = policy.forward
    policy.forward = lambda seen, deterministic=False: forward(seen * 0, deterministic)


class Changing(BaseCallback):
    """Changes the policy at one time."""

    def __init__(self, change, at):
        super().__init__()
        self.change, self.at, self.n_starts = change, at, 0

    def _on_rollout_start(self):
        self.n_starts += 1
        if self.at == "start" and self.n_starts == 2:
            self.change(self.model.policy)

    def _on_step(self):
        if self.num_timesteps == self.at:
            self.change(self.model.policy)
        return True


class ChangingEnv(gymnasium.Wrapper):
    """Changes the policy of the model that it was told of in a step."""

    model, n_steps = None, 0

    def __init__(self, change, at):
        super().__init__(gymnasium.make("CartPole-v1"))
        self.change, self.at = change, at

    def step(self, action):
        self.n_steps += 1
        if self.n_steps == self.at:
            self.change(self.model.policy)
        return super().step(action)


@pytest.mark.parametrize("change", [put_a_layer, put_a_hook, put_memory, put_a_method])
@pytest.mark.parametrize("at", ["start", 22, "environment"])
def test_a_rollout_goes_on_with_the_policy_that_somebody_put_there(change, at):
    buffers = []
    for kind in (PPO, stable_baselines3.PPO):
        env = ChangingEnv(change, 21 if at == "environment" else -1)
        options = {"n_steps": 32, "n_epochs": 1, "seed": 0, "device": "cpu", "batch_size": 32}
        model = kind("MlpPolicy", DummyVecEnv([lambda env=env: env]), gamma=0.9, **options)
        env.model = model
        model.learn(64 if at == "start" else 32, callback=Changing(change, at))
        buffers.append(model.rollout_buffer)
    ours, theirs = buffers
    for name in ("actions", "values", "log_probs", "returns"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert_close(one, other, atol=2e-5, rtol=1e-5, msg=name)


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_what_is_frozen_between_two_trainings_stays(backend):
    model = DDPG("MlpPolicy", NAME, backend=backend, **SMALL).learn(16)
    frozen = list(model.actor.parameters())
    before = [parameter.detach().clone() for parameter in frozen]
    others = [parameter.detach().clone() for parameter in model.critic.parameters()]
    for parameter in frozen:
        parameter.requires_grad_(False)
    model.learn(16, reset_num_timesteps=False)
    assert all(map(torch.equal, frozen, before))
    assert not any(map(torch.equal, model.critic.parameters(), others))
    for parameter in frozen:
        parameter.requires_grad_(True)
    model.learn(16, reset_num_timesteps=False)
    assert not any(map(torch.equal, frozen, before))


def test_a_hook_on_the_way_of_a_gradient_is_called():
    model, calls = DDPG("MlpPolicy", NAME, **SMALL).learn(16), []
    layer = model.critic.q_networks[0][-1]
    layer.register_full_backward_hook(lambda *_: calls.append("layer"))
    model.learn(4, reset_num_timesteps=False)
    assert len(calls) == 2 * 4  # the critic's own step, and the actor's through it
    layer._backward_hooks.clear()
    layer.bias.register_hook(lambda _: calls.append("bias"))
    model.learn(4, reset_num_timesteps=False)
    assert calls.count("bias") == 4


@pytest.mark.parametrize("kind", [PPO, TRPO])
def test_who_was_by_is_forgotten_after_a_training(kind, tmp_path):
    model = kind("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32, seed=0, device="cpu")
    model.learn(32).save(tmp_path / "model")
    assert not model._is_alone
    assert "_is_alone" not in vars(kind.load(tmp_path / "model", device="cpu"))
