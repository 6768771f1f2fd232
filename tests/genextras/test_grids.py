import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genextras
from genextras.core.grids import CLEAN, GRIDS, SIGMA_GRIDS, previous_labels
from tests.oracles import genextras as oracles


@st.composite
def lengths(draw):
    n_train = draw(st.integers(1, 1200))
    return n_train, draw(st.integers(1, n_train))


@pytest.mark.parametrize("spacing", GRIDS)
@settings(deadline=None)
@given(lengths())
def test_labels_fall_strictly_and_stay_in_range(spacing, counts):
    n_train, n_steps = counts
    labels = GRIDS[spacing](n_train, n_steps, 0).tolist()
    assert len(labels) == n_steps
    assert labels == sorted(set(labels), reverse=True)
    assert labels[-1] >= 0
    assert labels[0] < n_train


@settings(deadline=None)
@given(lengths())
def test_each_spacing_is_tied_to_its_ends(counts):
    n_train, n_steps = counts
    assert GRIDS["leading"](n_train, n_steps, 0)[-1] == 0
    assert GRIDS["trailing"](n_train, n_steps, 0)[0] == n_train - 1
    assert GRIDS["linspace"](n_train, n_steps, 0)[-1] == 0
    assert n_steps == 1 or GRIDS["linspace"](n_train, n_steps, 0)[0] == n_train - 1


@settings(deadline=None)
@given(lengths())
def test_spacings_agree_when_every_level_is_visited(counts):
    n_train, _ = counts
    everything = list(range(n_train - 1, -1, -1))
    assert [grid(n_train, n_train, 0).tolist() for grid in GRIDS.values()] == [everything] * 3


@pytest.mark.parametrize("n_steps", [1, 7, 15, 61, 103, 121, 999])
def test_trailing_equals_exact_fractions(n_steps):
    labels, exact = GRIDS["trailing"](1000, n_steps, 0), oracles.trailing(1000, n_steps)
    assert max(abs(s - t) for s, t in zip(labels, exact, strict=True)) <= 1  # ties in floats
    assert sum(s != t for s, t in zip(labels, exact, strict=True)) <= 1


def test_offset_moves_every_label():
    assert (GRIDS["leading"](1000, 10, 1) == GRIDS["leading"](1000, 10, 0) + 1).all()


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_each_step_arrives_where_the_next_one_starts(labels):
    previous = previous_labels(np.array(labels)).tolist()
    assert previous[:-1] == labels[1:]
    assert previous[-1] == CLEAN


@pytest.mark.parametrize("spacing", SIGMA_GRIDS)
@pytest.mark.parametrize("n_steps", [1, 2, 50, 99, 100])
def test_labels_near_to_levels_are_as_many_as_were_asked_for(spacing, n_steps):
    """Where levels crowd, whole labels stand side by side, and none comes twice."""
    scheduler = genextras.DDIMScheduler(num_train_timesteps=100, timestep_spacing=spacing)
    scheduler.set_timesteps(n_steps)
    labels = scheduler.timesteps.tolist()
    assert len(labels) == n_steps == scheduler.num_inference_steps
    assert labels == sorted(set(labels), reverse=True)
    assert 0 <= labels[-1] <= labels[0] < 100
