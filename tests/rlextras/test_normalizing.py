"""What ``VecNormalize`` keeps and returns is the host's to the last bit."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch.testing import assert_close

from rlextras.host.normalizing import can_normalize, observe
from rlextras.host.stepping import step

DTYPES = (np.float16, np.float32, np.float64, np.uint8)


@st.composite
def batches(draw):
    dtype, shape = draw(st.sampled_from(DTYPES)), draw(st.sampled_from([(), (1,), (17,), (2, 3)]))
    sizes = draw(st.lists(st.integers(1, 20), min_size=1, max_size=4))
    numbers = {} if dtype is np.uint8 else {"elements": st.floats(-100, 100, width=16)}
    return shape, [draw(arrays(dtype, (n, *shape), **numbers)) for n in sizes]


@given(given=batches())
@settings(max_examples=150)
def test_moments_are_those_of_the_host(given):
    shape, rows = given
    ours, theirs = RunningMeanStd(shape=shape), RunningMeanStd(shape=shape)
    for each in rows:
        before = each.copy()
        observe(ours, each), theirs.update(each)
        np.testing.assert_array_equal(each, before)
        assert ours.count == theirs.count
        for one, other in ((ours.mean, theirs.mean), (ours.var, theirs.var)):
            assert np.asarray(one).dtype == np.asarray(other).dtype
            np.testing.assert_array_equal(one, other)


def test_moments_of_numbers_that_are_none_are_the_hosts_too():
    ours, theirs = RunningMeanStd(shape=(2,)), RunningMeanStd(shape=(2,))
    rows = np.array([[np.nan, np.inf], [1.0, 2.0]])
    with np.errstate(invalid="ignore"):
        observe(ours, rows), theirs.update(rows)
    np.testing.assert_array_equal(ours.mean, theirs.mean)
    np.testing.assert_array_equal(ours.var, theirs.var)


class Walk(gymnasium.Env):
    """Walks at random, and ends after some steps."""

    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, space):
        self.observation_space, self.rng, self.t = space, np.random.default_rng(3), 0

    def see(self):
        if isinstance(self.observation_space, spaces.Dict):
            return {name: self.rng.normal(size=2) for name in self.observation_space.spaces}
        return self.rng.normal(size=2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.see(), {}

    def step(self, action):
        self.t += 1
        return self.see(), float(self.rng.normal()), self.t == 5, self.t == 3, {}


BOX = spaces.Box(-9, 9, (2,), np.float64)


def normalized(space=BOX, n=8, **options):
    env = VecNormalize(DummyVecEnv([lambda: Walk(space) for _ in range(n)]), **options)
    env.reset()
    return env


@pytest.mark.parametrize("n", [1, 8, 30])
@pytest.mark.parametrize("space", [BOX, spaces.Dict({"a": BOX, "b": BOX})])
def test_what_is_kept_is_what_the_host_keeps(n, space):
    ours, theirs = normalized(space, n), normalized(space, n)
    for _ in range(7):
        actions = np.zeros((n, 1), np.float32)
        assert_close(step(ours, actions)[:3], theirs.step(actions)[:3], atol=0, rtol=0)
    for name in ("old_obs", "old_reward", "returns"):
        assert_close(vars(ours)[name], vars(theirs)[name], atol=0, rtol=0)
    np.testing.assert_array_equal(ours.ret_rms.var, theirs.ret_rms.var)
    assert can_normalize(ours) == (space is BOX)
    assert "step_wait" not in vars(ours)


def test_dicts_that_are_not_normalised_are_the_hosts_too():
    space = spaces.Dict({"a": BOX, "b": BOX})
    ours, theirs = normalized(space, norm_obs=False), normalized(space, norm_obs=False)
    assert can_normalize(ours)
    for _ in range(7):
        actions = np.zeros((8, 1), np.float32)
        assert_close(step(ours, actions)[:3], theirs.step(actions)[:3], atol=0, rtol=0)


def test_methods_and_moments_of_the_users_own_are_called():
    class Louder(VecNormalize):
        def normalize_reward(self, reward):
            return super().normalize_reward(reward) + 5

    class Slow(RunningMeanStd):
        def update(self, arr):
            self.count += 1

    derived = Louder(DummyVecEnv([lambda: Walk(BOX)]), norm_reward=False)
    patched, other = normalized(norm_reward=False), normalized()
    patched.normalize_reward, other.obs_rms = lambda _: "patched", Slow(shape=(2,))
    derived.reset(), other.reset()
    counted = other.obs_rms.count
    assert step(derived, np.zeros((1, 1), np.float32))[1] > 2
    assert step(patched, np.zeros((8, 1), np.float32))[1] == "patched"
    step(other, np.zeros((8, 1), np.float32))
    assert other.obs_rms.count == counted + 1
    assert not any(map(can_normalize, (derived, patched, other, derived.venv)))


def test_what_is_replaced_on_the_class_is_called(monkeypatch):
    env = normalized()
    monkeypatch.setattr(VecNormalize, "normalize_reward", lambda _, reward: reward * 0 + 7)
    assert (step(env, np.zeros((8, 1), np.float32))[1] == 7).all()


def test_an_environment_that_raises_leaves_the_wrapper_as_it_was():
    env = normalized()
    env.venv.envs[0].step = None
    with pytest.raises(TypeError):
        step(env, np.zeros((8, 1), np.float32))
    assert "step_wait" not in vars(env)
    assert "step_wait" not in vars(env.venv)
