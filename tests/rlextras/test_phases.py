"""Laws of the clock that says where the time of a training goes."""

import time

import pytest
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from rlextras import PPO, TRPO
from rlextras.host import phases
from rlextras.testing.probes import Record
from tests.rlextras.environments import Line, limited

KEYS = {f"time/{name}_pct" for name in phases.PHASES}


def test_a_clock_counts_what_is_entered(monkeypatch):
    now = iter([0.0, 1.0, 3.0, 6.0, 10.0])
    monkeypatch.setattr(phases.time, "perf_counter", lambda: next(now))
    clock = phases.PhaseClock()  # at 0, at rest until 1
    clock.enter("env")
    clock.enter("update")  # 2 of env
    clock.enter("env")  # 3 of update
    shares = clock.shares()  # at 10: 4 more of env
    assert shares == {"env": 60.0, "policy": 0.0, "callback": 0.0, "update": 30.0}


def test_a_clock_that_never_ran_has_no_shares(monkeypatch):
    monkeypatch.setattr(phases.time, "perf_counter", lambda: 0.0)
    assert set(phases.PhaseClock().shares().values()) == {0.0}


class Slow(BaseCallback):
    def _on_step(self):
        time.sleep(0.002)
        return True


class SlowLine(Line):
    def step(self, action):
        time.sleep(0.002)
        return super().step(action)


def shares_of(algorithm, make_env, callback=None, **options):
    """What is logged of a training of four rollouts."""
    env, record = limited(make_env, limit=7, n_envs=2), Record()
    model = algorithm("MlpPolicy", env, n_steps=32, batch_size=16, device="cpu", **options)
    model.set_logger(Logger(folder=None, output_formats=[record]))
    model.learn(4 * 64, callback=callback)
    return {name: record.values[name] for name in KEYS}


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("algorithm", [PPO, TRPO])
def test_the_shares_of_a_training_are_at_most_the_whole(algorithm, backend):
    shares = shares_of(algorithm, Line, backend=backend)
    assert all(0 <= share <= 100 for share in shares.values())
    assert 50 < sum(shares.values()) <= 100.2  # four roundings to a tenth


@pytest.mark.parametrize(
    ("make_env", "callback", "name"), [(SlowLine, None, "env"), (Line, Slow(), "callback")]
)
def test_the_slow_part_has_the_largest_share(make_env, callback, name):
    shares_of(PPO, Line)  # the kernels are there
    shares = shares_of(PPO, make_env, callback)
    assert max(shares, key=shares.get) == f"time/{name}_pct"


def test_every_learn_starts_a_new_clock():
    model = PPO("MlpPolicy", limited(Line, limit=7, n_envs=2), n_steps=32, batch_size=16)
    model.learn(64, callback=Slow())
    before = model._clock.shares()["callback"]
    model.learn(64)
    assert model._clock.shares()["callback"] < before / 2
