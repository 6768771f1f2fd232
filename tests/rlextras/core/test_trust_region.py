"""Laws of a trust region step, in float64 beside dense matrices."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence
from torch.func import functional_call
from torch.testing import assert_close

from rlextras.core import trust_region
from tests.oracles import rlextras as oracles

SEEDS = st.integers(0, 2**31)
REGION = trust_region.TrustRegion(
    max_divergence=0.01, damping=0.1, cg_max_steps=20, shrinking_factor=0.8, max_trials=10
)
STATES = torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(5, 3)  # (B, 3)


def drawn(*strategies):
    """Draw arguments; a busy machine may take its time."""
    return lambda test: settings(deadline=None, max_examples=40)(given(*strategies)(test))


def generator(seed):
    return torch.Generator().manual_seed(seed)


def system(seed, size=6):
    """A positive definite matrix, and a vector."""
    rng = generator(seed)
    root = torch.randn(size, size, generator=rng, dtype=torch.float64)
    matrix = root @ root.T + 0.5 * torch.eye(size, dtype=torch.float64)
    return matrix, torch.randn(size, generator=rng, dtype=torch.float64)


def actor(seed=0):
    """A policy over four actions in states of three numbers."""
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 4))
    net = net.double()
    for parameter in net.parameters():
        parameter.data = 0.5 * torch.randn(
            parameter.shape, generator=generator(seed + parameter.numel()), dtype=torch.float64
        )
    return net


def divergence_of(net, old_logits, parameters=None):
    """Mean KL(old || new) over the states."""
    logits = net(STATES) if parameters is None else functional_call(net, parameters, (STATES,))
    return kl_divergence(Categorical(logits=old_logits), Categorical(logits=logits)).mean()


def task(seed):
    """An actor, its parameters, and objective and divergence with random advantages."""
    net = actor(seed)
    advantages = torch.randn(5, 4, generator=generator(seed), dtype=torch.float64)
    old_logits = net(STATES).detach()
    old = Categorical(logits=old_logits)

    def evaluate():
        new = Categorical(logits=net(STATES))
        return (new.probs * advantages).sum(dim=1).mean(), kl_divergence(old, new).mean()

    return list(net.parameters()), evaluate


def values_of(parameters):
    return [parameter.detach().clone() for parameter in parameters]


# Conjugate gradients


@drawn(SEEDS)
def test_conjugate_gradients_solve_what_a_dense_solver_solves(seed):
    matrix, target = system(seed)
    solution = trust_region.conjugate_gradient(matrix.mv, target, max_steps=50, tolerance=1e-12)
    expected = np.linalg.solve(matrix.numpy(), target.numpy())
    # condition numbers of random matrices reach 1e4; the residual is 1e-12 of the target
    np.testing.assert_allclose(solution.numpy(), expected, rtol=0, atol=1e-7 * abs(expected).max())


@drawn(SEEDS)
def test_each_step_lowers_the_quadratic(seed):
    matrix, target = system(seed)
    heights = []
    for k in range(7):
        x = trust_region.conjugate_gradient(matrix.mv, target, max_steps=k)
        heights.append((0.5 * x @ matrix @ x - target @ x).item())
    assert heights[0] == 0.0
    assert all(b <= a + 1e-12 for a, b in pairwise(heights))


@drawn(SEEDS, st.floats(1e-6, 1e6))
def test_a_factor_of_the_target_is_one_of_the_solution(seed, factor):
    matrix, target = system(seed)
    plain, scaled = (
        trust_region.conjugate_gradient(matrix.mv, each, max_steps=3)
        for each in (target, factor * target)
    )
    assert_close(scaled, factor * plain, rtol=1e-8, atol=0)


def test_it_stops_once_the_residual_is_small():
    products = []

    def product(vector):
        products.append(vector)
        return 2 * vector

    solution = trust_region.conjugate_gradient(product, torch.ones(3), max_steps=10)
    assert_close(solution, torch.full((3,), 0.5))
    assert len(products) == 1


def test_a_target_of_zero_has_the_solution_zero():
    assert not trust_region.conjugate_gradient(torch.neg, torch.zeros(3), max_steps=5).any()


@pytest.mark.parametrize(
    "product",
    [torch.neg, torch.zeros_like, lambda v: v * torch.nan, lambda v: v * torch.inf],
    ids=["negative", "singular", "nan", "infinite"],
)
def test_without_positive_curvature_the_answer_is_zero(product):
    solution = trust_region.conjugate_gradient(product, torch.ones(3), max_steps=5)
    assert torch.equal(solution, torch.zeros(3))


def test_negative_curvature_in_a_later_direction_keeps_what_was_found():
    matrix = torch.diag(torch.tensor([3.0, -1.0], dtype=torch.float64))
    target = torch.tensor([1.0, 0.1], dtype=torch.float64)
    one, many = (trust_region.conjugate_gradient(matrix.mv, target, max_steps=k) for k in (1, 10))
    assert torch.equal(one, many)
    assert target @ many > 0  # still uphill


# Fisher products


@drawn(SEEDS)
def test_fisher_product_equals_the_dense_hessian_and_the_definition(seed):
    net = actor()
    parameters = dict(net.named_parameters())
    flat = trust_region.flattened(values_of(parameters.values()))
    shapes = [each.shape for each in parameters.values()]
    sizes = [each.numel() for each in parameters.values()]
    old_logits = net(STATES).detach()

    def divergence_at(vector):
        pieces = [p.view(s) for p, s in zip(vector.split(sizes), shapes, strict=True)]
        return divergence_of(net, old_logits, dict(zip(parameters, pieces, strict=True)))

    hessian = torch.autograd.functional.hessian(divergence_at, flat)
    assert_close(hessian, oracles.fisher_matrix(net, STATES), rtol=0, atol=1e-12)
    product = trust_region.fisher_product(
        divergence_of(net, old_logits), list(parameters.values()), damping=0.3
    )
    vector = torch.randn(len(flat), generator=generator(seed), dtype=torch.float64)
    assert_close(product(vector), hessian @ vector + 0.3 * vector, rtol=0, atol=1e-12)


def test_a_product_is_one_backward_pass(monkeypatch):
    net = actor()
    passes, grad = [], torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *a, **k: passes.append(1) or grad(*a, **k))
    divergence = divergence_of(net, net(STATES).detach())
    product = trust_region.fisher_product(divergence, list(net.parameters()), damping=0.0)
    assert len(passes) == 1
    product(torch.ones(36, dtype=torch.float64))
    product(torch.ones(36, dtype=torch.float64))
    assert len(passes) == 3


def test_a_parameter_that_the_divergence_ignores_has_the_damping_alone():
    used, unused = (torch.ones(2, requires_grad=True) for _ in range(2))
    product = trust_region.fisher_product((used**2).sum(), [used, unused], damping=0.5)
    assert product(torch.ones(4)).tolist() == [2.5, 2.5, 0.5, 0.5]


# Vectors and lengths


def test_assign_is_the_inverse_of_flattened():
    parameters = list(actor().parameters())
    vector = torch.arange(36, dtype=torch.float64)
    places = [parameter.data_ptr() for parameter in parameters]
    trust_region.assign(parameters, vector)
    assert torch.equal(trust_region.flattened(parameters), vector)
    assert [parameter.data_ptr() for parameter in parameters] == places


@drawn(SEEDS, st.floats(1e-4, 1.0))
def test_the_maximal_length_spends_the_whole_bound(seed, bound):
    matrix, direction = system(seed)
    length = trust_region.maximal_length(direction, matrix @ direction, max_divergence=bound)
    step = length * direction
    assert (0.5 * step @ matrix @ step).item() == pytest.approx(bound)


@pytest.mark.parametrize("image", [-1.0, 0.0, math.nan, math.inf])
def test_there_is_no_length_without_positive_curvature(image):
    image = torch.full((2,), image)
    assert trust_region.maximal_length(torch.ones(2), image, max_divergence=0.01) == 0.0


def test_a_gradient_is_found_with_what_it_belongs_to():
    used, unused, frozen = (torch.ones(2, requires_grad=x) for x in (True, True, False))
    parameters, gradient = trust_region.gradient_of(
        (3 * used * frozen).sum(), [unused, frozen, used]
    )
    assert [id(each) for each in parameters] == [id(used)]
    assert gradient.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("requires_grad", [True, False])
def test_an_output_that_depends_on_nothing_has_no_gradient(requires_grad):
    output = torch.ones(1, requires_grad=requires_grad).sum()
    with pytest.raises(ValueError, match="output must depend on a candidate that requires"):
        trust_region.gradient_of(output, [torch.ones(2, requires_grad=True)])


# Line search and whole steps


@drawn(SEEDS, st.floats(1e-5, 0.5), st.floats(0.01, 100.0))
def test_an_accepted_step_keeps_both_promises_and_a_refused_one_leaves_no_trace(
    seed, bound, length
):
    parameters, evaluate = task(seed)
    before, start = evaluate()[0].item(), values_of(parameters)
    step = length * torch.randn(36, generator=generator(seed + 1), dtype=torch.float64)
    region = trust_region.TrustRegion(
        max_divergence=bound, damping=0.0, cg_max_steps=1, shrinking_factor=0.5, max_trials=6
    )
    outcome = trust_region.line_search(evaluate, parameters, step, before=before, region=region)
    objective, divergence = (each.item() for each in evaluate())
    if outcome.accepted:
        assert (outcome.objective, outcome.divergence) == (objective, divergence)
        assert objective > before
        assert divergence <= bound
    else:
        assert (outcome.objective, outcome.divergence) == (before, 0.0)
        assert all(map(torch.equal, values_of(parameters), start))


def test_an_interrupt_in_the_search_leaves_no_trace():
    parameters, _ = task(0)
    start = values_of(parameters)

    def interrupted():
        assert not torch.equal(parameters[0], start[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trust_region.line_search(
            interrupted, parameters, torch.ones(36, dtype=torch.float64), before=0.0, region=REGION
        )
    assert all(map(torch.equal, values_of(parameters), start))


@drawn(SEEDS)
def test_a_step_raises_the_objective_within_the_bound(seed):
    parameters, evaluate = task(seed)
    before = evaluate()[0].item()
    outcome, moved = trust_region.ascend(evaluate, parameters, REGION)
    objective, divergence = (each.item() for each in evaluate())
    assert outcome.accepted
    assert [id(each) for each in moved] == [id(each) for each in parameters]
    assert objective > before
    assert 0 < divergence <= REGION.max_divergence


def test_candidates_that_the_objective_ignores_stay():
    parameters, evaluate = task(3)
    other = torch.ones(2, requires_grad=True)
    outcome, moved = trust_region.ascend(evaluate, [other, *parameters], REGION)
    assert outcome.accepted
    assert len(moved) == len(parameters)
    assert other.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("factors", "reason"),
    [
        ((0.0, 1.0), "gradient of the objective is zero or not finite"),
        ((math.nan, 1.0), "gradient of the objective is zero or not finite"),
        ((1.0, -1.0), "divergence does not grow along the search direction"),
        ((1.0, math.nan), "divergence does not grow along the search direction"),
    ],
)
def test_without_a_direction_no_step_is_taken_and_the_reason_is_given(factors, reason):
    parameters, evaluate = task(1)
    start = values_of(parameters)
    undamped = trust_region.TrustRegion(
        max_divergence=0.01, damping=0.0, cg_max_steps=5, shrinking_factor=0.8, max_trials=3
    )

    def spoiled():
        return tuple(f * each for f, each in zip(factors, evaluate(), strict=True))

    outcome, _ = trust_region.ascend(spoiled, parameters, undamped)
    assert not outcome.accepted
    assert reason in outcome.reason
    assert all(map(torch.equal, values_of(parameters), start))
