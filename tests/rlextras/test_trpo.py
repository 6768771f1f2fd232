"""Laws of TRPO's update and of its own options."""

import copy
import inspect

import numpy as np
import pytest
import sb3_contrib
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn

from rlextras import TRPO
from rlextras.onpolicy.divergence import mean_divergence
from rlextras.onpolicy.options import DEFAULTS
from tests.rlextras.callbacks import AtEnd
from tests.rlextras.environments import Sampled, limited


def make(policy="MlpPolicy", env=None, **options):
    env = make_vec_env("CartPole-v1", n_envs=2) if env is None else env
    return TRPO(policy, env, **({"n_steps": 32, "batch_size": 16, "seed": 0} | options))


def logged(model, name):
    return model.logger.name_to_value[f"train/{name}"]


def state_of(model):
    return copy.deepcopy(model.policy.state_dict())


def changed(before, model):
    """Names of the parameters that moved."""
    after = model.policy.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def advantages_become(value):
    """A callback that overwrites the advantages of each rollout."""
    return AtEnd(lambda callback: callback.model.rollout_buffer.advantages.fill(value))


# Options


BEYOND = {"backend", *TRPO.beyond_host}


def test_options_and_defaults_are_the_peers():
    theirs = inspect.signature(sb3_contrib.TRPO).parameters
    ours = inspect.signature(TRPO).parameters
    ours = {name: each.default for name, each in ours.items() if each.kind is not each.VAR_KEYWORD}
    ours |= {name: value for name, value in DEFAULTS.items() if name not in BEYOND}
    assert ours == {name: each.default for name, each in theirs.items()}


def test_the_first_options_may_stand_by_position_as_in_the_peer():
    model = TRPO("MlpPolicy", make_vec_env("CartPole-v1"), 1e-2, 64, 32)
    assert (model.learning_rate, model.n_steps, model.batch_size) == (1e-2, 64, 32)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"target_kl": -1}, ValueError, r"target_kl must be > 0, got -1\. Typical is 0\.01\."),
        ({"target_kl": None}, TypeError, "target_kl must be a number, got None"),
        ({"cg_max_steps": 0}, ValueError, "cg_max_steps must be 1 or more, got 0"),
        ({"cg_damping": -0.1}, ValueError, "cg_damping must be 0 or more, got -0.1"),
        (
            {"line_search_shrinking_factor": 1.0},
            ValueError,
            r"line_search_shrinking_factor must be in \(0, 1\), got 1\.0",
        ),
        ({"line_search_max_iter": 0}, ValueError, "line_search_max_iter must be 1 or more, got 0"),
        ({"n_critic_updates": 2.5}, TypeError, "n_critic_updates must be an int, got 2.5"),
        ({"sub_sampling_factor": 0}, ValueError, "sub_sampling_factor must be 1 or more, got 0"),
        (
            {"sub_sampling_factor": 64},
            ValueError,
            r"sub_sampling_factor must be below n_steps \* n_envs = 64, got 64\. A single",
        ),
        ({"ent_coef": 0.1}, TypeError, "'ent_coef' is not an option"),
    ],
    ids=str,
)
def test_an_option_that_cannot_work_is_refused(options, kind, message):
    with pytest.raises(kind, match=rf"^TRPO: {message}"):
        make(**options)


def test_advantages_are_normalised_over_the_rollout_so_a_minibatch_may_have_one_row():
    make(n_steps=2, batch_size=1, n_critic_updates=1).learn(4)


# The actor


@pytest.mark.parametrize("target_kl", [1e-4, 0.05])
def test_an_update_raises_the_objective_within_the_bound(target_kl):
    model, seen = make(target_kl=target_kl), []

    def look(callback):
        batch = next(model.rollout_buffer.get())
        with torch.no_grad():
            old = copy.copy(model.policy.get_distribution(batch.observations))
        seen.append((batch, old))

    model.learn(64, callback=AtEnd(look))
    ((batch, old),) = seen
    with torch.no_grad():
        new = model.policy.get_distribution(batch.observations)
        ratio = (new.log_prob(batch.actions.flatten()) - batch.old_log_prob).exp()
    advantages = (batch.advantages - batch.advantages.mean()) / batch.advantages.std()
    assert logged(model, "is_line_search_success") == 1.0
    assert (ratio * advantages).mean() > 0  # where it was before
    divergence = mean_divergence(old, new).item()
    assert divergence == pytest.approx(logged(model, "kl_divergence_loss"), rel=1e-3)
    assert 0.2 * target_kl < divergence <= target_kl * (1 + 1e-3)


def test_the_divergence_of_an_action_is_the_sum_over_its_dimensions():
    old, new = (DiagGaussianDistribution(3) for _ in range(2))
    old.proba_distribution(torch.zeros(5, 3), torch.zeros(3))
    new.proba_distribution(torch.full((5, 3), 0.2), torch.zeros(3))
    # KL of two normal distributions of variance 1 is half the squared distance of their means
    assert mean_divergence(old, new).item() == pytest.approx(3 * 0.2**2 / 2)


@pytest.mark.parametrize("value", [1.0, np.inf, np.nan])
def test_without_a_direction_the_actor_stays_and_one_line_says_why(value, capsys):
    model = make(verbose=1)
    before = state_of(model)
    model.learn(64, callback=advantages_become(value))
    assert changed(before, model) <= {name for name in before if "value" in name}
    assert logged(model, "is_line_search_success") == 0.0
    assert logged(model, "kl_divergence_loss") == 0.0
    printed = capsys.readouterr().out
    assert printed.count("The policy was not updated: the gradient of the objective is zero") == 1


def test_a_refused_step_leaves_the_actor_to_the_bit(monkeypatch):
    model = make(line_search_max_iter=1)
    before = state_of(model)
    monkeypatch.setattr("rlextras.core.trust_region.maximal_length", lambda *_, **__: 1e3)
    model.learn(64)
    assert logged(model, "is_line_search_success") == 0.0
    assert changed(before, model) <= {name for name in before if "value" in name}


def test_part_of_a_rollout_is_used_when_asked():
    env = limited(
        lambda: Sampled(spaces.Dict({"a": spaces.Box(-1, 1, (2,)), "b": spaces.Discrete(3)})),
        limit=5,
        n_envs=2,
    )
    model, rows = make("MultiInputPolicy", env, sub_sampling_factor=3), []
    get_distribution = model.policy.get_distribution
    model.policy.get_distribution = lambda seen: (
        rows.append({len(each) for each in seen.values()}) or get_distribution(seen)
    )
    model.learn(64)
    assert rows[0] == {22}  # of 64, every third


# The critic


def test_the_critic_learns_and_the_actors_parameters_are_none_of_its_business():
    model = make(policy_kwargs={"features_extractor_class": Shared})
    before = state_of(model)
    model.learn(64, callback=advantages_become(1.0))  # nothing for the actor to learn
    moved = changed(before, model)
    assert not any("features_extractor" in name for name in moved)
    assert {"value_net.weight", "mlp_extractor.value_net.0.weight"} <= moved


def test_the_actor_moves_what_it_shares():
    model = make(policy_kwargs={"features_extractor_class": Shared})
    before = state_of(model)
    model.learn(64)
    assert any("features_extractor" in name for name in changed(before, model))


def test_an_extractor_of_the_critic_alone_is_the_critics():
    options = {"features_extractor_class": Shared, "share_features_extractor": False}
    model = make(policy_kwargs=options)
    before = state_of(model)
    model.learn(64, callback=advantages_become(1.0))
    extractors = {name.partition(".")[0] for name in changed(before, model) if "features" in name}
    assert extractors == {"vf_features_extractor"}


class Shared(nn.Module):
    """A layer before actor and critic."""

    def __init__(self, observation_space):
        super().__init__()
        self.features_dim = 5
        self.layer = nn.Linear(observation_space.shape[0], 5)

    def forward(self, observations):
        return self.layer(observations).tanh()


class Misnamed(nn.Module):
    """An actor that is called value, and a critic that is not."""

    latent_dim_pi = latent_dim_vf = 6

    def __init__(self, n_features):
        super().__init__()
        self.value_of_actions, self.judge = (nn.Linear(n_features, 6) for _ in range(2))

    def forward(self, features):
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features):
        return self.value_of_actions(features).tanh()

    def forward_critic(self, features):
        return self.judge(features).tanh()


class MisnamedPolicy(ActorCriticPolicy):
    def _build_mlp_extractor(self):
        self.mlp_extractor = Misnamed(self.features_dim)


def test_actor_and_critic_are_told_apart_by_what_depends_on_them_and_not_by_name():
    model = make(MisnamedPolicy, n_critic_updates=1)
    before = state_of(model)
    model.learn(64)
    assert changed(before, model) == set(before)
    before = state_of(model)
    model.learn(64, callback=advantages_become(1.0), reset_num_timesteps=False)
    critic = {"judge.weight", "judge.bias"}
    assert changed(before, model) == {f"mlp_extractor.{name}" for name in critic} | {
        "value_net.weight",
        "value_net.bias",
    }


def test_what_the_user_froze_stays_frozen():
    model = make()
    for parameter in model.policy.mlp_extractor.parameters():
        parameter.requires_grad_(False)
    before = state_of(model)
    model.learn(64)
    assert {name.partition(".")[0] for name in changed(before, model)} == {
        "action_net",
        "value_net",
    }
    assert not any(each.requires_grad for each in model.policy.mlp_extractor.parameters())


def test_parameters_require_gradients_again_after_an_update():
    model = make().learn(64)
    assert all(parameter.requires_grad for parameter in model.policy.parameters())


def test_it_learns_to_balance_a_pole():
    # One of 8 seeds; all of them pass 150 within this budget.
    env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
    model = TRPO("MlpPolicy", env, n_steps=128, target_kl=0.02, seed=0, device="cpu")
    model.learn(24_000)
    assert np.mean([episode["r"] for episode in model.ep_info_buffer][-20:]) > 150
