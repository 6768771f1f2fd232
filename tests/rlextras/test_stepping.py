"""Steps without needless copies are those of the host's own class."""

from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)
from torch.testing import assert_close

from rlextras.host.stepping import step


class Told(gymnasium.Env):
    """Tells all sorts of things, in a dict and an array that it writes over at each step."""

    observation_space = spaces.Box(-9, 9, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, length):
        self.length, self.info, self.seen = length, {"list": [0]}, np.zeros(2, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.seen[:] = 0, 0.0
        return self.seen, {"fresh": True}

    def step(self, action):
        self.t += 1
        self.seen += action
        self.info["list"][0] = self.t
        self.info["number"], self.info["array"] = np.float64(self.t), self.seen
        return self.seen, float(action[0]), self.t == self.length, self.t % 3 == 0, self.info


@pytest.mark.parametrize("lengths", [(4,), (2, 5)])
@pytest.mark.parametrize(
    "wrapped",
    [
        (),
        (VecNormalize,),
        (VecMonitor, VecNormalize),
        (partial(VecNormalize, norm_obs=False, gamma=0.9), VecMonitor),
        (partial(VecNormalize, norm_reward=False, clip_obs=0.5),),
        (partial(VecNormalize, training=False, clip_reward=0.1),),
        (VecNormalize, VecNormalize),
        (VecCheckNan, partial(VecFrameStack, n_stack=2)),
    ],
)
def test_steps_are_those_of_the_host(lengths, wrapped):
    ours, theirs = (DummyVecEnv([lambda n=n: Told(n) for n in lengths]) for _ in range(2))
    for wrapper in wrapped:
        ours, theirs = wrapper(ours), wrapper(theirs)
    ours.reset(), theirs.reset()
    rng, kept = np.random.default_rng(0), []
    for _ in range(12):
        actions = rng.random((len(lengths), 1)).astype(np.float32)
        kept.append((step(ours, actions), theirs.step(actions)))
        assert ours.reset_infos == theirs.reset_infos
        for _, _, _, infos in kept[-1]:
            for info in infos:
                info.get("episode", {}).pop("t", None)  # seconds of the clock
    assert "step_wait" not in vars(ours.unwrapped)
    for one, other in kept:  # at the end: what was returned is not written over
        assert_close(one[:3], other[:3], atol=0, rtol=0)
        np.testing.assert_equal(one[3], other[3])


def test_a_class_or_a_method_of_the_users_own_is_called():
    class Louder(DummyVecEnv):
        def step_wait(self):
            seen, rewards, dones, infos = super().step_wait()
            return seen, rewards + 5, dones, infos

    derived, patched = Louder([lambda: Told(4)]), DummyVecEnv([lambda: Told(4)])
    wrapped = VecMonitor(Louder([lambda: Told(4)]))
    patched.step_wait = lambda: "patched"
    derived.reset(), patched.reset(), wrapped.reset()
    action = np.full((1, 1), 0.5, np.float32)
    assert step(derived, action)[1] == 5.5
    assert step(patched, action) == "patched"
    assert step(wrapped, action)[1] == 5.5


def test_an_environment_that_raises_leaves_its_own_steps_behind():
    class Broken(Told):
        def step(self, action):
            raise RuntimeError("broken")

    env = VecNormalize(DummyVecEnv([lambda: Broken(4)]))
    env.reset()
    with pytest.raises(RuntimeError, match="broken"):
        step(env, np.zeros((1, 1), np.float32))
    assert "step_wait" not in vars(env.unwrapped)
