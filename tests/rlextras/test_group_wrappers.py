"""Wrappers that see groups: their rewards reach the algorithm, their starts are played."""

import numpy as np
import pytest

from rlextras import GRPO
from rlextras.envs import Brackets, Reverse, TokenVecEnv
from rlextras.grouped import GroupWrapper, LengthReward, Outcome, SuccessRateStarts
from tests.oracles import rlextras_groups as oracles

SMALL = {"width": 16, "n_layers": 1, "n_heads": 2}


def make(env, **options):
    given = {"group_size": 4, "n_groups": 3, "seed": 0, "device": "cpu", "policy_kwargs": SMALL}
    return GRPO("CausalTransformerPolicy", env, **(given | options))


def test_the_length_reward_is_added_to_the_last_step():
    env = TokenVecEnv(Brackets(3), n_envs=4, seed=0)
    plain, shaped = make(env).learn(1)._episodes, make(LengthReward(env, weight=0.5)).learn(1)
    shaped = shaped._episodes
    assert np.array_equal(plain.observations["tokens"], shaped.observations["tokens"])
    added = shaped.returns - plain.returns
    for start in range(0, 12, 4):
        lengths = plain.lengths[start : start + 4].tolist()
        is_right = [each == 1.0 for each in plain.returns[start : start + 4]]
        expected = [0.5 * each for each in oracles.length_reward(lengths, is_right)]
        assert added[start : start + 4].tolist() == pytest.approx(expected, abs=1e-6)
    assert np.abs(added).max() > 0
    last = plain.starts + plain.lengths - 1
    others = np.setdiff1d(np.arange(len(plain.rewards)), last)
    assert np.array_equal(plain.rewards[others], shaped.rewards[others])


def outcome(starts, succeeded, group_size=2):
    n = len(starts) * group_size
    return Outcome(
        starts=np.array(starts),
        group_size=group_size,
        returns=np.zeros(n),
        lengths=np.ones(n, np.int64),
        succeeded=np.array(succeeded, float),
    )


def test_starts_that_fail_are_chosen_more_often():
    env = SuccessRateStarts(TokenVecEnv(Reverse(2)), [7, 8, 9], seed=0, least_weight=0.1)
    env.judge(outcome([7, 8], [1, 1, 1, 0]))
    assert env.success_rates.tolist() == [1.0, 0.5, 0.0]
    drawn = env.choose_starts(16_000)
    shares = [(drawn == start).mean() for start in (7, 8, 9)]
    # Weights 0.1, 0.5 and 1; standard deviations below 0.004.
    assert shares == pytest.approx([0.1 / 1.6, 0.5 / 1.6, 1 / 1.6], abs=0.016)


def test_groups_begin_where_the_wrapper_says():
    env = SuccessRateStarts(TokenVecEnv(Reverse(3), n_envs=4), 2, seed=0)
    model = make(env, n_groups=6).learn(1)
    prompts = model._episodes.observations["tokens"][model._episodes.starts, :3]
    assert 1 <= len(np.unique(prompts, axis=0)) <= 2
    assert env.n_played.sum() == 24
    assert env.n_succeeded.sum() == (model._episodes.returns == 1.0).sum()


def test_a_return_counts_where_the_environment_does_not_say():
    told = outcome([0], [np.nan, 1.0])
    assert told.is_right(0.5).tolist() == [False, True]
    assert told.is_right(0.0).tolist() == [True, True]


def test_bad_input_is_refused():
    env = TokenVecEnv(Reverse(2))
    with pytest.raises(ValueError, match="seeds must hold one or more, got none"):
        SuccessRateStarts(env, 0)
    with pytest.raises(ValueError, match=r"least_weight must be in \(0, 1\], got 0"):
        SuccessRateStarts(env, 3, least_weight=0)
    with pytest.raises(ValueError, match="start must be 'same' with a SuccessRateStarts"):
        make(SuccessRateStarts(env, 3), start="random").learn(1)

    class Broken(GroupWrapper):
        def judge(self, outcome):
            return np.full(len(outcome.returns), np.nan)

    with pytest.raises(ValueError, match=r"^GRPO: reward must be finite, got nan"):
        make(Broken(env)).learn(1)
    with pytest.raises(TypeError, match="Broken: this wrapper chooses no starts"):
        Broken(env).choose_starts(1)
