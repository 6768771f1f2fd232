"""The kernel of GRPO over tokens beside autograd, on random logits and episodes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from rlextras.kernels.group_objectives import LOSS, MIRROR, SEQUENCE, TOKEN
from rlextras.kernels.grouped_tokens import push
from rlextras.kernels.tiles import padded
from tests.oracles.rlextras_kernels import grouped_loss
from tests.rlextras.kernels.test_grouped import episodes, numbers, options_of


class Said:
    """Logits of nodes as a network whose only input is the number of the node."""

    table, n_parts = [(), (1,)], 1

    def __init__(self, logits):
        self.logits = torch.from_numpy(logits.copy()).requires_grad_()

    def _log_probs(self, inputs):
        return self.logits.log_softmax(dim=1)[inputs[:, 0].long()]

    def log_prob(self, inputs, actions):
        return self._log_probs(inputs).gather(1, actions.long())[:, 0]

    def entropy(self, inputs):
        log_probs = self._log_probs(inputs)
        return -(log_probs.exp() * log_probs).sum(dim=1)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    mode=st.sampled_from([TOKEN, SEQUENCE, MIRROR]),
    estimator=st.sampled_from([1, 2, 3]),
    shape=st.sampled_from([(1, 2), (3, 11), (40, 16), (70, 33)]),
)
def test_the_gradient_by_logits_is_autograds(seed, mode, estimator, shape):
    n_nodes, n_actions = shape
    rng = np.random.default_rng(seed)
    n_rows = int(rng.integers(1, 90))
    lengths = episodes(rng, n_rows)
    logits = 2 * rng.standard_normal(shape).astype(np.float32)
    nodes, actions = rng.integers(n_nodes, size=n_rows), rng.integers(n_actions, size=n_rows)
    twin = Said(logits)
    where = np.stack([nodes, actions], axis=1).astype(np.float32)
    with torch.no_grad():
        both = torch.from_numpy(where).split(1, dim=1)
        log_prob = twin.log_prob(*both).numpy()
    advantages, weights = (np.repeat(x, lengths) for x in rng.random((2, len(lengths))))
    near = [log_prob + spread * rng.standard_normal(n_rows) for spread in (0.2, 0.3)]
    notes = np.stack([advantages - 0.5, *near, weights + 0.5], axis=1).astype(np.float32)
    options = options_of(mode, estimator=estimator)
    rows = torch.from_numpy(np.concatenate([where, notes], axis=1))
    expected = grouped_loss(twin, rows, lengths, **options)
    expected.backward()

    n_columns = padded(n_actions)
    said = np.full((n_nodes, n_columns), 7.0, np.float32)  # what is padding is not read
    said[:, :n_actions] = logits
    by, told = np.full_like(said, np.nan), np.zeros(6)
    room = np.empty(2 * n_rows), np.empty((3, max(said.shape)), np.float32)
    given = said, nodes, actions, notes, lengths, room[0], numbers(options)
    push(*given, by, room[1], told, n_actions)
    assert_close(torch.from_numpy(by[:, :n_actions]), twin.logits.grad, atol=2e-5, rtol=2e-4)
    assert not by[:, n_actions:].any()
    assert told[LOSS] == pytest.approx(expected.item(), rel=1e-3, abs=1e-4)
