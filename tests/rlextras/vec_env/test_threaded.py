"""Threads change nothing but the time it takes."""

import pickle
import threading

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

from rlextras.vec_env import ThreadedVecEnv
from tests.oracles.rlextras_vec_env import Walk, dummy, limited_walk, record
from tests.rlextras.vec_env.comparison import assert_same


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """MuJoCo writes its warnings into a file in the current folder."""
    monkeypatch.chdir(tmp_path)


def threaded(make_env, *, n_envs=5, n_threads=2, seed=0):
    return make_vec_env(
        make_env,
        n_envs=n_envs,
        seed=seed,
        vec_env_cls=ThreadedVecEnv,
        vec_env_kwargs={"n_threads": n_threads},
    )


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8, None])
@pytest.mark.parametrize("make_env", ["HalfCheetah-v5", limited_walk], ids=["cheetah", "walk"])
def test_any_number_of_threads_says_what_the_hosts_own_says(make_env, n_threads):
    env = threaded(make_env, n_threads=n_threads)
    theirs = dummy(make_env, n_envs=5, seed=0)
    assert_same(record(env, n_steps=40), record(theirs, n_steps=40))
    env.close()


def test_environments_step_in_several_threads_and_each_in_one():
    class Named(Walk):
        def step(self, action):
            self.names = {*getattr(self, "names", ()), threading.current_thread().name}
            return super().step(action)

    env = threaded(Named, n_threads=2)
    record(env, n_steps=20)
    names = [each for (each,) in env.get_attr("names")]
    assert names[:3] == ["MainThread"] * 3
    assert names[3] == names[4] != "MainThread"
    env.close()


@pytest.mark.parametrize("place", [0, 4])
def test_an_error_of_an_environment_arrives_and_leaves_no_thread_at_work(place):
    env = threaded(limited_walk)
    env.reset()

    def fail(action):
        raise RuntimeError("the motor burnt out")

    env.envs[place].step = fail
    with pytest.raises(RuntimeError, match="the motor burnt out"):
        env.step([0] * 5)
    assert all(each.done() for each in env._pending)
    env.close()


def test_infos_of_a_step_are_not_written_again():
    env = threaded(limited_walk)
    env.reset()
    first = env.step([2] * 5)[3]
    kept = [dict(info) for info in first]
    env.step([0] * 5)
    assert first == kept
    env.close()


def test_arrays_in_infos_are_not_written_again():
    class Telling(gymnasium.Env):
        observation_space = action_space = gymnasium.spaces.Box(-9, 9, (2,), np.float32)

        def __init__(self):
            self.place = np.zeros(2, np.float32)

        def reset(self, *, seed=None, options=None):
            return self.place, {}

        def step(self, action):
            self.place += 1
            return self.place, 0.0, bool(self.place[0] == 1), False, {"where": [self.place]}

    env = ThreadedVecEnv([Telling, Telling], n_threads=2)
    env.reset()
    actions = np.zeros((2, 2), np.float32)
    _, _, _, infos = env.step(actions)
    env.step(actions)
    for info in infos:
        np.testing.assert_array_equal(info["where"][0], [1, 1])
        np.testing.assert_array_equal(info["terminal_observation"], [1, 1])
    env.close()


def test_a_copy_continues_as_the_original_does():
    env = threaded(limited_walk)
    record(env, n_steps=10)
    again = pickle.loads(pickle.dumps(env))
    assert_same(record(again, n_steps=20), record(env, n_steps=20))
    again.close()
    env.close()


@pytest.mark.parametrize(
    ("n_threads", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)]
)
def test_wrong_numbers_of_threads_are_refused(n_threads, error):
    with pytest.raises(error, match="ThreadedVecEnv: n_threads must be"):
        ThreadedVecEnv([limited_walk], n_threads=n_threads)


def test_it_is_no_process_pool():
    assert not issubclass(ThreadedVecEnv, SubprocVecEnv)
