"""What every algorithm of rlextras owes its host; a class new in ``__all__`` is tested unasked."""

import copy
import inspect
import io
import random
import re

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import (
    CheckpointCallback,
    EvalCallback,
    StopTrainingOnMaxEpisodes,
    StopTrainingOnRewardThreshold,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize
from torch.testing import assert_close

import rlextras
from tests.rlextras.callbacks import AtEnd, Spy
from tests.rlextras.environments import Keeper, Line, limited

ALGORITHMS = [getattr(rlextras, name) for name in rlextras.__all__]
ON_POLICY = [  # those whose rollouts have a fixed size
    each
    for each in ALGORITHMS
    if issubclass(each, OnPolicyAlgorithm) and "n_steps" in inspect.signature(each).parameters
]
SMALL = {"n_steps": 16, "batch_size": 16, "n_epochs": 2, "learning_starts": 8, "buffer_size": 256}
SMALL |= {"group_size": 2, "n_groups": 1}
"""Of these, what an algorithm knows."""
N_ENVS = 2
ROLLOUT = SMALL["n_steps"] * N_ENVS


@pytest.fixture(params=ALGORITHMS, ids=lambda each: each.__name__)
def algorithm(request):
    return request.param


@pytest.fixture(params=ON_POLICY, ids=lambda each: each.__name__)
def on_policy(request):
    return request.param


def line(n_envs=N_ENVS, *, limit=7, **options):
    """Environments whose time limit falls inside a rollout."""
    return limited(lambda: Line(**options), limit=limit, n_envs=n_envs)


def make(algorithm, env=None, **options):
    """A small model on the CPU."""
    known = inspect.signature(algorithm).parameters
    small = {name: value for name, value in SMALL.items() if name in known}
    options = {"seed": 0, "device": "cpu", "policy_kwargs": {"net_arch": [8]}} | small | options
    return algorithm("MlpPolicy", line() if env is None else env, **options)


def actions_of(model, n=5):
    """What a model does, deterministically, in a few places."""
    places = np.linspace(-1, 1, 2 * n).reshape(n, 2)
    return model.predict(places, deterministic=True)[0]


# Life cycle


def test_learn_counts_its_steps_and_returns_the_model(algorithm):
    model = make(algorithm)
    assert model.learn(2 * ROLLOUT) is model
    n_first, surplus = model.num_timesteps, ROLLOUT // 2 if "group_size" in vars(model) else 0
    assert 2 * ROLLOUT <= n_first <= 2 * ROLLOUT + surplus  # whole episodes are finished
    assert model._n_updates > 0
    model.learn(ROLLOUT, reset_num_timesteps=False)
    assert n_first + ROLLOUT <= model.num_timesteps <= n_first + ROLLOUT + surplus


def test_same_seed_gives_the_same_model(algorithm):
    first, second = (make(algorithm, seed=3).learn(2 * ROLLOUT) for _ in range(2))
    assert_close(first.get_parameters(), second.get_parameters(), atol=0, rtol=0)
    other = make(algorithm, seed=4).learn(2 * ROLLOUT)
    assert not np.array_equal(actions_of(other), actions_of(first))


def test_results_do_not_depend_on_the_number_of_threads(algorithm):
    n_before = torch.get_num_threads()
    try:
        results = []
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            results.append(make(algorithm).learn(2 * ROLLOUT).get_parameters())
    finally:
        torch.set_num_threads(n_before)
    assert_close(*results, atol=0, rtol=0)


def test_no_seed_touches_no_generator(algorithm):
    torch.manual_seed(5)
    before = torch.get_rng_state(), random.getstate()
    make(algorithm, seed=None, _init_setup_model=False)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()


def test_predict_keeps_shapes_and_bounds(algorithm):
    model = make(algorithm).learn(ROLLOUT)
    many, state = model.predict(np.zeros((5, 2)))
    one, _ = model.predict(np.zeros(2), deterministic=True)
    assert (many.shape, one.shape, state) == ((5, 1), (1,), None)
    assert model.action_space.contains(one)
    assert np.array_equal(actions_of(model), actions_of(model))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (2, 2)),
        spaces.Box(-2, 3, (1,)),
        spaces.Discrete(3),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(3),
    ],
    ids=str,
)
def test_an_action_space_is_trained_on_or_refused(algorithm, space):
    env = line()
    env.action_space = space
    for each in env.envs:
        each.unwrapped.action_space = space
    try:
        model = make(algorithm, env)
    except AssertionError as error:
        assert "only supports" in str(error)  # noqa: PT017  # the host's refusal is an outcome here
        return
    action, _ = model.learn(ROLLOUT).predict(np.zeros(2))
    assert space.contains(action)


def test_train_mode_is_for_training_only(algorithm):
    model = make(algorithm).learn(ROLLOUT)
    model.policy.set_training_mode(True)
    actions_of(model)
    assert not model.policy.training


# Files


@pytest.mark.parametrize("target", ["path", "memory"])
def test_a_file_holds_the_whole_model(algorithm, target, tmp_path):
    model = make(algorithm, learning_rate=lambda progress: 1e-3 * progress).learn(2 * ROLLOUT)
    place = tmp_path / "model.zip" if target == "path" else io.BytesIO()
    model.save(place)
    if target == "memory":
        place.seek(0)
    loaded = algorithm.load(place, env=model.get_env(), device="cpu")
    assert np.array_equal(actions_of(loaded), actions_of(model))
    assert_close(loaded.get_parameters(), model.get_parameters(), atol=0, rtol=0)
    assert loaded._n_updates == model._n_updates
    if hasattr(model, "replay_buffer"):  # the host keeps it out of the file
        loaded.replay_buffer = copy.deepcopy(model.replay_buffer)
    for each in (loaded, model):
        each.set_random_seed(1)
        each._last_obs = None
        each.learn(ROLLOUT, reset_num_timesteps=False)
    assert_close(loaded.get_parameters(), model.get_parameters(), atol=0, rtol=0)


def test_a_file_predicts_without_an_environment(algorithm, tmp_path):
    model = make(algorithm)
    model.save(tmp_path / "model")
    assert np.array_equal(actions_of(algorithm.load(tmp_path / "model")), actions_of(model))


def test_an_option_changed_at_loading_is_checked(algorithm, tmp_path):
    make(algorithm).save(tmp_path / "model")
    assert algorithm.load(tmp_path / "model", gamma=0.5).gamma == 0.5
    with pytest.raises(ValueError, match=r"gamma must be in \[0, 1\], got 1\.7"):
        algorithm.load(tmp_path / "model", gamma=1.7)


def test_parameters_can_be_read_and_set(algorithm):
    trained, fresh = make(algorithm).learn(ROLLOUT), make(algorithm, seed=8)
    fresh.set_parameters(copy.deepcopy(trained.get_parameters()))
    assert np.array_equal(actions_of(fresh), actions_of(trained))
    with pytest.raises(ValueError, match="do not match"):
        fresh.set_parameters({"policy": trained.policy.state_dict()})


def test_the_environment_can_be_changed(algorithm):
    model = make(algorithm).learn(ROLLOUT)
    other = line()
    model.set_env(other)
    model.learn(ROLLOUT, reset_num_timesteps=False)
    assert model.get_env() is other
    with pytest.raises(ValueError, match="spaces do not match"):
        model.set_env(make_vec_env("CartPole-v1", n_envs=N_ENVS))


# Callbacks, logs, interrupts


def test_callbacks_are_called_in_order(on_policy):
    spy = Spy()
    make(on_policy).learn(2 * ROLLOUT, callback=[spy])
    rollout = ["rollout starts", "rollout ends"]
    assert spy.calls == ["training starts", *rollout, *rollout, "training ends"]
    assert spy.n_calls == 2 * SMALL["n_steps"]


def test_a_callback_stops_the_training_at_once(on_policy):
    model = make(on_policy)
    model.learn(10 * ROLLOUT, callback=Spy(stop_at=5))
    assert (model.num_timesteps, model._n_updates) == (5 * N_ENVS, 0)
    place = model.get_env().get_attr("place")
    assert model._last_obs[:, 0] == pytest.approx(place)  # goes on from where it stopped
    model.learn(ROLLOUT, reset_num_timesteps=False)
    assert model._n_updates > 0


def test_evaluation_stops_at_the_reward_threshold_and_keeps_the_best_model(algorithm, tmp_path):
    stop = StopTrainingOnRewardThreshold(-1e9)
    callback = EvalCallback(
        Monitor(gymnasium.wrappers.TimeLimit(Line(), 7)),
        callback_on_new_best=stop,
        eval_freq=4,
        n_eval_episodes=2,
        best_model_save_path=str(tmp_path),
        verbose=0,
        warn=False,
    )
    model = make(algorithm).learn(100 * ROLLOUT, callback=callback)
    assert model.num_timesteps == 4 * N_ENVS
    assert np.array_equal(actions_of(algorithm.load(tmp_path / "best_model")), actions_of(model))


def test_checkpoints_and_episode_limits_work(algorithm, tmp_path):
    callbacks = [CheckpointCallback(8, str(tmp_path)), StopTrainingOnMaxEpisodes(6)]
    make(algorithm).learn(100 * ROLLOUT, callback=callbacks)
    assert (tmp_path / "rl_model_16_steps.zip").exists()


@pytest.mark.parametrize("phase", ["rollout", "update"])
def test_ctrl_c_leaves_a_model_to_use_save_and_train_on(algorithm, phase, tmp_path, monkeypatch):
    model = make(algorithm)
    callback = Spy(raise_at=3)
    if phase == "update":
        owner = model.policy if hasattr(model.policy, "optimizer") else model.actor
        callback, step, count = None, owner.optimizer.step, iter([1, 1, 0])
        monkeypatch.setattr(
            owner.optimizer, "step", lambda: step() if next(count) else _interrupt()
        )
    with pytest.raises(KeyboardInterrupt):
        model.learn(4 * ROLLOUT, callback=callback)
    monkeypatch.undo()
    model.save(tmp_path / "model.zip")
    loaded = algorithm.load(tmp_path / "model.zip", env=line(), device="cpu")
    assert np.array_equal(actions_of(loaded), actions_of(model))
    model.learn(ROLLOUT, reset_num_timesteps=False)
    assert np.isfinite(actions_of(model)).all()


def _interrupt():
    raise KeyboardInterrupt


def test_the_log_holds_the_keys_of_the_host(algorithm, tmp_path):
    model = make(algorithm)
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(2 * ROLLOUT)
    model.logger.close()
    header = (tmp_path / "progress.csv").read_text().splitlines()[0].split(",")
    assert {"time/total_timesteps", "time/fps", "rollout/ep_rew_mean"} <= set(header)
    assert {"train/n_updates", "train/learning_rate"} <= set(header)


def test_tensorboard_names_a_run_after_the_class(algorithm, tmp_path):
    make(algorithm, tensorboard_log=str(tmp_path)).learn(ROLLOUT).logger.close()
    assert [path.name for path in tmp_path.iterdir()] == [f"{algorithm.__name__}_1"]


@pytest.mark.filterwarnings("ignore:rich is experimental")  # tqdm says so of the host's bar
def test_a_progress_bar_is_shown(algorithm, capsys):
    make(algorithm).learn(ROLLOUT, progress_bar=True)
    assert re.search(rf"\d+/{ROLLOUT}", capsys.readouterr().out)


def test_the_window_of_the_statistics_is_heeded(algorithm):
    model = make(algorithm, stats_window_size=3).learn(3 * ROLLOUT)
    assert len(model.ep_info_buffer) == 3


# Environments


def test_an_environment_may_be_named_plain_monitored_or_normalised(algorithm):
    normalized = VecNormalize(line())
    plain = gymnasium.wrappers.TimeLimit(Line(), 7)
    for env in ("Pendulum-v1", plain, Monitor(plain), normalized):
        assert make(algorithm, env).learn(SMALL["n_steps"]).num_timesteps >= SMALL["n_steps"]
    assert normalized.obs_rms.count > SMALL["n_steps"]


def test_environments_may_live_in_processes(algorithm):
    results = []
    for vec_env, options in [(DummyVecEnv, {}), (SubprocVecEnv, {"start_method": "forkserver"})]:
        env = make_vec_env("Pendulum-v1", N_ENVS, vec_env_cls=vec_env, vec_env_kwargs=options)
        try:
            results.append(make(algorithm, env).learn(ROLLOUT).get_parameters())
        finally:
            env.close()
    assert_close(*results, atol=0, rtol=0)


@pytest.mark.parametrize("limit", [1, SMALL["n_steps"] - 1, SMALL["n_steps"], 100])
def test_time_limits_may_fall_anywhere(on_policy, limit):
    model = make(on_policy, line(limit=limit)).learn(2 * ROLLOUT)
    assert np.isfinite(model.rollout_buffer.advantages).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["observation", "reward"])
def test_a_number_that_is_none_is_named(algorithm, name, value):
    def spoil(observation, reward):
        return (observation * value, reward) if name == "observation" else (observation, value)

    owner = algorithm.__name__
    with pytest.raises(ValueError, match=rf"^{owner}: {name} must be finite, got (nan|-?inf) from"):
        make(algorithm, line(spoil=spoil)).learn(10 * ROLLOUT)


# Nothing that is handed in changes


def test_options_handed_in_stay_as_they_are(algorithm):
    policy_kwargs = {"net_arch": [8], "normalize_images": False, "features_extractor_kwargs": {}}
    before = copy.deepcopy(policy_kwargs)
    make(algorithm, policy_kwargs=policy_kwargs).learn(ROLLOUT)
    assert policy_kwargs == before


def test_what_the_environment_hands_out_stays_as_it_is(algorithm):
    def look(callback):
        env = callback.training_env
        for given, kept in zip(env.given[:3], env.kept[:3], strict=True):
            assert np.array_equal(given, kept)

    env = Keeper(line(limit=SMALL["n_steps"]))
    make(algorithm, env).learn(2 * ROLLOUT, callback=AtEnd(look))


# Options


@pytest.mark.parametrize(
    ("option", "kind", "message"),
    [
        ({"gamma": 1.7}, ValueError, r"gamma must be in \[0, 1\], got 1\.7\. Typical is 0\.99\."),
        ({"gamma": "0.9"}, TypeError, "gamma must be a number, got '0.9' of type str"),
        ({"gamma": float("nan")}, ValueError, r"gamma must be in \[0, 1\], got nan"),
        ({"learning_rate": -1e-3}, ValueError, "learning_rate must be 0 or more, got -0.001"),
        ({"learning_rate": None}, TypeError, "learning_rate must be a number or a function"),
        ({"batch_size": 0}, ValueError, "batch_size must be 1 or more, got 0"),
        ({"batch_size": 64.0}, TypeError, "batch_size must be an int, got 64.0 of type float"),
        ({"stats_window_size": 0}, ValueError, "stats_window_size must be 1 or more"),
        ({"policy_kwargs": [8]}, TypeError, "policy_kwargs must be a dict or None"),
        ({"tensorboard_log": 3}, TypeError, "tensorboard_log must be a path or None"),
        ({"seed": -1}, ValueError, r"seed must be in \[0, 4294967295\], got -1"),
    ],
    ids=lambda each: str(each) if isinstance(each, dict) else "",
)
def test_a_bad_option_is_refused_in_one_sentence(algorithm, option, kind, message):
    with pytest.raises(kind, match=rf"^{algorithm.__name__}: {message}"):
        make(algorithm, **option)


def test_a_misspelt_option_is_refused_with_the_right_spelling(algorithm):
    with pytest.raises(TypeError, match=r"'gama' is not an option. Did you mean 'gamma'\?"):
        make(algorithm, gama=0.9)


def test_a_policy_nobody_knows_is_refused(algorithm):
    with pytest.raises(ValueError, match=r"policy must be one of 'MlpPolicy', .*, got 'MlpPolcy'"):
        algorithm("MlpPolcy", line())
    with pytest.raises(TypeError, match=r"policy must be one of .*, got a int"):
        algorithm(3, line())
    with pytest.raises(TypeError, match="env must be an environment or the id of one, got None"):
        algorithm("MlpPolicy", None)


def test_numpy_numbers_are_as_good_as_others(algorithm):
    model = make(
        algorithm, gamma=np.float32(0.5), batch_size=np.int64(16), learning_rate=np.float32(1)
    )
    assert (type(model.gamma), type(model.batch_size)) == (float, int)


def test_the_class_is_the_hosts_by_name_and_life_cycle(algorithm):
    assert issubclass(algorithm, BaseAlgorithm)
    assert algorithm.__module__ == f"rlextras.{algorithm.__name__.lower()}"
    signature = inspect.signature(algorithm.learn).parameters
    assert list(signature)[1:] == list(inspect.signature(BaseAlgorithm.learn).parameters)[1:]
