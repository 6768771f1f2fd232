"""What DDPG offers beyond the host: exact resume, ONNX, bias, layer norm, one array of states."""

import copy
import io
import random

import cloudpickle
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer
from torch import nn
from torch.testing import assert_close

from rlextras import DDPG
from rlextras.offpolicy.bias import Episodes
from rlextras.offpolicy.compact import CompactReplayBuffer
from tests.rlextras.environments import Line, Sampled, limited
from tests.rlextras.test_ddpg import made, normal, ornstein, pendulum


def state_of(model):
    """All that a run leaves behind."""
    return {
        "parameters": copy.deepcopy(model.get_parameters()),
        "counts": [model.num_timesteps, model._n_updates, model._episode_num],
        "last": model._last_obs,
        "rewards": model.replay_buffer.rewards.copy(),
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1],  # noqa: NPY002
    }


def sent(model, env):
    """Model, buffer and environments after a way through files, as into another process."""
    file, buffer = io.BytesIO(), io.BytesIO()
    model.save(file)
    model.save_replay_buffer(buffer)
    inner = cloudpickle.loads(cloudpickle.dumps(env.venv if isinstance(env, VecNormalize) else env))
    for each in (file, buffer):
        each.seek(0)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    random.seed(99)
    env = VecNormalize(inner) if isinstance(env, VecNormalize) else inner
    loaded = DDPG.load(file, env=env, device="cpu", resume=True)
    loaded.load_replay_buffer(buffer, truncate_last_traj=False)
    return loaded


RESUMED = {
    "numba": {"backend": "numba"},
    "torch": {"backend": "torch"},
    "noise": {"action_noise": ornstein},
    "td3": {"target_noise_clip": 0.5, "policy_delay": 2, "n_critics": 2},
    "priorities": {"prioritized": True, "n_steps": 2},
    "one array": {"optimize_memory_usage": True},
}


@pytest.mark.parametrize("is_normalized", [False, True], ids=["plain", "VecNormalize"])
@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_run_equals_the_one_that_was_not_stopped(name, is_normalized):
    states = []
    for is_stopped in (False, True):
        env = VecNormalize(pendulum(2)) if is_normalized else pendulum(2)
        options = made(**RESUMED[name])
        if "action_noise" in options:
            options["action_noise"] = options["action_noise"]()
        model = DDPG("MlpPolicy", env, **options).learn(90)
        model = sent(model, env) if is_stopped else model
        states.append(state_of(model.learn(60, reset_num_timesteps=False)))
    assert_close(*states, atol=0, rtol=0)


class Checkpoint(BaseCallback):
    """Keep a copy of all at the start of a rollout."""

    def _on_rollout_start(self):
        if self.num_timesteps == 80:
            self.kept = sent_later(self.model, self.training_env)

    def _on_step(self):
        return True


def sent_later(model, env):
    file, buffer = io.BytesIO(), io.BytesIO()
    model.save(file)
    model.save_replay_buffer(buffer)
    return file, buffer, cloudpickle.dumps(env)


def test_a_callback_may_save_where_a_run_is_resumed_within_a_learn():
    noise, callback = ornstein(), Checkpoint()
    model = DDPG("MlpPolicy", pendulum(), **made(action_noise=noise))
    unbroken = state_of(model.learn(120, callback=callback))
    file, buffer, env = callback.kept
    for each in (file, buffer):
        each.seek(0)
    loaded = DDPG.load(file, env=cloudpickle.loads(env), device="cpu", resume=True)
    loaded.load_replay_buffer(buffer, truncate_last_traj=False)
    assert_close(state_of(loaded.learn(40, reset_num_timesteps=False)), unbroken, atol=0, rtol=0)


def test_the_buffer_may_stand_in_the_file(tmp_path):
    model = DDPG("MlpPolicy", pendulum(), **made()).learn(80)
    model.save(tmp_path / "all", include=["replay_buffer"])
    for algorithm in (DDPG, stable_baselines3.DDPG):
        loaded = algorithm.load(tmp_path / "all", env=pendulum())
        assert np.array_equal(loaded.replay_buffer.rewards, model.replay_buffer.rewards)


def test_a_file_of_the_host_cannot_be_resumed(tmp_path):
    stable_baselines3.DDPG("MlpPolicy", pendulum(), **made()).save(tmp_path / "theirs")
    with pytest.raises(ValueError, match=r"^DDPG: path must be a file that rlextras saved to be"):
        DDPG.load(tmp_path / "theirs", env=pendulum(), resume=True)


def bits():
    return BitFlippingEnv(n_bits=3, continuous=True, max_steps=5)


@pytest.mark.parametrize("kind", ["vector", "dict", "layer norm"])
def test_the_onnx_file_acts_as_the_model(kind, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="it reads what was written")
    if kind == "dict":
        model = DDPG("MultiInputPolicy", bits(), **made()).learn(70)
        model.export_onnx(tmp_path / "actor.onnx")
        rows = [model.observation_space.sample() for _ in range(5)]
        given = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    else:
        options = made(layer_norm=kind == "layer norm")
        model = DDPG("MlpPolicy", pendulum(), **options).learn(70)
        model.export_onnx(tmp_path / "actor.onnx")
        given = {"observation": np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)}
    session = onnxruntime.InferenceSession(tmp_path / "actor.onnx")
    [actions] = session.run(None, given)
    expected, _ = model.predict(given if kind == "dict" else given["observation"])
    assert_close(actions, expected, atol=1e-5, rtol=1e-5)


def test_a_policy_that_chooses_in_its_own_way_is_not_exported(tmp_path):
    class Mine(stable_baselines3.td3.policies.TD3Policy):
        def _predict(self, observation, deterministic=False):
            return -self.actor(observation)

    with pytest.raises(TypeError, match=r"^DDPG: policy must choose as the host's does"):
        DDPG(Mine, pendulum(), **made()).export_onnx(tmp_path / "actor.onnx")


class Constant(nn.Module):
    """A critic that always says the same."""

    def q1_forward(self, observations, actions):
        return torch.full((len(actions), 1), 2.0)


class Said:
    """A policy around it."""

    device, critic = "cpu", Constant()

    def obs_to_tensor(self, observations):
        return torch.as_tensor(observations), True

    def actor(self, observations):
        return observations[:, :1]


def test_bias_is_the_mean_of_what_was_said_less_what_came():
    episodes, seen = Episodes(2, 1), np.zeros((1, 2), np.float32)
    act, info = np.zeros((1, 1)), {"TimeLimit.truncated": True, "terminal_observation": seen[0]}
    for reward, done, infos in [(9.0, True, [{}]), (1.0, False, [{}]), (3.0, True, [{}])]:
        episodes.note(seen, act, np.array([reward]), np.array([done]), infos)
    episodes.note(seen, act, np.array([1.0]), np.array([True]), [info])
    told = episodes.bias(Said(), 0.5)  # returns 2.5, 3, and 1 + 0.5 * 2 where time was up
    errors = np.array([2 - 2.5, 2 - 3.0, 2 - 2.0])
    assert told == pytest.approx(
        {"q_mean": 2.0, "q_bias": errors.mean(), "q_bias_std": errors.std()}
    )
    assert Episodes(2, 1).bias(Said(), 0.5) == {}


@pytest.mark.parametrize("env", [lambda: pendulum(2), bits], ids=["vector", "dict"])
def test_the_log_holds_the_bias_where_it_is_asked_for(env):
    policy = "MultiInputPolicy" if env is bits else "MlpPolicy"
    model = DDPG(policy, env(), **made(bias_episodes=3)).learn(130, log_interval=1)
    model.dump_logs()
    episodes = model._episodes
    assert len(episodes._finished) == 3
    assert set(model.critic_bias()) == {"q_mean", "q_bias", "q_bias_std"}
    assert DDPG(policy, env(), **made()).learn(20).critic_bias() == {}


@pytest.mark.parametrize("n_critics", [1, 2])
def test_layer_norm_stands_behind_all_linear_layers_but_the_last(n_critics, tmp_path):
    options = made(layer_norm=True, n_critics=n_critics)
    model = DDPG("MlpPolicy", pendulum(), **options).learn(80)
    kinds = [nn.Linear, nn.LayerNorm, nn.ReLU] * 2 + [nn.Linear]
    networks = [*model.critic.q_networks, *model.critic_target.q_networks]
    assert [type(each) for each in model.actor.mu] == [*kinds, nn.Tanh]
    assert all([type(each) for each in network] == kinds for network in networks)
    assert model.backend.name == "torch"
    model.save(tmp_path / "model")
    for algorithm in (DDPG, stable_baselines3.DDPG):
        loaded = algorithm.load(tmp_path / "model")
        assert_close(dict(loaded.policy.state_dict()), dict(model.policy.state_dict()))


def test_layer_norm_needs_a_name():
    with pytest.raises(ValueError, match=r"^DDPG: layer_norm must be False with a policy class"):
        DDPG(stable_baselines3.td3.policies.TD3Policy, pendulum(), **made(layer_norm=True))


@pytest.mark.parametrize("n_rows", [200, 23], ids=["room", "written over"])
def test_one_array_of_observations_hands_out_what_two_would(n_rows, monkeypatch):
    box, n_envs = spaces.Box(-1, 1, (2,)), 2
    one, two = (
        kind(n_rows * n_envs, box, box, "cpu", n_envs=n_envs)
        for kind in (CompactReplayBuffer, ReplayBuffer)
    )
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(n_envs, 2)).astype(np.float32)
    for step in range(60):
        following, actions = rng.normal(size=(2, n_envs, 2)).astype(np.float32)
        dones = np.array([step % 7 == 6, step % 5 == 4])
        infos = [{"TimeLimit.truncated": bool(step % 2)} for _ in range(n_envs)]
        for buffer in (one, two):
            buffer.add(seen, following, actions, rng.normal(size=n_envs), dones, infos)
        first = rng.normal(size=(n_envs, 2)).astype(np.float32)
        seen = np.where(dones[:, None], first, following)
    one.rewards[:] = two.rewards
    rows = np.array([r for r in range(one.size()) if r != one.pos])
    monkeypatch.setattr(np.random, "randint", lambda *_, **__: rows % 2)
    for mine, theirs in zip(one._get_samples(rows), two._get_samples(rows), strict=True):
        assert (mine is theirs is None) or torch.equal(mine, theirs)
    assert len(one.finals) <= n_rows


def test_optimising_memory_changes_nothing_but_memory():
    states = []
    for is_one in (False, True):
        options = made(optimize_memory_usage=is_one)
        model = DDPG("MlpPolicy", pendulum(2), **options).learn(150)
        states.append(dict(model.policy.state_dict()))
    assert type(model.replay_buffer) is CompactReplayBuffer
    assert_close(*states, atol=1e-5, rtol=0)


def test_episodes_that_a_reset_cut_are_not_joined():
    model = DDPG("MlpPolicy", pendulum(), **made(n_steps=3)).learn(70)
    assert not model.replay_buffer.dones[69]
    model.learn(5)
    assert (model.replay_buffer.dones[69, 0], model.replay_buffer.timeouts[69, 0]) == (1, 1)


def test_goals_are_learnt_as_by_the_host():
    states = []
    for algorithm in (DDPG, stable_baselines3.DDPG):
        options = made(replay_buffer_class=HerReplayBuffer)
        model = algorithm("MultiInputPolicy", bits(), **options).learn(90)
        states.append(dict(model.policy.state_dict()))
    assert_close(*states, atol=1e-5, rtol=0)


def test_images_are_learnt_by_torch_as_by_the_host():
    states = []
    for algorithm in (DDPG, stable_baselines3.DDPG):
        env = Sampled(spaces.Box(0, 255, (36, 36, 1), np.uint8))
        kwargs = {"features_extractor_kwargs": {"features_dim": 8}, "net_arch": [8]}
        options = made(policy_kwargs=kwargs, buffer_size=30, learning_starts=10, batch_size=4)
        env = limited(lambda env=env: env, limit=6, n_envs=1)
        states.append(dict(algorithm("CnnPolicy", env, **options).learn(16).policy.state_dict()))
    assert_close(*states, atol=1e-5, rtol=0)


def test_noise_of_other_environments_is_refused():
    noise = VectorizedActionNoise(normal(), 3)
    with pytest.raises(ValueError, match=r"^DDPG: action_noise must be of 2 environments, got one"):
        DDPG("MlpPolicy", pendulum(2), **made(action_noise=noise)).learn(4)


def test_a_reward_that_is_none_leaves_a_model_to_train_on():
    env = limited(lambda: Line(spoil=lambda o, _: (o, float("nan"))), limit=9, n_envs=1)
    model = DDPG("MlpPolicy", env, **made())
    with pytest.raises(ValueError, match=r"^DDPG: reward must be finite, got nan"):
        model.learn(40)
    model.learn(40)
    assert np.isfinite(model.replay_buffer.rewards).all()


def test_a_native_vector_environment_is_taken():
    import gymnasium

    env = gymnasium.make_vec("Pendulum-v1", num_envs=2)
    assert DDPG("MlpPolicy", env, **made()).learn(70).num_timesteps == 70


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"tau": 1.5}, ValueError, r"tau must be in \[0, 1\], got 1.5"),
        ({"buffer_size": 0}, ValueError, "buffer_size must be 1 or more, got 0"),
        ({"train_freq": (1, "close")}, ValueError, "train_freq must be 1 or more, with the unit"),
        ({"train_freq": "4"}, TypeError, "train_freq must be an int or a pair"),
        ({"gradient_steps": -2}, ValueError, "gradient_steps must be -1 or more, got -2"),
        ({"policy_delay": 0}, ValueError, "policy_delay must be 1 or more, got 0"),
        ({"target_noise_clip": -1}, ValueError, "target_noise_clip must be 0 or more, got -1"),
        ({"action_noise": 3}, TypeError, "action_noise must be an ActionNoise or None, got 3"),
        ({"replay_buffer_class": dict}, TypeError, "replay_buffer_class must be a ReplayBuffer"),
    ],
    ids=str,
)
def test_a_bad_option_is_refused_in_one_sentence(options, kind, message):
    with pytest.raises(kind, match=rf"^DDPG: {message}"):
        DDPG("MlpPolicy", pendulum(), **made(**options))


def test_n_steps_of_dictionaries_are_refused():
    with pytest.raises(ValueError, match=r"^DDPG: n_steps must be 1 with Dict observations, got 3"):
        DDPG("MultiInputPolicy", bits(), **made(n_steps=3))


def test_what_is_no_buffer_is_refused(tmp_path):
    (tmp_path / "buffer.pkl").write_bytes(cloudpickle.dumps([1]))
    with pytest.raises(
        TypeError, match=r"^DDPG: path must be a file of a replay buffer, got .*list"
    ):
        DDPG("MlpPolicy", pendulum(), **made()).load_replay_buffer(tmp_path / "buffer.pkl")


def test_noise_is_drawn_as_by_the_host_from_environments_of_any_number():
    env = make_vec_env("Pendulum-v1", 3)
    model = DDPG("MlpPolicy", env, **made(action_noise=NormalActionNoise(np.zeros(1), np.ones(1))))
    assert isinstance(model.learn(70).action_noise, VectorizedActionNoise)
