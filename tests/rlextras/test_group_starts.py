"""Groups begin in one state: by seeds, copies, MuJoCo or a function; what cannot is refused."""

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv, VecFrameStack, VecNormalize

from rlextras.vec_env import make_compiled
from tests.rlextras.grouped import Noisy, episodes_of, make, noisy


@pytest.mark.parametrize("n_envs", [1, 2, 3, 6, 8])
def test_a_group_begins_in_one_state_and_goes_on_with_noise_of_its_own(n_envs):
    model = make(noisy(n_envs)).learn(1)
    seen = episodes_of(model)
    assert (seen[:, :, 0] == seen[:, :1, 0]).all()
    assert len(np.unique(seen[:, 0, 0, 0])) == model.n_groups
    for group in seen[:, :, 1, 1]:
        assert len(np.unique(group)) == model.group_size


def test_common_noise_is_common_to_a_group():
    seen = episodes_of(make(common_noise=True).learn(1))
    assert (seen == seen[:, :1]).all()
    assert not np.array_equal(seen[0], seen[1])


def test_random_starts_differ():
    seen = episodes_of(make(noisy(2), start="random").learn(1))
    assert len(np.unique(seen[:, :, 0, 0])) == 6


def test_processes_start_groups_as_well():
    env = make_vec_env(
        Noisy, 2, vec_env_cls=SubprocVecEnv, vec_env_kwargs={"start_method": "forkserver"}
    )
    try:
        there = episodes_of(make(env).learn(1))
    finally:
        env.close()
    assert np.array_equal(there, episodes_of(make(noisy(2)).learn(1)))


def test_vector_environments_of_gymnasium_start_groups_as_well():
    there = episodes_of(make(gymnasium.vector.SyncVectorEnv([Noisy] * 2)).learn(1))
    assert np.array_equal(there, episodes_of(make(noisy(2)).learn(1)))


def test_generators_out_of_reach_are_refused_unless_noise_is_common():
    env = gymnasium.vector.AsyncVectorEnv([Noisy] * 2)
    try:
        with pytest.raises(ValueError, match=r"^GRPO: common_noise must be True with a Gymnasium"):
            make(env).learn(1)
        seen = episodes_of(make(env, common_noise=True).learn(1))
    finally:
        env.close()
    assert (seen == seen[:, :1]).all()


def test_an_environment_that_does_not_heed_its_seed_is_refused_with_the_cure():
    words = "env must begin in the same state when it is reset with the same seed.*start='random'"
    with pytest.raises(ValueError, match=f"^GRPO: {words}"):
        make(noisy(heeds_seeds=False)).learn(1)
    assert make(noisy(heeds_seeds=False), start="random").learn(1).num_timesteps


@pytest.mark.parametrize("n_envs", [1, 3, 4])
def test_deep_copies_start_groups_without_seeds(n_envs):
    model = make(noisy(n_envs, heeds_seeds=False), snapshot="deepcopy").learn(1)
    seen = episodes_of(model)
    assert (seen[:, :, :, 0] == seen[:, :1, :1, 0]).all()  # the state goes on, not the look alone
    for group in seen[:, :, 1, 1]:
        assert len(np.unique(group)) == model.group_size


def test_a_function_of_the_users_starts_groups():
    def snapshot(env):
        hidden = env.unwrapped.hidden

        def restore(other):
            other.unwrapped.hidden = hidden

        return restore

    model = make(noisy(heeds_seeds=False), snapshot=snapshot).learn(1)
    seen = episodes_of(model)
    assert (seen[:, :, :, 0] == seen[:, :1, :1, 0]).all()


@pytest.mark.parametrize(
    ("snapshot", "why"),
    [
        (lambda env: lambda other: None, "'callable' did not restore a Noisy"),
        ("mujoco", "'mujoco' of a Noisy could not be taken"),
        (lambda env: 3, "'callable' of a Noisy could not be taken"),
    ],
)
def test_a_snapshot_that_does_not_work_is_refused_with_the_reason(snapshot, why):
    with pytest.raises(ValueError, match=f"^GRPO: snapshot must restore .*{why}"):
        make(noisy(), snapshot=snapshot).learn(1)


def test_snapshots_need_environments_within_reach():
    env = make_compiled("CartPole-v1", n_envs=2)
    with pytest.raises(ValueError, match="must be a DummyVecEnv where snapshot is not 'seed'"):
        make(env, snapshot="deepcopy").learn(1)
    with pytest.raises(ValueError, match="snapshot must be 'seed' with a VecFrameStack"):
        make(VecFrameStack(noisy(), 2), snapshot="deepcopy").learn(1)


@pytest.mark.parametrize("snapshot", ["mujoco", "deepcopy"])
def test_mujoco_is_restored(snapshot):
    env = make_vec_env("InvertedPendulum-v5", n_envs=2)
    how = {"max_episode_steps": 5, "group_size": 2, "n_groups": 1}
    seen = make(env, snapshot=snapshot, **how).learn(1)._episodes
    first, second = np.split(seen.observations, [seen.lengths[0]])
    assert np.array_equal(first[0], second[0])


class Elsewhere(Noisy):
    """Its state is no attribute of its own, as that of a simulator in another process."""

    STATES = {}  # noqa: RUF012  # that is the point

    def reset(self, *, seed=None, options=None):
        seen, info = super().reset(seed=seed)
        self.STATES[id(self)] = self.hidden
        return seen, info

    def step(self, action):
        self.hidden = self.STATES[id(self)]
        return super().step(action)


def test_a_deep_copy_that_misses_the_state_is_refused():
    env = make_vec_env(lambda: Elsewhere(heeds_seeds=False), n_envs=2)
    words = "'deepcopy' did not restore a Elsewhere: the same actions led to other observations"
    with pytest.raises(ValueError, match=f"^GRPO: snapshot must restore .*{words}"):
        make(env, snapshot="deepcopy").learn(1)


@pytest.mark.parametrize("start", ["same", "random"])
def test_normalised_observations_start_alike_too(start):
    model = make(VecNormalize(noisy()), start=start).learn(40)
    seen = episodes_of(model)
    assert np.abs(seen).max() <= 10
    if start == "same":
        assert (seen[:, :, 0] == seen[:, :1, 0]).all()
