"""A pool says what the same environments say in the host's DummyVecEnv."""

import numpy as np
import pytest

from rlextras import PPO
from rlextras.vec_env import EnvPoolVecEnv
from tests.oracles.rlextras_vec_env import dummy, limited_walk, record
from tests.rlextras.vec_env.comparison import assert_same
from tests.rlextras.vec_env.pool import Pool


def pool(*, shuffles=False, n_envs=4, seed=42, batch_size=None, **options):
    make_env = lambda: limited_walk(**options)  # noqa: E731
    return Pool(make_env, num_envs=n_envs, seed=seed, batch_size=batch_size, shuffles=shuffles)


def without(keys, said):
    """A record whose infos lack some names: a pool and the walk say different things."""
    first, *steps = said
    kept = [first]
    for observations, rewards, dones, infos, reset_infos in steps:
        bare = [{key: info[key] for key in info if key not in keys} for info in infos]
        kept.append((observations, rewards, dones, bare, reset_infos))
    return kept


@pytest.mark.parametrize("shuffles", [False, True])
@pytest.mark.parametrize("options", [{}, {"as_dict": True}, {"limit": 1}], ids=str)
def test_a_pool_says_what_the_hosts_own_says(options, shuffles):
    env = EnvPoolVecEnv(pool(shuffles=shuffles, **options))
    theirs = dummy(lambda: limited_walk(**options), n_envs=4, seed=42)
    ours = without({"env_id", "elapsed_step"}, record(env, n_steps=60))
    assert_same(ours, without({"at"}, record(theirs, n_steps=60)), with_reset_infos=False)
    assert env.env.n_reset_steps == 0


def test_each_info_is_that_of_its_environment():
    env = EnvPoolVecEnv(pool(shuffles=True))
    env.reset()
    _, _, _, infos = env.step(np.zeros(4, int))
    assert [info["env_id"] for info in infos] == [0, 1, 2, 3]


def test_a_model_learns_on_a_pool():
    env = EnvPoolVecEnv(pool(seed=0))
    model = PPO("MlpPolicy", env, n_steps=16, batch_size=16, seed=0, device="cpu").learn(128)
    assert model.ep_info_buffer


def test_a_seed_that_comes_too_late_is_said():
    env = EnvPoolVecEnv(pool(seed=3))
    assert env.seed(3) == [3, 4, 5, 6]
    with pytest.warns(UserWarning, match=r"made with seed 3 .* Hand it to envpool.make"):
        env.seed(5)


def test_a_pool_that_answers_for_some_only_is_refused():
    with pytest.raises(ValueError, match="batch_size must be num_envs = 4, got 2"):
        EnvPoolVecEnv(pool(batch_size=2))


def test_anything_else_is_refused():
    with pytest.raises(TypeError, match="EnvPoolVecEnv: env must be an EnvPool, got a TimeLimit"):
        EnvPoolVecEnv(limited_walk())
    with pytest.raises(AttributeError, match="EnvPoolVecEnv: get_attr"):
        EnvPoolVecEnv(pool()).get_attr("place")
