"""A native vector environment says what the same environments say in the host's DummyVecEnv."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from rlextras import PPO
from rlextras.vec_env import GymnasiumVecEnv
from tests.oracles.rlextras_vec_env import dummy, limited_walk, record
from tests.rlextras.callbacks import AtEnd
from tests.rlextras.vec_env.comparison import assert_same

MODES = list(AutoresetMode)
N_ENVS = 3


def vector(mode, *, kind=SyncVectorEnv, n_envs=N_ENVS, **options):
    return kind([lambda: limited_walk(**options)] * n_envs, autoreset_mode=mode)


def ours(mode, *, seed=0, **options):
    env = GymnasiumVecEnv(vector(mode, **options))
    env.seed(seed)
    return env


def host(**options):
    return dummy(lambda: limited_walk(**options), n_envs=N_ENVS, seed=0)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("options", [{}, {"as_dict": True}, {"limit": 1}, {"border": 0.5}], ids=str)
def test_every_mode_says_what_the_hosts_own_says(mode, options):
    assert_same(record(ours(mode, **options), n_steps=60), record(host(**options), n_steps=60))


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_environments_in_other_processes_say_the_same(mode):
    env = ours(mode, kind=AsyncVectorEnv)
    try:
        assert_same(record(env, n_steps=30), record(host(), n_steps=30))
    finally:
        env.close()


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_rollout_holds_what_it_holds_with_the_hosts_own(mode):
    """Observations, rewards, values and advantages: no reset step ever reached the learner."""
    seen = []

    def look(callback):
        buffer = callback.model.rollout_buffer
        names = ("observations", "rewards", "values", "advantages", "episode_starts")
        seen.append({name: getattr(buffer, name).copy() for name in names})

    for env in (ours(mode), host()):
        torch.manual_seed(0)
        model = PPO("MlpPolicy", env, n_steps=40, batch_size=40, n_epochs=1, seed=0, device="cpu")
        model.learn(120, callback=AtEnd(look))
    for name, array in seen[0].items():
        np.testing.assert_array_equal(array, seen[1][name])


def native(n_envs, **options):
    return gymnasium.make_vec("CartPole-v1", num_envs=n_envs, **options)


@pytest.mark.parametrize("n_envs", [1, 4])
def test_gymnasiums_own_vectorised_pole_shows_no_reset_step(n_envs):
    """The transitions are those of the environment itself, its reset steps left out."""
    env, theirs = GymnasiumVecEnv(native(n_envs)), native(n_envs)
    env.seed(3)
    before = env.reset()
    np.testing.assert_array_equal(before, theirs.reset(seed=3)[0])
    n_ended = 0
    for t in range(200):
        actions = np.full(n_envs, t % 3 == 0).astype(int)
        after, rewards, dones, infos = env.step(actions)
        assert (rewards == 1).all()
        assert (np.abs(before) < 0.5).any()
        for i in np.flatnonzero(dones):
            n_ended += 1
            assert np.abs(after[i]).max() <= 0.05  # a first observation
            last = infos[i]["terminal_observation"]
            assert abs(last[2]) > 0.2095  # where the pole fell
            assert infos[i]["episode"]["l"] == infos[i]["episode"]["r"]
        moved = ~dones
        np.testing.assert_allclose(  # the next place follows from the last: x + 0.02 x'
            after[moved, 0], before[moved, 0] + 0.02 * before[moved, 1], atol=1e-6
        )
        before = after
    assert n_ended > 5 * n_envs


def test_a_time_limit_of_the_vectorised_pole_is_no_end():
    env = GymnasiumVecEnv(native(2, max_episode_steps=3))
    env.reset()
    for t in range(9):
        _, _, dones, infos = env.step(np.zeros(2, int))
        assert dones.tolist() == [t % 3 == 2] * 2
        assert [info["TimeLimit.truncated"] for info in infos] == dones.tolist()


def test_what_the_environments_counted_themselves_is_kept():
    env = GymnasiumVecEnv(RecordEpisodeStatistics(vector(AutoresetMode.NEXT_STEP, limit=4)))
    said = [infos for _, _, _, infos, _ in record(env, n_steps=12)[1:]]
    episodes = [info["episode"] for infos in said for info in infos if "episode" in info]
    assert len(episodes) >= 9
    assert all(episode["l"] <= 4 for episode in episodes)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_wrappers_of_the_host_work_on_it(mode):
    env = VecNormalize(ours(mode))
    PPO("MlpPolicy", env, n_steps=16, batch_size=16, device="cpu").learn(96)
    assert env.obs_rms.count > 96


def test_single_environments_are_reached_in_this_process():
    env = ours(AutoresetMode.NEXT_STEP)
    env.reset()
    assert env.get_attr("n_resets") == [1, 1, 1]
    assert env.env_method("has_wrapper_attr", "border", indices=[0, 2]) == [True, True]
    env.set_attr("mark", 7, indices=1)
    assert [hasattr(each, "mark") for each in env.env.envs] == [False, True, False]
    assert env.env_is_wrapped(gymnasium.wrappers.TimeLimit) == [True] * 3
    assert env.env_is_wrapped(gymnasium.wrappers.ClipReward, indices=0) == [False]
    assert env.env_is_wrapped(Monitor) == [True] * 3
    assert env.has_attr("n_resets")
    assert not env.has_attr("action_masks")


def test_single_environments_elsewhere_are_out_of_reach_and_it_says_so():
    env = GymnasiumVecEnv(native(2))
    message = r"GymnasiumVecEnv: env_method\('close'\) needs single .* Use .*SyncVectorEnv"
    with pytest.raises(AttributeError, match=message):
        env.env_method("close")
    with pytest.raises(AttributeError, match="set_attr"):
        env.set_attr("a", 1)
    assert not env.has_attr("action_masks")
    assert env.env_is_wrapped(Monitor) == [True, True]
    assert env.get_attr("spec")[0].id == "CartPole-v1"


class Foreign(VectorEnv):
    """A vector environment that resets itself in the next step, whatever it is told."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012  # the host's form

    def __init__(self, n_envs):
        self.num_envs, single = n_envs, limited_walk()
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space


def test_a_reset_step_that_cannot_be_avoided_is_refused():
    with pytest.raises(ValueError, match="GymnasiumVecEnv: env must reset in the same step or by"):
        GymnasiumVecEnv(Foreign(2))
    GymnasiumVecEnv(Foreign(2), resets_by_mask=True)
    GymnasiumVecEnv(Foreign(1))  # one environment is reset as a whole


def test_seeds_make_runs_repeat_and_options_reach_reset():
    first, second = (record(ours(MODES[0], seed=5), n_steps=20) for _ in range(2))
    assert_same(first, second)
    env = GymnasiumVecEnv(native(2))
    env.set_options({"low": 0.01, "high": 0.02})
    assert (env.reset() >= 0.01).all()
    env.set_options([{"low": 0.0}, {"low": 0.01}])
    with pytest.raises(ValueError, match="options must be the same"):
        env.reset()


def test_no_seed_asks_no_global_generator():
    env = ours(MODES[0])
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # it is the one to be left alone
    assert env.seed() != env.seed()
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_what_it_gave_is_not_written_again():
    env = GymnasiumVecEnv(SyncVectorEnv([limited_walk] * 2, copy=False))
    first = env.reset()
    kept = first.copy()
    second = env.step(np.zeros(2, int))[0]
    assert np.array_equal(first, kept)
    assert not np.shares_memory(first, second)


def test_the_hosts_monitor_warns_that_episodes_are_counted_already():
    with pytest.warns(UserWarning, match="already wrapped"):
        VecMonitor(ours(MODES[0]))


def test_anything_else_is_refused():
    with pytest.raises(TypeError, match=r"GymnasiumVecEnv: env must be a gymnasium.vector"):
        GymnasiumVecEnv(limited_walk())
