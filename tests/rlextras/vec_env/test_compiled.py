"""Compiled environments equal Gymnasium's, to the last bit, step for step."""

import pickle

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.evaluation import evaluate_policy

from rlextras import PPO
from rlextras.vec_env import CompiledVecEnv, make_compiled
from rlextras.vec_env.compiled import TASKS
from tests.oracles.rlextras_vec_env import dummy, record
from tests.rlextras.vec_env.comparison import assert_same


@pytest.fixture(params=TASKS)
def env_id(request):
    return request.param


@pytest.mark.parametrize(("n_envs", "seed"), [(1, 0), (3, 7)])
def test_trajectories_equal_gymnasiums(env_id, n_envs, seed):
    """Seeds, resets, physics, time limits and episode infos; over the limit of every task."""
    n_steps = gymnasium.spec(env_id).max_episode_steps + 100
    ours = record(make_compiled(env_id, n_envs=n_envs, seed=seed), n_steps=n_steps)
    theirs = record(dummy(env_id, n_envs=n_envs, seed=seed), n_steps=n_steps)
    assert any(dones.any() for _, _, dones, _, _ in ours[1:])
    assert_same(ours, theirs)


@pytest.mark.parametrize("env_id", ["MountainCar-v0", "Acrobot-v1"])
def test_goals_are_reached_as_in_gymnasium(env_id):
    """Push in the direction of motion: the task ends by itself, unlike with random actions."""
    env, theirs = make_compiled(env_id, n_envs=2, seed=1), dummy(env_id, n_envs=2, seed=1)
    speed = {"MountainCar-v0": 1, "Acrobot-v1": 4}[env_id]
    sign = {"MountainCar-v0": 1, "Acrobot-v1": -1}[env_id]
    observations, expected = env.reset(), theirs.reset()
    n_ended = 0
    for _ in range(700):
        np.testing.assert_array_equal(observations, expected)
        actions = np.where(sign * observations[:, speed] > 0, 2, 0)
        observations, rewards, dones, infos = env.step(actions)
        expected, their_rewards, their_dones, their_infos = theirs.step(actions)
        np.testing.assert_array_equal(rewards, their_rewards)
        np.testing.assert_array_equal(dones, their_dones)
        for info, theirs_info in zip(infos, their_infos, strict=True):
            assert info["TimeLimit.truncated"] == theirs_info["TimeLimit.truncated"]
        n_ended += sum(not info["TimeLimit.truncated"] for info in np.array(infos)[dones])
    assert n_ended > 0


def test_a_model_trains_as_on_gymnasiums(env_id):
    parameters = []
    for env in (make_compiled(env_id, n_envs=2), dummy(env_id, n_envs=2, seed=None)):
        model = PPO("MlpPolicy", env, n_steps=64, batch_size=64, n_epochs=2, seed=1, device="cpu")
        parameters.append(model.learn(256).policy.state_dict())
    for name, tensor in parameters[0].items():
        assert tensor.equal(parameters[1][name]), name


def test_a_limit_of_its_own():
    env = CompiledVecEnv("Pendulum-v1", n_envs=2, max_episode_steps=3)
    env.reset()
    dones = [env.step(np.zeros((2, 1), np.float32))[2].all() for _ in range(6)]
    assert dones == [False, False, True] * 2


def test_evaluation_by_the_host_finds_its_episodes():
    env = make_compiled("CartPole-v1", n_envs=2, seed=0)
    mean, _ = evaluate_policy(PPO("MlpPolicy", env, device="cpu"), env, n_eval_episodes=4)
    assert 1 <= mean <= 500


def test_a_copy_continues_as_the_original_does(env_id):
    env = make_compiled(env_id, n_envs=2, seed=3)
    record(env, n_steps=30)
    again = pickle.loads(pickle.dumps(env))
    assert_same(record(again, n_steps=150), record(env, n_steps=150))


def test_unseeded_runs_differ_and_reset_goes_on_with_its_generator(env_id):
    one, other = make_compiled(env_id), make_compiled(env_id)
    first = one.reset()
    assert not np.array_equal(first, other.reset())
    assert not np.array_equal(first, one.reset())


@pytest.mark.parametrize("actions", [[0, 2], [-1, 0]])
def test_an_action_outside_the_space_is_named_and_changes_nothing(actions):
    env = make_compiled("CartPole-v1", n_envs=2, seed=0)
    env.reset()
    before = env.states.copy()
    with pytest.raises(ValueError, match=r"actions must be in Discrete\(2\), got (2|-1) for env"):
        env.step(np.array(actions))
    np.testing.assert_array_equal(env.states, before)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"env_id": "Hopper-v5"}, ValueError, "env_id must be one of CartPole-v1"),
        ({"n_envs": 0}, ValueError, "n_envs must be 1 or more, got 0. Typical is 8."),
        ({"n_envs": 2.0}, TypeError, "n_envs must be an int, got 2.0 of type float"),
        ({"n_envs": None}, TypeError, "n_envs must be an int, got None"),
        ({"max_episode_steps": 0}, ValueError, "max_episode_steps must be 1 or more"),
    ],
)
def test_wrong_options_are_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        CompiledVecEnv(**{"env_id": "CartPole-v1"} | wrong)


def test_wrong_actions_and_options_are_refused():
    env = make_compiled("CartPole-v1", n_envs=2, seed=0)
    env.reset()
    with pytest.raises(TypeError, match="got numbers of type float64"):
        env.step(np.zeros(2))
    with pytest.raises(ValueError, match=r"one per environment, 2, got shape \(3,\)"):
        env.step(np.zeros(3, int))
    env.set_options({"low": 0})
    with pytest.raises(ValueError, match="options must be empty"):
        env.reset()
    with pytest.raises(AttributeError, match="CompiledVecEnv: env_method"):
        env.env_method("render")
    assert env.get_attr("spec")[1].id == "CartPole-v1"
