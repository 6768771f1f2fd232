import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genextras.core.paths import signal_and_noise
from genextras.core.predictions import TARGETS, solve, target_weights
from tests.oracles import genextras as oracles

NUMBERS = st.floats(-10, 10)
LEVELS = st.floats(1e-4, 1 - 1e-4)


def scales(alpha_bar):
    return signal_and_noise(torch.tensor([alpha_bar], dtype=torch.float64))


@pytest.mark.parametrize("prediction", TARGETS)
@settings(deadline=None)
@given(x_0=NUMBERS, epsilon=NUMBERS, alpha_bar=LEVELS)
def test_solve_recovers_data_and_noise_from_a_perfect_network(prediction, x_0, epsilon, alpha_bar):
    a, b = scales(alpha_bar)
    x = a * x_0 + b * epsilon
    output = oracles.target(prediction, x_0, epsilon, alpha_bar)
    p, q, r, s = solve(prediction, a, b)
    assert (p * x + q * output).item() == pytest.approx(x_0, abs=1e-10)  # 1/a is at most 100
    assert (r * x + s * output).item() == pytest.approx(epsilon, abs=1e-10)


@pytest.mark.parametrize("prediction", TARGETS)
@settings(deadline=None)
@given(x=NUMBERS, output=NUMBERS, alpha_bar=LEVELS)
def test_solve_equals_a_linear_solver(prediction, x, output, alpha_bar):
    p, q, r, s = solve(prediction, *scales(alpha_bar))
    x_0, epsilon = oracles.predicted(prediction, x, output, alpha_bar)
    assert (p * x + q * output).item() == pytest.approx(x_0, rel=1e-10, abs=1e-10)
    assert (r * x + s * output).item() == pytest.approx(epsilon, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("prediction", TARGETS)
def test_target_weights_are_the_targets_definition(prediction):
    u, w = target_weights(prediction, *scales(0.3))
    expected = oracles.target(prediction, 1.5, -0.5, 0.3)
    assert (u * 1.5 - w * 0.5).item() == pytest.approx(expected, abs=1e-14)


def test_what_says_something_about_pure_noise():
    """All targets that hold a share of data, and EDM's network, which gets x / sigma."""
    is_finite = {kind for kind in TARGETS if math.isfinite(solve(kind, *scales(0.0)).p.item())}
    flows = {"flow_prediction", "flow_negative"}
    assert is_finite == {"sample", "v_prediction", "edm", "edm_negative"} | flows
