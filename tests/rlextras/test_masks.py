"""Laws of action masks: distributions within them, and how they reach the policy."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from sb3_contrib.common.maskable.evaluation import evaluate_policy
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.distributions import (
    BernoulliDistribution,
    CategoricalDistribution,
    MultiCategoricalDistribution,
)
from stable_baselines3.common.env_util import make_vec_env
from torch.testing import assert_close

from rlextras import PPO, TRPO
from rlextras.onpolicy.masking import masked, minibatches
from rlextras.onpolicy.masks import checked_masks, mask_rows, mask_sizes
from tests.rlextras.environments import Clock, Masked, limited
from tests.rlextras.vec_env.pool import Pool

SMALL = {"n_steps": 16, "batch_size": 16, "seed": 0, "device": "cpu"}
SPACES = {
    "choice": spaces.Discrete(4),
    "choices": spaces.MultiDiscrete([3, 2, 4]),
    "bits": spaces.MultiBinary(3),
}


@st.composite
def logits_and_mask(draw, sizes):
    """Finite logits, and flags of which each part has at least one."""
    flags = []
    for n in sizes:
        part = draw(st.lists(st.booleans(), min_size=n, max_size=n))
        part[draw(st.integers(0, n - 1))] = True
        flags += part
    number = st.floats(-20, 20, width=32)
    n_numbers = len(sizes) if set(sizes) == {2} else sum(sizes)
    logits = draw(st.lists(number, min_size=n_numbers, max_size=n_numbers))
    return torch.tensor([logits], requires_grad=True), np.array([flags])


def distribution(plain, logits, mask):
    """What a policy with that distribution makes of logits within a mask."""
    policy = SimpleNamespace(action_dist=plain, device="cpu")
    with masked(policy, mask):
        made = policy.action_dist.proba_distribution(logits)
    assert policy.action_dist is plain
    return made


# The distributions themselves


@settings(deadline=None, max_examples=50)
@given(logits_and_mask([5]), st.data())
def test_a_masked_choice_is_the_distribution_over_what_is_allowed(drawn, data):
    logits, mask = drawn
    made = distribution(CategoricalDistribution(5), logits, mask)
    allowed = np.flatnonzero(mask[0])
    probabilities = made.distribution.probs[0].detach()
    assert (probabilities[~mask[0]] == 0).all()  # exactly
    picked = data.draw(st.integers(0, len(allowed) - 1))
    reduced = torch.distributions.Categorical(logits=logits[:, allowed])
    pairs = [
        (made.log_prob(torch.tensor([allowed[picked]])), reduced.log_prob(torch.tensor([picked]))),
        (made.entropy(), reduced.entropy()),
    ]
    for ours, theirs in pairs:
        assert_close(ours, theirs, atol=1e-5, rtol=1e-5)  # float32, five terms
        slopes = [
            torch.autograd.grad(x.sum(), logits, retain_graph=True)[0] for x in (ours, theirs)
        ]
        assert_close(*slopes, atol=1e-5, rtol=1e-5)
        assert (slopes[0][0, ~mask[0]] == 0).all()


@settings(deadline=None, max_examples=50)
@given(logits_and_mask([3, 2, 4]))
def test_masked_choices_are_choices_one_by_one(drawn):
    logits, mask = drawn
    made = distribution(MultiCategoricalDistribution([3, 2, 4]), logits, mask)
    parts = zip(logits.split([3, 2, 4], 1), np.split(mask, [3, 5], 1), strict=True)
    single = [distribution(CategoricalDistribution(x.shape[1]), x, flags) for x, flags in parts]
    action = made.sample()
    log_prob = sum(each.log_prob(a) for each, a in zip(single, action.T, strict=True))
    assert_close(made.log_prob(action), log_prob)
    assert_close(made.entropy(), sum(each.entropy() for each in single))


@settings(deadline=None, max_examples=50)
@given(logits_and_mask([2, 2, 2]))
def test_a_bit_that_may_be_one_value_only_is_that_and_free_bits_stay(drawn):
    logits, mask = drawn
    made = distribution(BernoulliDistribution(3), logits, mask)
    free = torch.from_numpy(mask.reshape(3, 2).all(axis=1))
    forced = torch.from_numpy(mask.reshape(3, 2)[:, 1].astype(np.float32))
    plain = torch.distributions.Bernoulli(logits=logits)
    probabilities = made.distribution.probs[0]
    assert_close(probabilities[free], plain.probs[0, free])
    assert torch.equal(probabilities[~free], forced[~free])
    entropy = plain.entropy()[0, free].sum()
    assert_close(made.entropy()[0], entropy, atol=1e-6, rtol=1e-5)
    action = made.sample()
    log_prob = made.log_prob(action).sum()
    assert_close(log_prob, plain.log_prob(action)[0, free].sum(), atol=1e-6, rtol=1e-5)
    (slope,) = torch.autograd.grad(log_prob + made.entropy().sum(), logits)
    assert (slope[0, ~free] == 0).all()
    assert slope.isfinite().all()


@pytest.mark.parametrize("name", SPACES)
def test_a_mask_may_be_given_as_gymnasium_samples_by_it(name):
    space, rng = SPACES[name], np.random.default_rng(0)
    if name == "bits":
        mask, flags = np.array([0, 1, 2], np.int8), [1, 0, 0, 1, 1, 1]
    elif name == "choices":
        mask = (np.array([1, 0, 1], np.int8), np.array([0, 1], np.int8), np.ones(4, np.int8))
        flags = [1, 0, 1, 0, 1, 1, 1, 1, 1]
    else:
        mask = flags = np.array([0, 1, 1, 0], np.int8)
    row = checked_masks("Owner", [mask], space)[0]
    assert np.array_equal(row, np.array(flags, bool))
    space.seed(0)
    starts = np.cumsum([0, *mask_sizes(space)[:-1]])
    for _ in range(20):
        assert row[starts + np.ravel(space.sample(mask=mask))].all()
    assert len(mask_rows(rng.random((5, 4)) < 0.5)) == 5
    assert len(mask_rows([(np.ones(3), np.ones(2))] * 2)) == 2


# On the way through an algorithm


@pytest.mark.parametrize("algorithm", [PPO, TRPO])
@pytest.mark.parametrize("by_method", [True, False], ids=["method", "info"])
@pytest.mark.parametrize("as_dict", [False, True], ids=["array", "dict"])
@pytest.mark.parametrize("name", SPACES)
def test_no_forbidden_action_is_ever_taken(algorithm, by_method, as_dict, name):
    options = {"by_method": by_method, "as_dict": as_dict}
    env = limited(lambda: Masked(SPACES[name], **options), limit=5, n_envs=2)  # asserts in step
    policy = "MultiInputPolicy" if as_dict else "MlpPolicy"
    model = algorithm(policy, env, **SMALL, use_masks=True).learn(64)
    assert str(model.backend) == "torch (actions are masked)"
    assert np.isfinite(model.rollout_buffer.log_probs).all()


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("deterministic", [True, False])
def test_predictions_heed_masks_one_by_one_and_all_at_once(name, deterministic):
    env = Masked(SPACES[name])
    model = PPO("MlpPolicy", env, **SMALL, use_masks="auto").learn(16)
    for _ in range(10):
        observation, _ = env.reset()
        action, _ = model.predict(
            observation, deterministic=deterministic, action_masks=env.action_masks()
        )
        env.step(action)
    both = np.stack([observation, observation]), np.stack([env.mask, env.mask])
    actions, _ = model.predict(both[0], deterministic=deterministic, action_masks=both[1])
    assert actions.shape == (2, *env.action_space.shape)


def test_the_peers_evaluation_with_masks_takes_the_model():
    model = PPO("MlpPolicy", Masked(spaces.Discrete(4)), **SMALL, use_masks=True)
    mean, _ = evaluate_policy(
        model, make_vec_env(lambda: Masked(spaces.Discrete(4))), 3, warn=False
    )
    assert mean > 0


@pytest.mark.parametrize("algorithm", [PPO, TRPO])
def test_masks_that_allow_everything_change_nothing(algorithm):
    def everything(mask):
        return np.ones_like(mask)

    class Free(Clock):
        def action_masks(self):
            return everything(np.empty(2))

    results = []
    for use_masks in (True, False):
        env = limited(lambda: Free(7), limit=5, n_envs=2)
        model = algorithm("MlpPolicy", env, **SMALL, use_masks=use_masks, backend="torch")
        results.append(model.learn(64).get_parameters())
    assert_close(*results, atol=0, rtol=0)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_masks_come_from_native_vector_environments_and_pools(mode):
    def make():
        return Masked(spaces.Discrete(4), by_method=False)

    native = SyncVectorEnv([make] * 2, autoreset_mode=mode)
    pool = MaskedPool(make, num_envs=2, seed=0)
    for env in (native, pool):
        model = PPO("MlpPolicy", env, **SMALL, use_masks=True).learn(64)
        assert model.num_timesteps == 64


class MaskedPool(Pool):
    """A pool whose infos hold the masks of its environments."""

    def _answer(self, ids, rows):
        *answer, info = super()._answer(ids, rows)
        masks = np.stack([self.envs[i].mask for i in info["env_id"]])
        return *answer, info | {"action_mask": masks}


def test_minibatches_bring_the_masks_of_their_own_steps():
    n_steps, n_envs = 6, 2
    buffer = RolloutBuffer(n_steps, spaces.Box(0, 99, (1,)), spaces.Discrete(4), n_envs=n_envs)
    masks = np.zeros((n_steps, n_envs, 4), bool)
    for t in range(n_steps):
        places = np.arange(n_envs) + n_envs * t
        masks[t] = places[:, None] >> np.arange(4) & 1
        number, none = torch.zeros(n_envs), np.zeros(n_envs)
        buffer.add(places[:, None], none, none, none, number, number)
    seen = []
    for batch, rows in minibatches(buffer, 5, masks):
        places = batch.observations.flatten().long().numpy()
        assert np.array_equal(rows, places[:, None] >> np.arange(4) & 1)
        seen += places.tolist()
    assert sorted(seen) == list(range(n_steps * n_envs))
    assert "_get_samples" not in vars(buffer)


# What cannot be


@pytest.mark.parametrize("by_method", [True, False], ids=["method", "info"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            np.zeros_like,
            "an action mask must allow a choice, got none in part 0 of the action",
        ),
        (lambda mask: mask[:-1], "an action mask must hold 4 flags, got 3 from environment 0"),
        (lambda mask: None, r"must be a mask in every step and reset, got none from environment 0"),
    ],
    ids=["empty", "short", "none"],
)
def test_a_mask_that_cannot_be_is_named(by_method, spoil, message):
    env = Masked(spaces.Discrete(4), by_method=by_method, spoil=spoil)
    with pytest.raises(ValueError, match=rf"^PPO: .*{message}"):
        PPO("MlpPolicy", env, **SMALL, use_masks=True).learn(16)


def test_an_action_mask_given_to_predict_must_fit():
    model = PPO("MlpPolicy", Masked(spaces.Discrete(4)), **SMALL)
    with pytest.raises(ValueError, match=r"PPO: an action mask must hold 4 flags, got 3 from"):
        model.predict(np.ones(4), action_masks=[True] * 3)
    with pytest.raises(ValueError, match=r"action_masks must have shape \(1, 4\), got \(2, 4\)"):
        model.predict(np.ones(4), action_masks=np.ones((2, 4)))


@pytest.mark.parametrize(
    ("env", "why"),
    [("Pendulum-v1", "choices can be masked"), ("CartPole-v1", r"no method action_masks\(\) and")],
)
def test_masks_are_demanded_where_there_are_none(env, why):
    with pytest.raises(ValueError, match=rf"PPO: use_masks must be False or 'auto' here.*{why}"):
        PPO("MlpPolicy", env, **SMALL, use_masks=True).learn(16)
    assert PPO("MlpPolicy", env, **SMALL, use_masks="auto").learn(16).backend.name == "numba"


def test_the_kernels_do_not_take_masks():
    with pytest.raises(ValueError, match=r"backend must be .*, got 'numba': actions are masked"):
        PPO("MlpPolicy", Masked(spaces.Discrete(4)), **SMALL, use_masks=True, backend="numba")


def test_a_policy_that_chooses_by_other_means_is_refused():
    model = PPO("MlpPolicy", Masked(spaces.Discrete(4)), **SMALL, use_masks=True)
    forward = model.policy.forward

    def first(observations):
        _, values, log_prob = forward(observations)
        return observations.argmin(dim=1), values, log_prob  # a forbidden one, if there is one

    model.policy.forward = first
    with pytest.raises(ValueError, match="PPO: policy must choose by its action_dist to be masked"):
        model.learn(16)


@pytest.mark.parametrize("value", ["yes", 1])
def test_use_masks_is_a_flag_or_auto(value):
    with pytest.raises((TypeError, ValueError), match="use_masks must be True, False or 'auto'"):
        PPO("MlpPolicy", gymnasium.make("CartPole-v1"), use_masks=value)
