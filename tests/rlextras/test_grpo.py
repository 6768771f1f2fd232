"""Laws of GRPO: no critic, episodes, options, and both paths of its update."""

import io

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.policies import ActorCriticPolicy
from torch.testing import assert_close

from rlextras import GRPO
from rlextras.grouped.episodes import NOBODY, Cast
from rlextras.vec_env import make_compiled
from tests.rlextras.environments import Clock, Line, limited
from tests.rlextras.grouped import make, noisy

# No critic


def test_there_is_no_critic():
    model = make(policy_kwargs={"net_arch": {"pi": [8], "vf": [512]}})
    names = [name for name, _ in model.policy.named_parameters()]
    assert names
    assert not [name for name in names if "value" in name]
    n_parameters = sum(each.numel() for each in model.policy.parameters())
    assert n_parameters == 2 * 8 + 8 + 8 * 2 + 2  # the actor's, and nothing else
    assert len(model.policy.optimizer.param_groups[0]["params"]) == len(names)
    assert model.policy.predict_values(torch.zeros(4, 2)).tolist() == [[0.0]] * 4


def test_a_policy_with_a_critic_is_refused():
    with pytest.raises(ValueError, match="GRPO: policy must have no critic, got a ActorCritic"):
        make(policy=ActorCriticPolicy)
    with pytest.raises(ValueError, match="share_features_extractor must be True, got False"):
        make(policy_kwargs={"share_features_extractor": False})


# Episodes


def test_an_episode_that_never_ends_is_cut_and_counted():
    env = make_vec_env(lambda: Clock(end=None), n_envs=2)
    model = make(env, max_episode_steps=7).learn(1)
    assert model._episodes.lengths.tolist() == [7] * 6
    assert model._episodes.truncated.all()
    assert model.logger.name_to_value["train/truncated_episodes"] == 1.0


@pytest.mark.parametrize("start", ["same", "random"])
def test_a_time_limit_is_told_from_an_end(start):
    env = make_vec_env(lambda: gymnasium.wrappers.TimeLimit(Clock(end=None), 4), n_envs=2)
    assert make(env, start=start).learn(1)._episodes.truncated.all()
    ended = make(make_vec_env(lambda: Clock(end=4), n_envs=2), start=start).learn(1)
    assert not ended._episodes.truncated.any()


def test_truncated_episodes_can_be_left_out_of_the_loss():
    env = make_vec_env(lambda: Clock(end=None), n_envs=2)
    model = make(env, max_episode_steps=4, mask_truncated=True)
    before = model.get_parameters()["policy"]
    before = {name: each.clone() for name, each in before.items()}
    model.learn(1)
    assert_close(dict(model.policy.state_dict()), before, atol=0, rtol=0)


def test_equal_returns_move_nothing_and_give_no_nan():
    env = make_vec_env(lambda: Clock(end=4), n_envs=3)
    model = make(env)
    before = {name: each.clone() for name, each in model.policy.state_dict().items()}
    model.learn(60)
    assert_close(dict(model.policy.state_dict()), before, atol=0, rtol=0)
    assert model.logger.name_to_value["train/level_groups"] == 1.0


def test_episodes_are_given_out_in_order_and_whole():
    cast = Cast(5, 2, max_episode_steps=9, refills=True)
    assert cast.begin().tolist() == [0, 1]
    infos = [{}, {"TimeLimit.truncated": True}]
    cast.advance(np.array([False, True]), infos)
    assert cast.playing.tolist() == [0, 2]
    cast.advance(np.array([True, True]), [{}, {}])
    assert cast.playing.tolist() == [3, 4]
    cast.advance(np.array([True, False]), [{}, {}])
    assert cast.playing.tolist() == [NOBODY, 4]
    assert not cast.is_over
    cast.advance(np.array([True, True]), [{}, {}])
    assert cast.is_over
    assert cast.truncated.tolist() == [False, True, False, False, False]


def test_rows_are_those_that_the_environment_gave():
    model = make(make_vec_env(lambda: Clock(end=3), n_envs=2)).learn(1)
    played = model._episodes
    assert played.observations[:, 0].tolist() == [0, 1, 2] * 6
    assert played.returns.tolist() == [3.0] * 6
    assert played.starts.tolist() == list(range(0, 18, 3))


# Update


OPTIONS = [
    {},
    {"advantage": "return_to_go", "scale": "batch"},
    {"advantage": "process", "average": "episode"},
    {"scale": "none", "clip_range_high": 0.4, "ent_coef": 0.01},
    {"importance": "sequence"},
    {"beta": 0.2, "kl_estimator": "k1"},
    {"beta": 0.2, "kl_estimator": "k2", "reference_update": 1, "importance": "sequence"},
    {"beta": 0.2, "reference_update": 0.3},
    {"objective": "mirror_descent", "reset_optimizer": True},
    {"objective": "mirror_descent", "baseline": "soft", "scale": "none", "n_replayed": 2},
    {"objective": "mirror_descent", "beta": 0.1, "mask_truncated": True},
    {"clip_range": lambda progress: 0.1 + 0.1 * progress, "max_grad_norm": float("inf")},
]


@pytest.mark.parametrize("space", [spaces.Discrete(2), spaces.Box(-1, 1, (2,))], ids=["d", "c"])
@pytest.mark.parametrize("options", OPTIONS, ids=", ".join)
def test_kernels_and_torch_end_with_the_same_policy(options, space):
    def trained(backend):
        env = limited(Line, limit=6, n_envs=2)
        env.action_space = space
        for each in env.envs:
            each.unwrapped.action_space = space
        model = make(env, backend=backend, **options).learn(120)
        assert model.backend.name == backend
        return model

    ours, theirs = trained("numba"), trained("torch")
    # Adam divides by the root of tiny squares: rounding grows to 1e-4 in a few updates.
    assert_close(
        dict(ours.policy.state_dict()), dict(theirs.policy.state_dict()), atol=3e-4, rtol=1e-3
    )
    logs = [dict(model.logger.name_to_value) for model in (ours, theirs)]
    for name in ("policy_gradient_loss", "clip_fraction", "approx_kl", "loss"):
        one, other = (log[f"train/{name}"] for log in logs)
        assert one == pytest.approx(other, abs=5e-3)


def test_the_reference_stays_is_taken_over_or_follows():
    start = make(beta=0.1)._parameters_now()
    kept, taken, followed = (
        make(beta=0.1, reference_update=how).learn(90) for how in (None, 1, 0.25)
    )
    assert_close(kept._reference, start)
    assert_close(taken._reference, taken._parameters_now())
    away = (followed._reference - start).norm() / (followed._parameters_now() - start).norm()
    assert 0 < away < 1


def test_a_file_holds_the_reference():
    model, file = make(beta=0.1).learn(60), io.BytesIO()
    model.save(file)
    file.seek(0)
    loaded = GRPO.load(file, env=noisy(), device="cpu")
    assert_close(loaded._reference, model._reference)
    assert not torch.equal(loaded._reference, loaded._parameters_now())


@pytest.mark.parametrize(
    "options", [{}, {"beta": 0.1}, {"objective": "mirror_descent", "n_replayed": 1}]
)
def test_a_resumed_run_ends_where_the_unbroken_one_does(options, tmp_path):
    unbroken = make(**options).learn(60).learn(60, reset_num_timesteps=False)
    stopped = make(**options).learn(60)
    stopped.save(tmp_path / "model")
    resumed = GRPO.load(tmp_path / "model", env=noisy(), device="cpu", resume=True)
    resumed.learn(60, reset_num_timesteps=False)
    assert_close(unbroken.get_parameters(), resumed.get_parameters(), atol=0, rtol=0)


def test_a_penalty_keeps_the_policy_near_its_reference():
    def distance(beta):
        options = {"learning_rate": 3e-3, "kl_estimator": "k2", "beta": beta}
        model = make(limited(Line, limit=6, n_envs=2), **options)
        start = model._parameters_now()
        model.learn(600)
        return (model._parameters_now() - start).norm().item()

    assert distance(30.0) < 0.7 * distance(1e-9)


def test_a_larger_tau_keeps_mirror_descent_nearer():
    def distance(tau):
        options = {"objective": "mirror_descent", "tau": tau, "learning_rate": 3e-3}
        model = make(limited(Line, limit=6, n_envs=2), **options).learn(300)
        return model.logger.name_to_value["train/approx_kl"]

    assert distance(50.0) < distance(0.01)


# Bad input


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"group_size": 1}, ValueError, "group_size must be 2 or more, got 1. One episode alone"),
        ({"group_size": 2.5}, TypeError, "group_size must be an int, got 2.5"),
        ({"n_groups": 0}, ValueError, "n_groups must be 1 or more, got 0"),
        ({"start": "equal"}, ValueError, "start must be one of 'same', 'random', got 'equal'"),
        ({"snapshot": "copy"}, ValueError, "snapshot must be one of 'seed', 'deepcopy', 'mujoco'"),
        ({"snapshot": 3}, TypeError, "snapshot must be one of .*, or a function, got 3"),
        ({"advantage": "gae"}, ValueError, "advantage must be one of 'outcome', 'return_to_go'"),
        ({"scale": None}, TypeError, "scale must be one of 'group', 'batch', 'none', got None"),
        ({"beta": -0.1}, ValueError, "beta must be 0 or more, got -0.1"),
        ({"tau": 0}, ValueError, "tau must be above 0, got 0"),
        ({"clip_range": 1.5}, ValueError, r"clip_range must be in \(0, 1\), got 1.5"),
        ({"clip_range_high": 0}, ValueError, "clip_range_high must be above 0, got 0"),
        ({"max_episode_steps": 0}, ValueError, "max_episode_steps must be 1 or more, got 0"),
        ({"beta": 1.0, "reference_update": 0}, ValueError, "reference_update must be None, an int"),
        ({"beta": 1.0, "reference_update": 1.5}, ValueError, "reference_update must be None, an i"),
        ({"reference_update": 5}, ValueError, "reference_update must be None with beta=0, got 5"),
        ({"n_replayed": 1}, ValueError, "n_replayed must be 0 with objective='clipped', got 1"),
        ({"baseline": "soft"}, ValueError, "baseline must be 'mean' with objective='clipped'"),
        (
            {"objective": "mirror_descent", "advantage": "process"},
            ValueError,
            "advantage must be 'outcome' with objective='mirror_descent'",
        ),
        (
            {"objective": "mirror_descent", "baseline": "soft"},
            ValueError,
            "scale must be 'none' with baseline='soft', got 'group'",
        ),
        ({"start": "random", "snapshot": "mujoco"}, ValueError, "snapshot must be 'seed', its def"),
        ({"n_steps": 5}, TypeError, "'n_steps' is not an option"),
        ({"gae_lambda": 0.9}, TypeError, "'gae_lambda' is not an option"),
    ],
    ids=lambda each: str(each) if isinstance(each, dict) else "",
)
def test_an_option_that_cannot_work_is_refused(options, kind, message):
    with pytest.raises(kind, match=f"^GRPO: {message}"):
        make(**options)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_reward_that_is_no_number_is_refused(value):
    env = limited(lambda: Line(spoil=lambda seen, _: (seen, value)), limit=9, n_envs=2)
    with pytest.raises(ValueError, match=r"^GRPO: reward must be finite, got"):
        make(env).learn(400)


def test_it_learns_to_balance_a_pole():
    # Random actions last 22 steps. Groups as in benchmarks.grpo need fewer steps than these.
    env = make_compiled("CartPole-v1", n_envs=32, seed=0)
    model = GRPO("MlpPolicy", env, 3e-3, advantage="return_to_go", seed=0, device="cpu")
    model.learn(60_000)  # by 40,000 some seeds stand at 126, by 60,000 all above 200
    assert np.mean([each["r"] for each in model.ep_info_buffer]) > 150
