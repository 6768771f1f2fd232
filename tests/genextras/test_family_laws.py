"""Laws of every scheduler: per-sample labels, repeated calls, tracing, no waiting for a device."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import genextras
from tests.oracles.genextras_gaussian import GaussianNetwork

NETWORK = GaussianNetwork()
MAKERS = {name: getattr(genextras, name) for name in genextras.__all__ if "Scheduler" in name}
MAKERS["AnnealedLangevinScheduler"] = lambda: genextras.AnnealedLangevinScheduler(n_each=3)
MAKERS["EDM with churn"] = lambda: genextras.EDMScheduler(s_churn=10.0)
MAKERS["predictor-corrector"] = lambda: genextras.SDEScheduler(sde="ve", n_corrector_steps=1)
MAKERS["flow of an SDE"] = lambda: genextras.SDEScheduler(predictor="ode_heun")
MAKERS["SDE-DPM++"] = lambda: genextras.MultistepScheduler(algorithm_type="sde-dpmsolver++")
MAKERS["Adams"] = lambda: genextras.MultistepScheduler(
    algorithm_type="adams", solver_order=3, corrector_order=3, timestep_spacing="rectified"
)
EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def images(seed=0, batch=2, dtype=torch.float32):
    return torch.randn(batch, 3, 4, 4, generator=torch.Generator().manual_seed(seed)).to(dtype)


def ready(make, n_steps=6):
    scheduler = make()
    scheduler.set_timesteps(n_steps)
    return scheduler


def loop(scheduler, x, **options):
    for t in scheduler.timesteps:
        output = torch.tanh(scheduler.scale_model_input(x, t) + 0.1)
        x = scheduler.step(output, t, x, return_dict=False, **options)[0]
    return x


class NothingReadBack(TorchDispatchMode):
    """Fails on what would make the host wait for a device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        assert not any(word in name for word in ("local_scalar_dense", "nonzero", "equal.")), name
        return function(*args, **(kwargs or {}))


@EVERY
def test_a_loop_of_fifty_steps_reads_nothing_back(make):
    scheduler = ready(make, 50)
    with NothingReadBack():
        loop(scheduler, images() * scheduler.init_noise_sigma)


def test_the_guard_against_reading_back_sees_diffusers_do_it():
    import diffusers

    scheduler = diffusers.DDIMScheduler()
    scheduler.set_timesteps(5)
    with NothingReadBack(), pytest.raises(AssertionError, match="local_scalar_dense"):
        loop(scheduler, images())


@EVERY
def test_a_whole_loop_compiles_to_one_graph(make):
    scheduler, other = ready(make), ready(make)
    x = images() * scheduler.init_noise_sigma

    def run(x):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return loop(scheduler, x)

    expected = run(x)
    scheduler.set_timesteps(6)
    torch._dynamo.reset()
    traced = torch.compile(lambda x: loop(other, x), fullgraph=True, backend="eager")
    with torch.random.fork_rng():
        for _ in range(2):  # a second pass starts anew
            torch.manual_seed(0)
            made = traced(x)
            torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-3)  # p x + q F unfolded


def test_one_graph_serves_every_step_and_a_label_off_the_grid_is_nan():
    scheduler = ready(genextras.FlowMatchScheduler)
    step = torch.compile(
        lambda f, t, x: scheduler.step(f, t, x, return_dict=False)[0],
        fullgraph=True,
        backend="eager",
    )
    x = images()
    torch._dynamo.reset()
    with torch._dynamo.config.patch(error_on_recompile=True):
        made = [step(0.3 * x, t, x) for t in scheduler.timesteps]
    for t, each in zip(scheduler.timesteps, made, strict=True):
        torch.testing.assert_close(each, scheduler.step(0.3 * x, t, x).prev_sample)
    assert step(0.3 * x, torch.tensor(3.0), x).isnan().all()


@EVERY
def test_the_same_arguments_give_the_same_result(make):
    scheduler, x = ready(make), images()
    for t in scheduler.timesteps:
        results = [
            scheduler.step(0.3 * x, t, x, generator=torch.Generator().manual_seed(0)).prev_sample
            for _ in range(3)
        ]
        assert torch.equal(results[0], results[1])
        assert torch.equal(results[0], results[2])
        x = results[0]


@EVERY
def test_a_request_that_is_known_keeps_the_tables(make):
    scheduler = ready(make)
    first = loop(scheduler, images(), generator=torch.Generator().manual_seed(0))
    timesteps, tables = scheduler.timesteps, scheduler._tables
    scheduler.set_timesteps(6)
    assert scheduler.timesteps is timesteps
    assert scheduler._tables is tables
    assert torch.equal(loop(scheduler, images(), generator=torch.Generator().manual_seed(0)), first)
    scheduler.set_timesteps(7)
    assert scheduler.timesteps is not timesteps


@pytest.mark.parametrize(
    "make",
    [
        genextras.FlowMatchScheduler,
        genextras.MultistepScheduler,
        genextras.SDEScheduler,
        lambda: genextras.EDMScheduler(solver="euler"),
        genextras.DDIMInverseScheduler,
    ],
)
def test_each_sample_may_have_its_own_label(make):
    scheduler, x = ready(make), images()
    labels = scheduler.timesteps[[1, 4]]
    seeds = [torch.Generator().manual_seed(seed) for seed in (7, 8)]
    output = 0.3 * scheduler.scale_model_input(x, labels)
    both = scheduler.step(output, labels, x, generator=seeds).prev_sample
    for i, label in enumerate(labels):
        single = ready(make)
        one = single.step(
            0.3 * single.scale_model_input(x[[i]], label),
            label,
            x[[i]],
            generator=[torch.Generator().manual_seed(7 + i)],
        )
        torch.testing.assert_close(both[[i]], one.prev_sample, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", [genextras.EDMScheduler, genextras.AnnealedLangevinScheduler])
def test_levels_that_come_twice_need_one_label_for_the_batch(make):
    scheduler, x = ready(make), images()
    with pytest.raises(ValueError, match="one label for the batch"):
        scheduler.step(x, scheduler.timesteps[[1, 4]], x)


def test_a_run_that_starts_in_the_middle_has_no_past():
    """Stale slopes of another run would be silently wrong: 1.9 of 6.9 in diffusers' own terms."""
    whole, part = ready(genextras.MultistepScheduler, 8), ready(genextras.MultistepScheduler, 8)
    loop(whole, images())
    whole.set_begin_index(3)
    for scheduler in (whole, part):
        scheduler.made = []
        x = images(1)
        for t in scheduler.timesteps[3:]:
            x = scheduler.step(0.3 * x, t, x).prev_sample
            scheduler.made.append(x)
    torch.testing.assert_close(whole.made, part.made, rtol=0, atol=0)


@pytest.mark.parametrize("spacing", ["karras", "exponential", "beta", "aligned", "rectified"])
@pytest.mark.parametrize("name", ["DDPMScheduler", "DDIMScheduler", "MultistepScheduler"])
def test_every_spacing_serves_every_walk(name, spacing):
    scheduler = getattr(genextras, name)(timestep_spacing=spacing)
    scheduler.set_timesteps(10)
    labels = scheduler.timesteps.tolist()
    assert labels == sorted(set(labels), reverse=True)
    assert labels[0] == 999
    assert loop(scheduler, images()).isfinite().all()


def test_own_sigmas_are_the_levels_of_every_walk():
    wanted = [14.0, 3.0, 0.7]
    for name in ("DDIMScheduler", "MultistepScheduler"):
        scheduler = getattr(genextras, name)()
        scheduler.set_timesteps(sigmas=[*wanted, 0.0])
        a, b = scheduler._levels(scheduler.timesteps.double())
        np.testing.assert_allclose(b / a, wanted, rtol=0.02)  # DDIM takes the nearest whole label
        with pytest.raises(ValueError, match="descending"):
            scheduler.set_timesteps(sigmas=[1.0, 2.0])


# --------------------------------------------------------------- stochastic equations


@pytest.mark.parametrize("kind", ["vp", "sub-vp", "ve"])
@pytest.mark.parametrize("predictor", ["euler_maruyama", "reverse_diffusion", "ancestral"])
@pytest.mark.parametrize("n_correctors", [0, 1])
def test_reverse_equations_reach_the_data_law(kind, predictor, n_correctors):
    scheduler = genextras.SDEScheduler(
        sde=kind, predictor=predictor, n_corrector_steps=n_correctors, snr=0.1
    )
    scheduler.set_timesteps(500)
    generator = torch.Generator().manual_seed(0)
    x = images(3, 400, torch.float64) * scheduler.init_noise_sigma
    a, b = scheduler._rows_levels()
    for i, t in enumerate(scheduler.timesteps):
        output = NETWORK.output("score", x, a[i], b[i])
        x = scheduler.step(output, t, x, generator=generator, return_dict=False)[0]
    assert x.mean().item() == pytest.approx(NETWORK.mean, abs=0.02)
    assert x.std().item() == pytest.approx(NETWORK.std, rel=0.04)


@pytest.mark.parametrize("kind", ["vp", "sub-vp", "ve"])
def test_rates_are_the_derivatives_of_the_scales(kind):
    diffusion = genextras.SDEScheduler(sde=kind).diffusion
    t, h = np.linspace(0.05, 0.95, 7), 1e-6
    a, b = diffusion.a, diffusion.b
    drift = (np.log(a(t + h)) - np.log(a(t - h))) / (2 * h)
    growth = (b(t + h) ** 2 - b(t - h) ** 2) / (2 * h)
    np.testing.assert_allclose(diffusion.drift(t), drift, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(diffusion.rate(t), growth - 2 * drift * b(t) ** 2, rtol=1e-5)


def test_predictors_are_those_of_score_sde():
    """One step of each by its formula (score_sde's sampling code, stated in Song et al. 2021)."""
    n, low, high = 1000, 0.1, 20.0
    x, z = images(0, 2, torch.float64), images(1, 2, torch.float64)
    for predictor in ("euler_maruyama", "reverse_diffusion", "ancestral"):
        scheduler = genextras.SDEScheduler(predictor=predictor)
        scheduler.set_timesteps(n)
        i = 400
        a, b = scheduler._grid.a[i], scheduler._grid.b[i]
        score = NETWORK.output("score", x, a, b)
        t, step = scheduler._grid_times[i], scheduler._grid_times[i] - scheduler._grid_times[i + 1]
        beta = (low + t * (high - low)) * step
        if predictor != "euler_maruyama":  # β of the discrete chain over this stride
            beta = 1 - (a / scheduler._grid.a[i + 1]) ** 2
        expected = {
            "euler_maruyama": x + 0.5 * beta * x + beta * score + beta**0.5 * z,
            "reverse_diffusion": (2 - (1 - beta) ** 0.5) * x + beta * score + beta**0.5 * z,
            "ancestral": (x + beta * score) / (1 - beta) ** 0.5 + beta**0.5 * z,
        }[predictor]
        scheduler._noise = lambda like, generator: z
        made = scheduler.step(score, scheduler.timesteps[i], x).prev_sample
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-9)


def test_annealed_langevin_is_its_update():
    scheduler = genextras.AnnealedLangevinScheduler(n_each=2, step_size=1e-3)
    scheduler.set_timesteps(3)
    x, z = images(0, 2, torch.float64), images(1, 2, torch.float64)
    scheduler._noise = lambda like, generator: z
    score, alpha = NETWORK.output("score", x, 1.0, 0.1), 1e-3 * (0.1 / 0.01) ** 2
    made = scheduler.step(score, scheduler.timesteps[2], x).prev_sample
    torch.testing.assert_close(made, x + alpha / 2 * score + alpha**0.5 * z, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["vp", "sub-vp", "ve"])
def test_adaptive_flow_is_the_closed_form_and_goes_both_ways(kind):
    scheduler = genextras.SDEScheduler(sde=kind)
    diffusion = scheduler.diffusion

    def model(x, label):
        time = scheduler._times(label.double()).reshape(1)
        return NETWORK.output("score", x, diffusion.a(time).item(), diffusion.b(time).item())

    start = images(0, 2, torch.float64) * scheduler.init_noise_sigma
    end = scheduler.integrate(model, start, stop=0.01, tolerance=1e-7)
    levels = [float(f(np.array(t))) for t in (1.0, 0.01) for f in (diffusion.a, diffusion.b)]
    torch.testing.assert_close(end, NETWORK.flow(start, *levels), rtol=1e-4, atol=1e-5)
    back = scheduler.integrate(model, end, start=0.01, stop=1.0, tolerance=1e-7)
    torch.testing.assert_close(back, start, rtol=1e-4, atol=1e-4)


# --------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "options", "text"),
    [
        (genextras.EDMScheduler, {"sigma_min": 90.0}, "Swap sigma_min and sigma_max"),
        (genextras.EDMScheduler, {"solver": "hein"}, "Did you mean 'heun'"),
        (genextras.MultistepScheduler, {"solver_order": 5}, "solver_order must be 1, 2, 3 or 4"),
        (genextras.SDEScheduler, {"predictor": "euler"}, "predictor must be one of"),
    ],
)
def test_wrong_options_are_refused(make, options, text):
    with pytest.raises(ValueError, match=text):
        make(**options)


def test_a_label_off_the_grid_is_refused():
    scheduler, x = ready(genextras.FlowMatchScheduler), images()
    with pytest.raises(ValueError, match=r"timestep must be on the grid .* got 3\.0"):
        scheduler.step(x, 3.0, x)


def test_dynamic_shifting_needs_its_shift():
    with pytest.raises(ValueError, match="mu must be given"):
        genextras.FlowMatchScheduler(use_dynamic_shifting=True).set_timesteps(5)


@pytest.mark.parametrize("name", ["EDMScheduler", "FlowMatchScheduler", "MultistepScheduler"])
def test_an_option_of_another_class_is_kept_and_does_not_act(name):
    """A config carries the words of where it came from, such as clipping, for the way back."""
    foreign = genextras.DDPMScheduler(clip_sample=True, clip_sample_range=0.1).config
    options = {"prediction_type": "sample"}
    if name == "EDMScheduler":
        options["precondition"] = False
    swapped = getattr(genextras, name).from_config(foreign, **options)
    plain = getattr(genextras, name)(**options)
    assert swapped.config["clip_sample"]
    for scheduler in (swapped, plain):
        scheduler.set_timesteps(4)
    x = images()
    made, expected = (
        scheduler.step(3 * x, scheduler.timesteps[0], x).pred_original_sample
        for scheduler in (swapped, plain)
    )
    torch.testing.assert_close(made, 3 * x)
    torch.testing.assert_close(expected, 3 * x)


@EVERY
def test_a_run_in_inference_mode_leaves_nothing_that_gradients_refuse(make):
    """Numbers of a step are made when it is first taken, and kept."""
    scheduler, x = ready(make), images()
    with torch.inference_mode():
        loop(scheduler, x)
    scheduler.set_timesteps(scheduler.num_inference_steps)
    start = x.clone().requires_grad_()
    loop(scheduler, start).sum().backward()
    assert start.grad.isfinite().all()
