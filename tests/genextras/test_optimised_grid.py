"""On a density whose denoiser is known, the chosen grid errs less than every default one."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch

import genextras
from genextras.core.grids import SIGMA_GRIDS
from genextras.core.ode import rk45
from genextras.optimised_grid import _shortest, _shortest_of_pairs

SHAPE, CENTRES, SPREADS = (192, 1), (-0.8, 0.1, 0.9), (0.05, 0.2, 0.1)


def denoiser(y, sigma):
    """E[x_0 | x_0 + σ ε = y] for a mixture of three Gaussians."""
    centres, variances = torch.tensor(CENTRES).to(y), torch.tensor(SPREADS).to(y) ** 2
    total = variances + sigma**2
    weights = torch.softmax(-((y - centres) ** 2) / total / 2 - total.log() / 2, dim=1)
    means = centres + variances / total * (y - centres)
    return (weights * means).sum(1, keepdim=True)


def network(scheduler):
    """The perfect one; it knows the level by the label, between whole labels by log σ."""
    grid = None
    if hasattr(scheduler, "alphas_cumprod"):
        shares = scheduler.alphas_cumprod.double()
        grid = (0.5 * ((1 - shares) / shares).log()).numpy()

    def model(x, label):
        if isinstance(scheduler, genextras.FlowMatchScheduler):
            t = min(float(label) / 1000, 1 - 1e-9)
            y, sigma = x / (1 - t), t / (1 - t)
            data = denoiser(y, sigma)
            return (y - data) / sigma - data
        if isinstance(scheduler, genextras.EDMScheduler):
            sigma = math.exp(4 * float(label))
            y = x * math.sqrt(1 + sigma**2)
        else:
            sigma = math.exp(np.interp(float(label), np.arange(len(grid)), grid))
            y = x * math.sqrt(1 + sigma**2)
        return (y - denoiser(y, sigma)) / sigma

    return model


def examples(seed):
    generator = torch.Generator().manual_seed(seed)
    kind = torch.randint(3, SHAPE, generator=generator)
    noise = torch.randn(SHAPE, generator=generator)
    return torch.tensor(CENTRES)[kind] + torch.tensor(SPREADS)[kind] * noise


X = examples(0)


def error(scheduler, **grid):
    """Root mean square distance of a run to where its own noise flows."""
    scheduler.set_timesteps(**grid)
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(9)).double()
    a, b = (each.item() for each in scheduler._levels(scheduler.timesteps[:1].double()))
    x, model = scheduler.init_noise_sigma * noise, network(scheduler)
    top = b / a if a > 1e-6 else 1e6
    start = x / a if a > 1e-6 else x * top
    exact = rk45(
        lambda log, y: y - denoiser(y, math.exp(log)), math.log(top), math.log(1e-4), start
    )
    for t in scheduler.timesteps:
        x = scheduler.step(model(scheduler.scale_model_input(x, t), t), t, x, return_dict=False)[0]
    return (x - exact).square().mean().sqrt().item()


def ddim(spacing):
    return genextras.DDIMScheduler(clip_sample=False, timestep_spacing=spacing)


def edm(spacing):
    options = {"precondition": False, "prediction_type": "epsilon", "sigma_schedule": spacing}
    return genextras.EDMScheduler(solver="euler", **options)


CASES = {
    "DDIM": (ddim, ("leading", "trailing", "linspace", *SIGMA_GRIDS), 1),
    "EDM": (edm, tuple(SIGMA_GRIDS), 1),
    "flow": (lambda shift: genextras.FlowMatchScheduler(shift=shift), (1.0, 3.0), 1),
    "DPM-Solver++": (
        lambda spacing: genextras.MultistepScheduler(timestep_spacing=spacing),
        ("leading", "trailing", "linspace", "karras", "exponential"),
        2,
    ),
}


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("name", CASES)
def test_the_chosen_grid_errs_less_than_the_default_ones(name, n):
    make, spacings, order = CASES[name]
    defaults = [error(make(spacing), num_inference_steps=n) for spacing in spacings]
    scheduler = make(spacings[-1])
    grid = genextras.optimise_grid(
        network(scheduler),
        examples(1),  # other noise than that of the test
        n,
        scheduler=scheduler,
        order=order,
        generator=torch.Generator().manual_seed(2),
    )
    made = error(scheduler, timesteps=grid.timesteps)
    assert made < min(defaults)
    assert made < 2 * grid.error  # a sum of norms; noise of another seed may go other ways
    assert len(grid.timesteps) == len(grid.sigmas) == n


@pytest.mark.parametrize("name", CASES)
def test_timesteps_and_sigmas_are_the_same_grid(name):
    make, spacings, _ = CASES[name]
    scheduler = make(spacings[-1])
    grid = genextras.optimise_grid(network(scheduler), examples(1), 6, scheduler=scheduler)
    levels = []
    for given in ({"timesteps": grid.timesteps}, {"sigmas": grid.sigmas}):
        scheduler.set_timesteps(**given)
        levels.append(scheduler.timesteps)
    torch.testing.assert_close(*levels, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    "scheduler",
    [
        genextras.SDEScheduler(),
        genextras.SDEScheduler(sde="ve"),
        genextras.AnnealedLangevinScheduler(n_each=1),
        genextras.EDMScheduler(),
        genextras.FlowMatchScheduler(solver="heun"),
        genextras.DDPMScheduler(),
    ],
)
def test_any_scheduler_takes_its_grid(scheduler):
    grid = genextras.optimise_grid(lambda x, t: torch.tanh(x), X, 6, scheduler=scheduler)
    for given in ({"timesteps": grid.timesteps}, {"sigmas": grid.sigmas}):
        scheduler.set_timesteps(**given)
        assert len(scheduler.timesteps.unique()) == 6
        assert scheduler.num_inference_steps == 6


def test_without_a_scheduler_the_network_is_edm():
    scheduler = genextras.EDMScheduler()

    def model(x, label):
        sigma, std = math.exp(4 * float(label)), 0.5
        y = x * math.sqrt(sigma**2 + std**2)
        skip = std**2 / (sigma**2 + std**2)
        return (denoiser(y, sigma) - skip * y) * math.sqrt(sigma**2 + std**2) / sigma / std

    given = [
        genextras.optimise_grid(
            model, examples(1), 5, generator=torch.Generator().manual_seed(0), **words
        )
        for words in ({}, {"scheduler": scheduler})
    ]
    assert given[0] == given[1]
    scheduler.set_timesteps(sigmas=given[0].sigmas)
    assert len(scheduler.sigmas) == 6


def pairs_by_hand(errors, norms, path):
    """Sum over the steps of a path, one at a time; the first and the last depend on no other."""
    n_levels = len(errors)
    total = errors[0, path[1]] + errors[path[-1], n_levels]
    for before, here, there in zip(path, path[1:], path[2:], strict=False):
        total += norms(here)[before, there - here - 1]
    return total


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_shortest_path_is_the_best_of_all(n):
    rng = np.random.default_rng(n)
    n_levels = 8
    is_later = np.arange(n_levels + 1) > np.arange(n_levels)[:, None]
    errors = np.where(is_later, rng.random((n_levels, n_levels + 1)), np.inf)
    paths = [(0, *rest) for rest in combinations(range(1, n_levels), n - 1)]
    sums = [sum(errors[i, j] for i, j in zip(p, (*p[1:], n_levels), strict=True)) for p in paths]
    chosen, total = _shortest(errors, n)
    assert tuple(chosen) == paths[int(np.argmin(sums))]
    assert total == pytest.approx(min(sums))
    if n >= 3:
        table = [rng.random((i, n_levels - 1 - i)) for i in range(n_levels)]
        sums = [pairs_by_hand(errors, table.__getitem__, path) for path in paths]
        chosen, total = _shortest_of_pairs(errors, table.__getitem__, n)
        assert tuple(chosen) == paths[int(np.argmin(sums))]
        assert total == pytest.approx(min(sums))


def test_a_two_step_error_is_that_of_the_scheduler():
    """The table's entry, against DPM-Solver++ (2M) run over the same three levels."""
    from genextras.optimised_grid import _follow, _second_order
    from genextras.probability_flow import ProbabilityFlow

    scheduler = genextras.MultistepScheduler()
    flow = ProbabilityFlow(network(scheduler), scheduler)
    sigma = np.geomspace(8.0, 0.2, 6)
    data = examples(3).double()
    paths = _follow(flow, sigma, data, torch.Generator().manual_seed(0))
    h, i, j = 1, 2, 4
    scheduler.set_timesteps(sigmas=sigma[[h, i, j, 5]])
    a = (1 + sigma**2) ** -0.5
    y = paths.data + torch.from_numpy(sigma)[:, None] * paths.noise
    for row, k in enumerate((h, i)):
        x, eps = (a[k] * y[k])[:, None], paths.noise[k][:, None]
        made = scheduler.step(eps, scheduler.timesteps[row], x).prev_sample
    expected = (made[:, 0] / a[j] - y[j]).norm().item()
    found = _second_order(paths, np.ones(7))(i)[h, j - i - 1]
    assert found == pytest.approx(expected, rel=1e-4)


BAD = [
    ({"data": X.int()}, TypeError, "data must be a Tensor of floats"),
    ({"data": X * torch.inf}, ValueError, "data must be finite"),
    ({"n": 0}, ValueError, "n must be"),
    ({"n": 2.5}, TypeError, "n must be"),
    ({"n": 70, "n_levels": 64}, ValueError, "n must be at most"),
    ({"order": 3}, ValueError, "order must be 1 or 2"),
    ({"n_levels": 1}, ValueError, "n_levels must be"),
    ({"scheduler": 3}, TypeError, "scheduler must be one of genextras"),
    ({"model": lambda x, t: x * torch.nan}, ValueError, "model must be finite everywhere"),
]


@pytest.mark.parametrize(("wrong", "kind", "text"), BAD)
def test_bad_input_is_refused_in_one_form(wrong, kind, text):
    given = {"model": lambda x, t: x, "data": X, "n": 4, "scheduler": ddim("leading"), **wrong}
    with pytest.raises(kind, match=f"^optimise_grid: {text}"):
        genextras.optimise_grid(**given)


@pytest.mark.parametrize(
    "option", [{"use_dynamic_shifting": True}, {"shift_terminal": 0.1}, {"use_beta_sigmas": True}]
)
def test_a_scheduler_that_would_move_the_grid_is_refused(option):
    """``set_timesteps`` shifts and spaces own timesteps too, as the host does."""
    scheduler, data = genextras.FlowMatchScheduler(**option), torch.tensor([[-0.5], [0.5]])
    match = rf"scheduler must be without {next(iter(option))}.*from_config\("
    with pytest.raises(ValueError, match=match) as refusal:
        genextras.optimise_grid(lambda x, t: x, data, 3, scheduler=scheduler)
    off = None if "shift_terminal" in option else False
    assert f"{next(iter(option))}={off})" in str(refusal.value)
    cured = genextras.FlowMatchScheduler.from_config(scheduler.config, **dict.fromkeys(option, off))
    assert len(genextras.optimise_grid(lambda x, t: x, data, 3, scheduler=cured).timesteps) == 3
