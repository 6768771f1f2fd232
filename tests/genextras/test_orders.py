"""Every solver converges to the closed-form probability flow of Gaussian data at its own order."""

import numpy as np
import pytest
import torch

from genextras import EDMScheduler, FlowMatchScheduler, MultistepScheduler, SDEScheduler
from tests.oracles.genextras_gaussian import GaussianNetwork

NETWORK = GaussianNetwork()
TOP, BOTTOM = 3.0, 0.5  # σ of both ends: the steps between them are all alike


def start():
    return torch.tensor([[-1.3], [0.4], [2.0]], dtype=torch.float64)


def slope(errors, counts):
    return -np.polyfit(np.log(counts), np.log(errors), 1)[0]


def edm(solver):
    def error(n):
        scheduler = EDMScheduler(solver=solver, final_sigmas_type="sigma_min", sigma_min=BOTTOM)
        scheduler.set_timesteps(sigmas=np.geomspace(TOP, BOTTOM, n + 1)[:-1])
        x = _walk(scheduler, NETWORK, "edm", TOP * start(), 0.5)
        return (x - NETWORK.flow(TOP * start(), 1.0, TOP, 1.0, BOTTOM)).abs().max().item()

    return error


def _walk(scheduler, network, prediction, x, sigma_data):
    """Levels from the table, as float32 labels would hide errors below 1e-7."""
    a, b = scheduler._rows_levels()
    for i, t in enumerate(scheduler.timesteps):
        output = network.output(prediction, x, a[i], b[i], sigma_data)
        x = scheduler.step(output, t, x, return_dict=False)[0]
    return x


def multistep(**options):
    def error(n):
        scheduler = MultistepScheduler(lower_order_final=False, **options)
        n_exact = options["solver_order"] - 1 if "corrector_order" not in options else 0
        sigmas = np.geomspace(TOP, BOTTOM, n + 1)
        scheduler.set_timesteps(sigmas=sigmas)
        a, b = scheduler._rows_levels()
        x = start()
        for i in range(n):  # the last level is where we stop
            output = NETWORK.output("epsilon", x, a[i], b[i])
            x = scheduler.step(output, scheduler.timesteps[i], x, return_dict=False)[0]
            if i < n_exact:  # an exact past: the start is of order 1
                x = NETWORK.flow(start(), a[0], b[0], a[i + 1], b[i + 1])
        return (x - NETWORK.flow(start(), a[0], b[0], a[n], b[n])).abs().max().item()

    return error


def flow(solver):
    def error(n):
        scheduler = FlowMatchScheduler(solver=solver)
        times = np.linspace(0.75, 0.3, n + 1)
        scheduler.set_timesteps(sigmas=times)
        x, stop = start(), n * scheduler.order
        a, b = scheduler._rows_levels()
        for i, t in enumerate(scheduler.timesteps[:stop]):
            output = NETWORK.output("flow_prediction", x, a[i], b[i])
            x = scheduler.step(output, t, x, return_dict=False)[0]
        return (x - NETWORK.flow(start(), 0.25, 0.75, 0.7, 0.3)).abs().max().item()

    return error


def sde(predictor, kind):
    def error(n):
        scheduler = SDEScheduler(sde=kind, predictor=predictor)
        scheduler.set_timesteps(sigmas=np.geomspace(TOP, BOTTOM, n + 1))
        x, a, b = start(), scheduler._grid.a, scheduler._grid.b
        a_all, b_all = _calls(scheduler)
        for i, t in enumerate(scheduler.timesteps[: n * scheduler.order]):
            output = NETWORK.output("score", x, a_all[i], b_all[i])
            x = scheduler.step(output, t, x, return_dict=False)[0]
        return (x - NETWORK.flow(start(), a[0], b[0], a[n], b[n])).abs().max().item()

    return error


def _calls(scheduler):
    if scheduler.order == 1:
        return scheduler._grid.a, scheduler._grid.b
    a, b = (np.repeat(column, 2)[1:] for column in scheduler._grid[:2])
    return a, b


CASES = {
    "EDM Euler": (edm("euler"), 1),
    "EDM Heun": (edm("heun"), 2),
    "flow Euler": (flow("euler"), 1),
    "flow Heun": (flow("heun"), 2),
    "DPM++ 1": (multistep(solver_order=1), 1),
    "DPM++ 2M midpoint": (multistep(solver_order=2), 2),
    "DPM++ 2M integral": (multistep(solver_order=2, solver_type="heun"), 2),
    "DPM++ 3M": (multistep(solver_order=3), 3),
    "exponential 4": (multistep(solver_order=4), 4),
    "Adams 1": (multistep(algorithm_type="adams", solver_order=1), 1),
    "Adams 2": (multistep(algorithm_type="adams", solver_order=2), 2),
    "Adams 3": (multistep(algorithm_type="adams", solver_order=3), 3),
    "Adams 4": (multistep(algorithm_type="adams", solver_order=4), 4),
    "Adams 3, κ = 0": (multistep(algorithm_type="adams", solver_order=3, kappa=0.0), 3),
    "Adams 2 + corrector 3": (
        multistep(algorithm_type="adams", solver_order=2, corrector_order=3),
        3,
    ),
    "flow of VP, Euler": (sde("ode_euler", "vp"), 1),
    "flow of sub-VP, Heun": (sde("ode_heun", "sub-vp"), 2),
    "flow of VE, Heun": (sde("ode_heun", "ve"), 2),
}


@pytest.mark.parametrize("name", CASES)
def test_order_of_convergence(name):
    error, order = CASES[name]
    counts = np.array([80, 160, 320, 640]) if order < 4 else np.array([60, 90, 140, 200])
    assert slope([error(n) for n in counts], counts) == pytest.approx(order, abs=0.15)


def test_the_third_order_of_diffusers_is_a_second_order():
    """It takes half of the curvature: D2 / 2 where the integral has D2."""
    counts = np.array([80, 160, 320, 640])
    errors = [multistep(solver_order=3, compat="diffusers")(n) for n in counts]
    assert slope(errors, counts) == pytest.approx(2, abs=0.15)
