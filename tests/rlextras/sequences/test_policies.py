"""Sequence policies: keys and values kept change nothing, whole sequences equal single steps."""

import functools

import pytest
import torch
from gymnasium import spaces
from torch.testing import assert_close

from rlextras import GRPO
from rlextras.envs import Addition, Brackets, Reverse, TokenVecEnv
from rlextras.sequences.rotary import rotated, rotation
from rlextras.sequences.transformer import CausalTransformer

SMALL = {"width": 16, "n_layers": 2, "n_heads": 2}


def tiny_gpt(n_tokens=16, n_positions=32):
    """A random model with GPT-2's parts."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=n_tokens, n_positions=n_positions, n_embd=16, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def tiny_llama(n_tokens=16, n_positions=32):
    """A random model with Llama's parts."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=n_tokens, max_position_embeddings=n_positions, hidden_size=16,
        intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
    )  # fmt: skip
    return LlamaForCausalLM(config)


POLICIES = [
    ("CausalTransformerPolicy", SMALL),
    ("HuggingFacePolicy", {"make_model": tiny_gpt}),
    ("HuggingFacePolicy", {"make_model": tiny_llama}),
]


def make(task, policy="CausalTransformerPolicy", policy_kwargs=SMALL, **options):
    given = {
        "group_size": 4,
        "n_groups": 2,
        "n_epochs": 2,
        "batch_size": 24,
        "seed": 0,
        "device": "cpu",
        "policy_kwargs": policy_kwargs,
    } | options
    return GRPO(policy, TokenVecEnv(task, n_envs=8, seed=0), **given)


def shaken(model):
    """The same model, far enough from its start to have opinions."""
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


@pytest.mark.parametrize("task", [Reverse(3), Brackets(3)], ids=["equal", "ragged"])
@pytest.mark.parametrize(("policy", "policy_kwargs"), POLICIES, ids=["own", "gpt", "llama"])
@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_what_is_kept_while_writing_equals_a_full_evaluation(task, policy, policy_kwargs, backend):
    model = shaken(make(task, policy, policy_kwargs, backend=backend))
    model.n_epochs = 1
    torch.manual_seed(0)
    before = model._parameters_now()
    model.learn(1)  # log-probabilities of the rollout came from what was kept
    played = model._episodes
    model._set_parameters_to(before)
    observations = {key: torch.as_tensor(each) for key, each in played.observations.items()}
    actions, lengths = torch.as_tensor(played.actions), torch.as_tensor(played.lengths)
    kept = torch.as_tensor(played.log_probs)
    with torch.no_grad():
        _, single, _ = model.policy.evaluate_actions(observations, actions)
        whole, entropy = model.policy.evaluate_episodes(observations, actions, lengths)
    assert_close(kept, single, atol=1e-5, rtol=1e-5)
    assert_close(whole, single, atol=1e-5, rtol=1e-5)
    assert (entropy >= 0).all()


@pytest.mark.parametrize("by_kernels", [True, False])
def test_sequences_may_come_anew_go_on_or_stay(by_kernels):
    policy = shaken(make(Brackets(3))).policy
    policy.run_by_kernels(by_kernels)
    rng = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 5, (8, 10), generator=rng)
    lengths = torch.randint(1, 6, (8,), generator=rng)

    def seen():
        mask = torch.arange(10) < lengths[:, None]
        return {"tokens": tokens.clone(), "mask": mask.long()}

    with torch.no_grad(), policy.remembering():
        for step in range(12):
            with_memory = policy._logits(seen())
            steps, policy._steps = policy._steps, None
            assert_close(with_memory, policy._logits(seen()), atol=1e-5, rtol=1e-5)
            policy._steps = steps
            kind = torch.randint(0, 4, (8,), generator=rng)
            grows = (kind > 0) & (lengths < 10)
            lengths = torch.where(grows, lengths + 1, lengths)
            if step % 3 == 2:
                tokens[kind == 3] = torch.randint(0, 5, (10,), generator=rng)
                lengths[kind == 3] = 2


def test_rotary_positions_tell_distances_alone():
    turn = rotation(12, 8)
    query, key = torch.randn(2, 1, 8)

    def product(i, j):
        return (rotated(query, turn[:, i : i + 1]) * rotated(key, turn[:, j : j + 1])).sum()

    assert_close(product(3, 1), product(9, 7), atol=1e-5, rtol=1e-5)
    assert_close(rotated(query, turn[:, 5:6]).norm(), query.norm())
    assert not torch.isclose(product(3, 1), product(3, 2))


def test_what_follows_is_not_seen():
    net = CausalTransformer(7, 6, width=16, n_layers=2, n_heads=2)
    tokens = torch.randint(0, 7, (3, 6))
    changed = tokens.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % 7
    assert_close(net(tokens)[:, :4], net(changed)[:, :4])
    assert_close(net(tokens, first=3), net(tokens)[:, 3:])


def test_checkpoints_change_no_gradient():
    nets = [
        CausalTransformer(7, 6, width=16, n_layers=2, n_heads=2, has_checkpoints=flag)
        for flag in (False, True)
    ]
    nets[1].load_state_dict(nets[0].state_dict())
    tokens = torch.randint(0, 7, (3, 6))
    for net in nets:
        net(tokens).square().sum().backward()
    for one, other in zip(*(net.parameters() for net in nets), strict=True):
        if one.grad is not None:
            assert_close(one.grad, other.grad)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"importance": "sequence", "beta": 0.1},
        {"objective": "mirror_descent", "n_replayed": 1},
        {"mask_truncated": True, "average": "episode", "ent_coef": 0.01},
    ],
    ids=str,
)
def test_options_work_on_sequences(options):
    model = make(Brackets(2), **options)
    before = model._parameters_now()
    model.learn(120)
    assert model._parameters_now().isfinite().all()
    assert not torch.equal(before, model._parameters_now())


@pytest.mark.parametrize(("policy", "policy_kwargs"), POLICIES[:2], ids=["own", "gpt"])
def test_a_file_holds_the_whole_policy(policy, policy_kwargs, tmp_path):
    model = make(Reverse(3), policy, policy_kwargs).learn(48)
    model.save(tmp_path / "model")
    loaded = GRPO.load(tmp_path / "model", env=model.get_env(), device="cpu")
    assert_close(loaded.get_parameters(), model.get_parameters(), atol=0, rtol=0)
    seen = model.get_env().reset()
    for deterministic in (True, False):
        torch.manual_seed(0)
        ours, _ = model.predict(seen, deterministic=deterministic)
        torch.manual_seed(0)
        theirs, _ = loaded.predict(seen, deterministic=deterministic)
        assert ours.tolist() == theirs.tolist()
    loaded.learn(24)


def test_gradient_checkpointing_is_an_option_of_the_policy():
    plain, saving = (
        make(Reverse(3), policy_kwargs=SMALL | {"gradient_checkpointing": flag}).learn(48)
        for flag in (False, True)
    )
    assert_close(plain._parameters_now(), saving._parameters_now(), atol=1e-6, rtol=1e-5)


def test_other_spaces_are_refused():
    with pytest.raises(ValueError, match="observation_space must be a Dict of 'tokens' and 'mask'"):
        GRPO("CausalTransformerPolicy", "CartPole-v1")
    env = TokenVecEnv(Reverse(2), n_envs=2)
    env.action_space = spaces.MultiDiscrete([3, 3])
    with pytest.raises(ValueError, match="action_space must be a Discrete over the vocabulary"):
        GRPO("CausalTransformerPolicy", env)
    with pytest.raises(ValueError, match=r"width must be a multiple of 2 \* n_heads = 6, got 16"):
        make(Reverse(2), policy_kwargs={"width": 16, "n_heads": 3})


def test_models_that_are_none_or_too_small_are_refused():
    with pytest.raises(TypeError, match="make_model must return a causal language model"):
        make(Reverse(2), "HuggingFacePolicy", {"make_model": lambda: torch.nn.Linear(2, 2)})
    small = functools.partial(tiny_gpt, n_positions=3)
    with pytest.raises(ValueError, match="max_position_embeddings must be 5 or more, got 3"):
        make(Reverse(2), "HuggingFacePolicy", {"make_model": small})
    few = functools.partial(tiny_gpt, n_tokens=4)
    with pytest.raises(ValueError, match="vocab_size must be 11 or more, got 4"):
        make(Reverse(2), "HuggingFacePolicy", {"make_model": few})


def test_it_learns_to_add_one_digit():
    # Guessing digits gives 0.1; 3 of 3 seeds pass 0.47 within this budget.
    env = TokenVecEnv(Addition(1), n_envs=64, seed=0)
    model = GRPO(
        "CausalTransformerPolicy", env, 2e-3, batch_size=512, n_groups=8, n_epochs=2, seed=0,
        device="cpu", policy_kwargs={"width": 32, "n_layers": 1}, stats_window_size=640,
    )  # fmt: skip
    model.learn(128 * 80)
    assert sum(each["r"] for each in model.ep_info_buffer) / 640 > 0.42
