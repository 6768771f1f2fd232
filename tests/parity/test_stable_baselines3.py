"""rlextras beside Stable-Baselines3: same seeds, same rollouts, same logs, same parameters."""

from copy import deepcopy

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import IdentityEnvMultiBinary, IdentityEnvMultiDiscrete
from stable_baselines3.common.vec_env import VecNormalize
from torch.testing import assert_close

import rlextras
from tests.rlextras.callbacks import AtEnd
from tests.rlextras.environments import Sampled, limited

# Ours sums in another order (batched bootstraps, fused Adam), in float32. Adam turns a rounding of
# 1e-7 in a gradient into at most 1e-5 of a step of 1e-3 after the few dozen minibatches run here.
PARAMETERS = {"atol": 1e-5, "rtol": 0}
ROLLOUTS = {"atol": 1e-5, "rtol": 1e-5}
LOGS = {"rel": 1e-4, "abs": 1e-5}  # means over an update, of losses that span six decades
CLOCK = {"time/fps", "time/time_elapsed"}


def sampled(space):
    """Two environments with observations from a space, stopped after five steps."""
    return limited(lambda: Sampled(deepcopy(space)), limit=5, n_envs=2)


def cart_pole():
    return make_vec_env("CartPole-v1", n_envs=3)


def pendulum():
    """Pendulum whose time limit falls inside a rollout, and not at its end."""
    return make_vec_env(lambda: gymnasium.make("Pendulum-v1", max_episode_steps=11), n_envs=3)


def short_cart_pole():
    """CartPole whose episodes end in both ways."""
    return make_vec_env(lambda: gymnasium.make("CartPole-v1", max_episode_steps=13), n_envs=3)


def normalized_pendulum():
    return VecNormalize(pendulum())


def multi_discrete():
    return make_vec_env(lambda: IdentityEnvMultiDiscrete(dim=4, ep_length=9), n_envs=2, seed=1)


def multi_binary():
    return make_vec_env(lambda: IdentityEnvMultiBinary(dim=3, ep_length=9), n_envs=2, seed=1)


IMAGE = spaces.Box(0, 255, (36, 36, 1), np.uint8)


def dict_observations():
    return sampled(spaces.Dict({"image": IMAGE, "vector": spaces.Box(-1, 1, (3,))}))


def images():
    return sampled(IMAGE)


def falling_clip_range(progress):
    return 0.1 + 0.1 * progress


def falling_learning_rate(progress):
    return 1e-3 * progress


SMALL_CNN = {"policy_kwargs": {"features_extractor_kwargs": {"features_dim": 16}}}
SMALL_COMBINED = {"policy_kwargs": {"features_extractor_kwargs": {"cnn_output_dim": 16}}}
SQUASHED = {"use_sde": True, "sde_sample_freq": 4, "policy_kwargs": {"squash_output": True}}
FALLING = {"clip_range": falling_clip_range, "learning_rate": falling_learning_rate}
CASES = {
    "discrete actions": (cart_pole, "MlpPolicy", {}),
    "both ends of an episode": (short_cart_pole, "MlpPolicy", {"gamma": 0.9, "gae_lambda": 0.8}),
    "continuous actions": (pendulum, "MlpPolicy", {"ent_coef": 0.01}),
    "normalised environment": (normalized_pendulum, "MlpPolicy", {}),
    "multi-discrete actions": (multi_discrete, "MlpPolicy", {}),
    "multi-binary actions": (multi_binary, "MlpPolicy", {"ent_coef": 0.01}),
    "dict observations": (dict_observations, "MultiInputPolicy", SMALL_COMBINED | {"n_steps": 16}),
    "images": (images, "CnnPolicy", SMALL_CNN | {"n_steps": 16, "learning_rate": 1e-4}),
    "gSDE": (pendulum, "MlpPolicy", {"use_sde": True, "ent_coef": 0.01}),
    "squashed gSDE": (pendulum, "MlpPolicy", SQUASHED | {"ent_coef": 0.01}),
    "clipped critic": (pendulum, "MlpPolicy", {"clip_range_vf": 0.5}),
    "schedules": (cart_pole, "MlpPolicy", FALLING),
    "early stop by KL": (cart_pole, "MlpPolicy", {"target_kl": 1e-3, "learning_rate": 3e-3}),
    "advantages as they are": (cart_pole, "MlpPolicy", {"normalize_advantage": False}),
    "another optimiser": (
        cart_pole,
        "MlpPolicy",
        {"policy_kwargs": {"optimizer_class": torch.optim.RMSprop, "net_arch": [16]}},
    ),
}
SMALL = {"n_steps": 32, "batch_size": 16, "n_epochs": 3, "seed": 7, "device": "cpu"}
FIELDS = ("observations", "actions", "values", "log_probs", "episode_starts")
ESTIMATES = ("advantages", "returns")


class Recorder(AtEnd):
    """Keep what each rollout held, and the names that callbacks found."""

    def __init__(self):
        super().__init__(self.record)
        self.rollouts, self.names = [], []

    def record(self, callback):
        buffer = callback.model.rollout_buffer
        fields = (*FIELDS, *ESTIMATES, "rewards")
        self.rollouts.append({name: _copied(getattr(buffer, name)) for name in fields})
        self.names.append(set(callback.locals) - {"self"})


def _copied(value):
    if isinstance(value, dict):
        return {key: each.copy() for key, each in value.items()}
    return value.copy()


def run(host, case, n_rollouts=3, **changed):
    """A model after some rollouts, and what was recorded on the way."""
    make_env, policy, options = CASES[case]
    with torch.random.fork_rng():
        model = host.PPO(policy, make_env(), **(SMALL | options | changed))
        recorder = Recorder()
        model.learn(n_rollouts * model.n_steps * model.n_envs, callback=recorder)
    return model, recorder


@pytest.fixture(scope="module", params=CASES)
def pair(request):
    """The host's model and ours after the same training, each with its record."""
    return run(stable_baselines3, request.param), run(rlextras, request.param)


@pytest.fixture(scope="module", params=CASES)
def first_rollouts(request):
    """The first rollout of the host, and of ours by torch and by whatever is chosen."""
    ours = (run(rlextras, request.param, 1, backend=name) for name in ("torch", "auto"))
    results = (run(stable_baselines3, request.param, 1), *ours)
    return [record.rollouts[0] for (_, record) in results]


def test_parameters_agree(pair):
    (theirs, _), (ours, _) = pair
    assert_close(ours.policy.state_dict(), theirs.policy.state_dict(), **PARAMETERS)
    assert ours._n_updates == theirs._n_updates


def test_rollouts_agree(pair):
    for ours, theirs in zip(pair[1][1].rollouts, pair[0][1].rollouts, strict=True):
        for name in FIELDS + ESTIMATES:
            assert_close(_tensors(ours[name]), _tensors(theirs[name]), **ROLLOUTS, msg=name)


def test_first_rollout_by_torch_is_the_same_to_the_bit(first_rollouts):
    theirs, ours, _ = first_rollouts
    for name in FIELDS:
        assert_close(_tensors(ours[name]), _tensors(theirs[name]), atol=0, rtol=0, msg=name)


def test_first_rollout_by_kernels_draws_the_same_numbers(first_rollouts):
    theirs, _, ours = first_rollouts
    for name in FIELDS:  # the noise is the host's, the sums of the layers run in another order
        assert_close(_tensors(ours[name]), _tensors(theirs[name]), atol=1e-5, rtol=1e-5, msg=name)


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][1] == "MlpPolicy"])
def test_the_two_paths_agree(case):
    (by_torch, _), (chosen, _) = (run(rlextras, case, backend=name) for name in ("torch", "auto"))
    expected = "torch" if case in {"gSDE", "squashed gSDE", "another optimiser"} else "numba"
    assert (by_torch.backend.name, chosen.backend.name) == ("torch", expected)
    assert_close(chosen.policy.state_dict(), by_torch.policy.state_dict(), **PARAMETERS)
    moments = (model.policy.optimizer.state_dict()["state"] for model in (chosen, by_torch))
    assert_close(*moments, atol=1e-5, rtol=1e-3)


def test_logged_scalars_agree(pair):
    theirs, ours = (model.logger.name_to_value for (model, _) in pair)
    assert set(ours) == set(theirs)
    for name in set(theirs) - CLOCK:
        assert ours[name] == pytest.approx(theirs[name], **LOGS, nan_ok=True), name


def test_callbacks_find_the_names_of_the_host(pair):
    (_, theirs), (_, ours) = pair
    internal = {"terminal_obs", "terminal_value", "idx", "done"}  # of the loop over environments
    assert theirs.names[0] - internal <= ours.names[0]


def _tensors(value):
    if isinstance(value, dict):
        return {key: torch.as_tensor(each) for key, each in value.items()}
    return torch.as_tensor(value)


def test_rewards_differ_by_the_bootstraps_of_truncated_steps_only():
    (_, theirs), (_, ours) = (run(host, "both ends of an episode", 1) for host in PACKAGES)
    added = theirs.rollouts[0]["rewards"] - ours.rollouts[0]["rewards"]
    assert np.all(ours.rollouts[0]["rewards"] == 1)  # CartPole gives 1 for every step
    is_last = np.roll(theirs.rollouts[0]["episode_starts"], -1, axis=0)
    assert added.any()
    assert not added[:-1][is_last[:-1] == 0].any()


PACKAGES = (stable_baselines3, rlextras)


@pytest.mark.parametrize("case", ["discrete actions", "gSDE", "clipped critic", "schedules"])
@pytest.mark.parametrize("saved_by", PACKAGES, ids=["theirs to ours", "ours to theirs"])
def test_a_file_of_one_continues_in_the_other(saved_by, case, tmp_path):
    model, _ = run(saved_by, case, n_rollouts=2)
    model.save(tmp_path / "model.zip")
    continued = [_continued(host, tmp_path / "model.zip", CASES[case][0]()) for host in PACKAGES]
    theirs, ours = (each.get_parameters() for each in continued)
    assert_close(ours["policy"], theirs["policy"], **PARAMETERS)
    assert_close(ours["policy.optimizer"], theirs["policy.optimizer"], **PARAMETERS)
    assert continued[0]._n_updates == continued[1]._n_updates > model._n_updates


def _continued(host, path, env):
    with torch.random.fork_rng():
        model = host.PPO.load(path, env=env, device="cpu")
        model.set_random_seed(11)
        return model.learn(2 * model.n_steps * model.n_envs, reset_num_timesteps=False)


def test_a_file_of_ours_names_nothing_that_only_we_have(tmp_path):
    model, _ = run(rlextras, "schedules", n_rollouts=1)
    model.save(tmp_path / "model.zip")
    theirs, _ = run(stable_baselines3, "schedules", n_rollouts=1)
    kept = set(vars(model)) - set(model._excluded_save_params())
    assert kept == set(vars(theirs)) - set(theirs._excluded_save_params())
    for name, value in ((name, vars(model)[name]) for name in kept):
        assert not type(value).__module__.startswith("rlextras"), name


class Halved(RolloutBuffer):
    """A user's buffer with its own advantages; it reads rewards as the host leaves them."""

    def compute_returns_and_advantage(self, last_values, dones):
        super().compute_returns_and_advantage(last_values, dones)
        self.advantages *= 0.5


def test_a_buffer_with_its_own_advantages_is_heeded():
    results = []
    for host in PACKAGES:
        options = SMALL | {"rollout_buffer_class": Halved}
        model = host.PPO("MlpPolicy", pendulum(), **options)
        recorder = Recorder()
        results.append((model.learn(3 * model.n_steps, callback=recorder), recorder))
    (theirs, their_record), (ours, our_record) = results
    for name in (*FIELDS, *ESTIMATES, "rewards"):
        assert_close(our_record.rollouts[0][name], their_record.rollouts[0][name], **ROLLOUTS)
    assert_close(ours.policy.state_dict(), theirs.policy.state_dict(), **PARAMETERS)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(5),
        spaces.MultiDiscrete([3, 4]),
        spaces.MultiBinary(4),
        spaces.Box(-1, 1, (2, 2)),
    ],
    ids=str,
)
def test_observation_spaces_agree(space):
    policies = []
    for host in PACKAGES:
        model = host.PPO("MlpPolicy", sampled(space), **SMALL).learn(128)
        policies.append(model.policy.state_dict())
    assert_close(policies[1], policies[0], **PARAMETERS)
