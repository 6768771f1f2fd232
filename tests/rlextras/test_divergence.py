"""Laws of the KL penalty: its gradient, its effect, and how its weight adapts."""

import copy

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import IdentityEnvMultiBinary, IdentityEnvMultiDiscrete
from torch.testing import assert_close

from rlextras import PPO
from rlextras.core.objectives import adapted
from rlextras.onpolicy.divergence import OldPolicy
from tests.rlextras.environments import Masked, Sampled, limited

SMALL = {"n_steps": 32, "batch_size": 16, "n_epochs": 4, "seed": 0, "device": "cpu"}


def make(env="CartPole-v1", **options):
    return PPO("MlpPolicy", env, **(SMALL | options))


def logged(model, name):
    return model.logger.name_to_value[f"train/{name}"]


# The divergence and its gradient

ENVIRONMENTS = {
    "choice": lambda: "CartPole-v1",
    "choices": lambda: IdentityEnvMultiDiscrete(4),
    "bits": lambda: IdentityEnvMultiBinary(3),
    "numbers": lambda: limited(lambda: Sampled(spaces.Box(-1, 1, (3,))), limit=5, n_envs=1),
}


def probabilities(policy, observations):
    """What the policy's last layer makes of observations."""
    features = policy.extract_features(observations, policy.pi_features_extractor)
    return policy.action_net(policy.mlp_extractor.forward_actor(features))


def by_hand(name, policy, old, observations):
    """mean_t KL(π_old || π) from the textbook's formulas, in float64 sums over every outcome."""
    new, before = (probabilities(each, observations) for each in (policy, old))
    if name == "numbers":  # Gaussians with variances of their own
        (s, mean), (s_old, mean_old) = (policy.log_std, new), (old.log_std, before)
        squares = (s_old.exp() ** 2 + (mean_old - mean) ** 2) / (2 * s.exp() ** 2)
        return (s - s_old + squares - 0.5).sum(dim=1).mean()
    if name == "bits":
        p, q = before.sigmoid(), new.sigmoid()
        pairs = [(p, q), (1 - p, 1 - q)]
        return sum(a * (a.log() - b.log()) for a, b in pairs).sum(dim=1).mean()
    sizes = [4, 4] if name == "choices" else [new.shape[1]]
    total = 0.0
    for old_part, part in zip(before.split(sizes, 1), new.split(sizes, 1), strict=True):
        p, q = old_part.softmax(dim=1), part.softmax(dim=1)
        total = total + (p * (p.log() - q.log())).sum(dim=1).mean()
    return total


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_penalty_and_its_gradient_are_the_formulas(name):
    model = make(ENVIRONMENTS[name](), backend="torch")
    policy = model.policy
    frozen = copy.deepcopy(policy).requires_grad_(False)
    kept = OldPolicy(policy)
    before = [each.data_ptr() for each in policy.parameters()]
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    model.observation_space.seed(0)
    observed = np.stack([model.observation_space.sample() for _ in range(9)])
    observations = policy.obs_to_tensor(observed)[0]
    loss, expected = (
        kept.divergence(observations, None),
        by_hand(name, policy, frozen, observations),
    )
    assert expected > 1e-3
    assert_close(loss, expected, atol=1e-6, rtol=1e-4)  # float32
    actor = [*policy.mlp_extractor.policy_net.parameters(), *policy.action_net.parameters()]
    slopes = [torch.autograd.grad(each, actor) for each in (loss, expected)]
    assert_close(*slopes, atol=1e-6, rtol=1e-3)
    assert [each.data_ptr() for each in policy.parameters()] == before


def test_the_gradient_of_a_loss_made_before_is_not_disturbed():
    policy = make(backend="torch").policy
    kept = OldPolicy(policy)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter *= 1.5
    seen, weights = torch.randn(5, 4), list(policy.parameters())
    alone = torch.autograd.grad(
        policy.predict_values(seen).square().sum(), weights, allow_unused=True
    )
    loss = policy.predict_values(seen).square().sum()
    kept.divergence(seen, None)
    after = torch.autograd.grad(loss, weights, allow_unused=True)
    assert_close(after, alone, atol=0, rtol=0)


def test_the_divergence_within_masks_is_that_of_the_masked_policies():
    model = make(Masked(spaces.Discrete(4)), use_masks=True)
    kept, masks = OldPolicy(model.policy), np.array([[1, 1, 0, 0], [0, 1, 0, 0]], bool)
    before = copy.deepcopy(model.policy).requires_grad_(False)
    with torch.no_grad():
        model.policy.action_net.bias += torch.arange(4.0)
    seen = torch.ones(2, 4)
    p, q = (probabilities(each, seen)[0, :2].softmax(dim=0) for each in (before, model.policy))
    assert_close(kept.divergence(seen, masks), (p * (p / q).log()).sum() / 2)  # the other has one


# The update


def test_a_penalty_keeps_the_policy_closer():
    free, held = (make(kl_coef=x, learning_rate=3e-3, n_steps=128).learn(128) for x in (1e-9, 30.0))
    assert logged(held, "kl_divergence") < 0.5 * logged(free, "kl_divergence")
    assert logged(held, "kl_coef") == held.kl_coef == 30.0
    assert str(held.backend) == "torch (kl_coef is not 0)"


def test_no_penalty_runs_by_the_kernels_and_logs_none():
    model = make().learn(64)
    assert model.backend.name == "numba"
    assert "train/kl_coef" not in model.logger.name_to_value
    with pytest.raises(ValueError, match=r"backend must be .*, got 'numba': kl_coef is not 0"):
        make(kl_coef=1.0, backend="numba")


@pytest.mark.parametrize(
    ("policy", "env", "options"),
    [
        ("MlpPolicy", "Pendulum-v1", {"use_sde": True}),
        ("CnnPolicy", spaces.Box(0, 255, (36, 36, 1), np.uint8), {}),
        ("MultiInputPolicy", spaces.Dict({"a": spaces.Discrete(3)}), {"target_kl": 0.01}),
    ],
    ids=["gSDE", "images", "dict"],
)
def test_a_penalty_works_with_every_policy(policy, env, options):
    if not isinstance(env, str):
        space = env
        env = limited(lambda: Sampled(space), limit=5, n_envs=1)
    model = PPO(policy, env, **SMALL, kl_coef=1.0, **options).learn(64)
    assert np.isfinite(logged(model, "kl_divergence"))


def test_the_weight_adapts_toward_the_target():
    env = make_vec_env("CartPole-v1", n_envs=2)
    model = make(env, kl_coef=1e-3, kl_coef_target=1e-5, learning_rate=3e-3).learn(8 * 64)
    assert model.kl_coef == 1e-3 * 2**8  # every update went farther than 1.5 targets
    model = make(env, kl_coef=1.0, kl_coef_target=10.0).learn(8 * 64)
    assert model.kl_coef == 2.0**-8


@given(st.floats(1e-9, 1e9), st.floats(0, 1), st.floats(1e-3, 1.0))
def test_the_weight_is_halved_kept_or_doubled_by_the_papers_bounds(weight, divergence, target):
    got = adapted(weight, divergence, target=target)
    factor = 0.5 if divergence < target / 1.5 else 2.0 if divergence > 1.5 * target else 1.0
    assert got == min(max(weight * factor, 1e-9), 1e9)


def test_the_weight_neither_vanishes_nor_explodes():
    low = high = 1.0
    for _ in range(3000):
        low, high = adapted(low, 0.0, target=0.1), adapted(high, 1.0, target=0.1)
    assert (low, high) == (1e-9, 1e9)
    assert adapted(0.1e-9, 0.0, target=0.1) == 0.1e-9  # a weight that a user chose stays


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"kl_coef": -1}, ValueError, "kl_coef must be 0 or more, got -1"),
        ({"kl_coef": "x"}, TypeError, "kl_coef must be a number, got 'x'"),
        ({"kl_coef": 1.0, "kl_coef_target": 0}, ValueError, "kl_coef_target must be above 0"),
        ({"kl_coef_target": 0.01}, ValueError, "kl_coef must be above 0 where kl_coef_target is"),
    ],
    ids=str,
)
def test_a_penalty_that_cannot_work_is_refused(options, kind, message):
    with pytest.raises(kind, match=rf"^PPO: {message}"):
        make(gymnasium.make("CartPole-v1"), **options)
