"""Transformers on prefix trees, by kernels and by torch, beside one that reads every sequence."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from rlextras import GRPO
from rlextras.envs import Brackets, Reverse, TokenVecEnv
from rlextras.sequences import reading as readings
from rlextras.sequences.compiled import CompiledTransformer, obstacle
from rlextras.sequences.prefixes import prefixes_of
from rlextras.sequences.reading import Reading
from rlextras.sequences.transformer import CausalTransformer
from tests.oracles.rlextras_sequences import doubles, plain_logits

SHAPES = [(16, 1, 1), (32, 2, 2), (48, 2, 3)]


def shaken(width, n_layers, n_heads, n_actions=5):
    """A transformer over 5 tokens, far enough from its start to have opinions."""
    net = CausalTransformer(5, 7, width=width, n_layers=n_layers, n_heads=n_heads)
    if n_actions != 5:
        net.head = nn.Linear(width, n_actions, bias=False)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return net


def drawn(seed, n=6):
    """Sequences that have beginnings in common, and the places that are asked."""
    rng = np.random.default_rng(seed)
    tokens = torch.from_numpy(rng.integers(0, 2, size=(n, 7)))
    tokens[:, 4:] += torch.from_numpy(rng.integers(0, 4, size=(n, 3)))
    lengths = torch.from_numpy(rng.integers(1, 8, size=n))
    asked = [(i, t) for i in range(n) for t in range(lengths[i]) if rng.random() < 0.5]
    row, place = torch.tensor(asked or [(0, 0)]).unbind(dim=1)
    return tokens, lengths, row, place


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["numba", "torch"])
@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**31))
def test_values_and_gradients_are_those_of_sequences_read_one_by_one(shape, name, seed):
    torch.manual_seed(seed)
    net = shaken(*shape, n_actions=3 if seed % 2 else 5)
    tokens, lengths, row, place = drawn(seed)
    if name == "numba":
        engine = CompiledTransformer(net)
        found = engine.logits(tokens, lengths, row, place)
        with torch.no_grad():
            assert_close(engine.logits(tokens, lengths, row, place), found.detach())
    else:
        found = net.head(net.read_places(tokens, lengths, row, place))
    weights = doubles(net)
    each = [plain_logits(net, weights, tokens[i, : lengths[i]].tolist()) for i in range(6)]
    wanted = torch.stack([each[i][t] for i, t in zip(row.tolist(), place.tolist(), strict=True)])
    assert_close(found, wanted.float(), atol=1e-5, rtol=1e-5)
    by = torch.randn(found.shape)
    found.backward(by)
    wanted.backward(by.double())
    for key, parameter in net.named_parameters():
        gradient = weights[key].grad
        scale = max(1.0, float(gradient.abs().max()))
        assert_close(parameter.grad, gradient.float(), atol=1e-5 * scale, rtol=1e-5)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), n_common=st.integers(1, 7))
def test_every_prefix_stands_in_the_tree_and_sees_its_own(seed, n_common):
    tokens, lengths, _, _ = drawn(seed)
    found = prefixes_of(tokens, lengths, lengths.clamp(max=n_common))
    slots = found.slots.flatten()
    assert torch.equal(slots[found.homes], torch.arange(len(found.tokens)))
    for i in range(len(tokens)):
        path = found.rows[i, : lengths[i]]
        assert torch.equal(found.tokens[path], tokens[i, : lengths[i]])
        assert torch.equal(found.places[path], torch.arange(int(lengths[i])))
        if found.mask is not None:
            for t in range(int(lengths[i])):
                tree, here = divmod(int(found.homes[path[t]]), found.slots.shape[1])
                seen = found.slots[tree][found.mask[tree, 0, here]]
                assert sorted(seen.tolist()) == sorted(path[: t + 1].tolist())


def test_members_of_a_group_share_what_they_have_in_common():
    prompts = torch.tensor([[0, 1, 2], [0, 2, 2]]).repeat_interleave(4, dim=0)
    answers = torch.tensor([[0], [0], [1], [2]]).repeat(2, 1)
    lengths = torch.full((8,), 4)
    found = prefixes_of(torch.cat([prompts, answers], dim=1), lengths, torch.full((8,), 3))
    assert found.mask is not None
    assert found.mask.shape == (2, 1, 6, 6)  # 3 of a prompt, and 3 answers
    assert len(found.tokens) == 12


def test_what_is_forgotten_is_read_again(monkeypatch):
    torch.manual_seed(0)
    engine = CompiledTransformer(shaken(32, 2, 2))
    engine.turn_weights()
    monkeypatch.setattr(readings, "MAX_NODES", 10)
    reading = Reading(engine)
    tokens = torch.randint(0, 5, (4, 7))
    for t in (3, 4, 4, 5, 2, 7):
        lengths = torch.full((4,), t)
        with torch.no_grad():
            wanted = engine.logits(tokens, lengths, torch.arange(4), lengths - 1)
        assert_close(reading.next_logits(tokens, lengths), wanted, atol=1e-5, rtol=1e-5)
        assert reading.n_nodes <= 10 + 4 * 7


OPTIONS = {"beta": 0.05, "ent_coef": 0.01}


def make(task, backend="auto", options=OPTIONS, **policy_kwargs):
    return GRPO(
        "CausalTransformerPolicy", TokenVecEnv(task, n_envs=8, seed=0),
        group_size=4, n_groups=2, batch_size=24, seed=0, device="cpu",
        backend=backend, policy_kwargs=policy_kwargs or {"width": 16}, **options,
    )  # fmt: skip


LEARNERS = [
    OPTIONS,
    {"importance": "sequence", "beta": 0.1, "kl_estimator": "k1", "max_grad_norm": 1e9},
    {"objective": "mirror_descent", "n_replayed": 1, "reset_optimizer": True, "ent_coef": 0.02},
    {"mask_truncated": True, "average": "episode", "clip_range": 0.05, "clip_range_high": 0.1},
]


@pytest.mark.parametrize("options", LEARNERS, ids=str)
@pytest.mark.parametrize("task", [Reverse(3), Brackets(3)], ids=["equal", "ragged"])
def test_both_backends_learn_the_same(task, options):
    ours, theirs = (make(task, backend, options).learn(100) for backend in ("numba", "torch"))
    assert (ours.backend.name, theirs.backend.name) == ("numba", "torch")
    assert_close(ours._parameters_now(), theirs._parameters_now(), atol=1e-4, rtol=1e-3)
    told, wanted = (each.logger.name_to_value for each in (ours, theirs))
    for name in ("loss", "policy_gradient_loss", "entropy_loss", "clip_fraction", "approx_kl"):
        assert told[f"train/{name}"] == pytest.approx(wanted[f"train/{name}"], rel=1e-3, abs=1e-4)
    state = ours.policy.optimizer.state_dict()["state"]
    assert {int(each["step"]) for each in state.values()} == {
        int(each["step"]) for each in theirs.policy.optimizer.state_dict()["state"].values()
    }


@pytest.mark.parametrize(
    "choice", [{"optimizer_kwargs": {"weight_decay": 0.1}}, {"optimizer_class": torch.optim.SGD}]
)
def test_an_optimizer_that_the_kernels_do_not_know_moves_as_torch_says(choice):
    kwargs = {"width": 16} | choice
    ours, theirs = (make(Reverse(3), name, **kwargs).learn(100) for name in ("numba", "torch"))
    assert_close(ours._parameters_now(), theirs._parameters_now(), atol=1e-4, rtol=1e-3)


def test_prefixes_that_were_read_on_the_way_tell_logits_when_asked():
    torch.manual_seed(0)
    engine = CompiledTransformer(shaken(32, 2, 2))
    engine.turn_weights()
    reading, tokens = Reading(engine), torch.randint(0, 2, (4, 7))
    for lengths in ([7, 2, 5, 1], [3, 6, 5, 1], [6, 6, 6, 6]):
        lengths = torch.tensor(lengths)
        with torch.no_grad():
            wanted = engine.logits(tokens, lengths, torch.arange(4), lengths - 1)
        assert_close(reading.next_logits(tokens, lengths), wanted, atol=1e-5, rtol=1e-5)


def test_the_backend_says_why():
    assert make(Reverse(2)).backend.name == "numba"
    reasons = {
        "gradient_checkpointing=True": {"gradient_checkpointing": True},
        "its width 24 is not a multiple of 16": {"width": 24},
        "torch's own products are as fast": {"width": 256},
    }
    for reason, policy_kwargs in reasons.items():
        assert reason in make(Reverse(2), **policy_kwargs).backend.reason
    assert make(Reverse(2), "numba", width=256).backend.name == "numba"


def test_what_changes_is_noticed():
    model = make(Reverse(2)).learn(16)
    transformer = model.policy.transformer
    engine = model.policy._engine
    assert engine.knows(transformer)
    transformer.place.weight.requires_grad_(False)
    assert "frozen" in model.backend.reason
    transformer.place.weight.requires_grad_(True)
    transformer.head = nn.Linear(16, 11, bias=False)
    assert not engine.knows(transformer)
    transformer.blocks[0].widen = nn.Identity()
    assert "Identity" in obstacle(transformer)
    handle = transformer.embed.register_forward_hook(lambda *_: None)
    assert "layers is a Identity" in obstacle(transformer)
    handle.remove()


def test_parameters_that_are_replaced_are_taken_over():
    model, other = make(Reverse(2)).learn(16), make(Reverse(2), width=16)
    seen = model.get_env().reset()
    model.set_parameters(other.get_parameters())
    for name, policy in (("a copy", copy.deepcopy(model.policy)), ("itself", model.policy)):
        torch.manual_seed(1)
        ours, _ = policy.predict(seen)
        torch.manual_seed(1)
        theirs, _ = other.policy.predict(seen)
        assert ours.tolist() == theirs.tolist(), name


def test_tokens_beyond_the_embeddings_and_empty_sequences_are_refused():
    policy = make(Reverse(2), "numba").policy
    policy.run_by_kernels(True)
    seen = {"tokens": torch.tensor([[1, 2, 10, 0, 0]]), "mask": torch.tensor([[1, 1, 1, 0, 0]])}
    for token in (-1, 11):
        wrong = seen["tokens"].clone()
        wrong[0, 1] = token
        with pytest.raises(ValueError, match=r"observation\['tokens'\] must be in \[0, 10\], got"):
            policy(seen | {"tokens": wrong})
    with pytest.raises(ValueError, match=r"observation\['mask'\] must be 1 at one place or more"):
        policy(seen | {"mask": torch.zeros(1, 5, dtype=torch.long)})
