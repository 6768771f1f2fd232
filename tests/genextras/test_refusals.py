"""Options and levels that no scheduler can mean, and the shortest runs of those it can."""

import diffusers
import pytest
import torch

import genextras
from tests.genextras.test_family_laws import MAKERS, images, loop, ready

EDM, FLOW, MULTISTEP = (
    genextras.EDMScheduler,
    genextras.FlowMatchScheduler,
    genextras.MultistepScheduler,
)
LANGEVIN, SDE = genextras.AnnealedLangevinScheduler, genextras.SDEScheduler


@pytest.mark.parametrize(
    ("make", "options", "kind"),
    [
        (EDM, {"rho": 0.0}, ValueError),
        (EDM, {"rho": "7"}, TypeError),
        (EDM, {"sigma_data": 0.0}, ValueError),
        (EDM, {"s_churn": -1.0}, ValueError),
        (EDM, {"s_noise": -1.0}, ValueError),
        (EDM, {"s_tmin": 5.0, "s_tmax": 1.0}, ValueError),
        (EDM, {"sigma_min": 0.0}, ValueError),
        (EDM, {"sigma_max": "80"}, TypeError),
        (SDE, {"n_corrector_steps": 1.5}, TypeError),
        (SDE, {"n_corrector_steps": 1, "predictor": "ode_heun"}, ValueError),
        (SDE, {"snr": -1.0}, ValueError),
        (SDE, {"beta_min": 30.0}, ValueError),
        (LANGEVIN, {"n_each": 0}, ValueError),
        (LANGEVIN, {"step_size": -1.0}, ValueError),
        (FLOW, {"shift": 0.0}, ValueError),
        (FLOW, {"shift": "3"}, TypeError),
        (FLOW, {"shift_terminal": 2.0}, ValueError),
        (FLOW, {"use_karras_sigmas": "no"}, TypeError),
        (FLOW, {"use_karras_sigmas": True, "use_beta_sigmas": True}, ValueError),
        (FLOW, {"stochastic_sampling": True, "solver": "heun"}, ValueError),
        (MULTISTEP, {"kappa": -1.0}, ValueError),
        (MULTISTEP, {"corrector_order": -1}, ValueError),
        (MULTISTEP, {"use_lu_lambdas": True, "use_beta_sigmas": True}, ValueError),
    ],
)
def test_impossible_options_are_refused_by_name(make, options, kind):
    name = next(iter(options))
    names = "|".join(options)
    with pytest.raises(kind, match=rf"^{make.__name__}: ({names}) must be .*, got .*\. "):
        make(**options)
    assert make(**{name: make().config[name]}).config[name] == make().config[name]


@pytest.mark.parametrize("make", [EDM, LANGEVIN, SDE, FLOW, MULTISTEP])
@pytest.mark.parametrize("sigmas", [[0.5, -0.1], [0.5, float("nan")], "ab"])
def test_levels_that_are_none_are_refused(make, sigmas):
    with pytest.raises((TypeError, ValueError), match=f"^{make.__name__}: sigmas must be "):
        make().set_timesteps(sigmas=sigmas)


@pytest.mark.parametrize("make", [EDM, LANGEVIN])
def test_a_level_without_data_is_refused(make):
    with pytest.raises(ValueError, match="sigmas must be positive and finite"):
        make().set_timesteps(sigmas=[float("inf"), 0.5])


def test_flags_of_a_spacing_may_be_none_as_in_the_hosts_files():
    options = {"use_karras_sigmas": None, "use_beta_sigmas": True}
    scheduler = FLOW(**options)
    scheduler.set_timesteps(4)
    expected = FLOW(use_beta_sigmas=True)
    expected.set_timesteps(4)
    assert torch.equal(scheduler.timesteps, expected.timesteps)


def test_options_of_another_class_are_not_ours_to_refuse():
    theirs = diffusers.UniPCMultistepScheduler(sigma_min=0.03)  # and no sigma_max
    ours = genextras.DDIMScheduler.from_config(theirs.config)
    assert ours.config["sigma_min"] == 0.03
    loop(ready(lambda: ours), images())


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_samples_of_whole_numbers_are_refused(make):
    scheduler, x = ready(make), images()
    with pytest.raises(TypeError, match="sample must be of a floating dtype"):
        scheduler.step(x.int(), scheduler.timesteps[0], x.int())


@pytest.mark.parametrize("make", [genextras.DDIMScheduler, genextras.DDIMInverseScheduler])
def test_a_walk_that_is_counted_in_steps_asks_for_their_number(make):
    with pytest.raises(ValueError, match="Call set_timesteps"):
        make().step(images(), 5, images())
    with pytest.raises(TypeError, match="timestep must be a whole number, got nan"):
        ready(make).step(images(), float("nan"), images())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the host's own, of NumPy 2
@pytest.mark.parametrize("n_steps", [1, 2, 3])
@pytest.mark.parametrize("algorithm", ["dpmsolver++", "sde-dpmsolver++", "adams"])
@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("final", [True, False])
def test_short_runs_need_less_past_than_the_solver_has(n_steps, algorithm, order, final):
    """Two steps of DPM-Solver++ are both of order 1: there is a past, and no row wants it."""
    scheduler = MULTISTEP(
        algorithm_type=algorithm,
        solver_order=order,
        corrector_order=2,
        lower_order_final=final,
        euler_at_final=final,
    )
    made = loop(ready(lambda: scheduler, n_steps), images())
    assert made.isfinite().all()
    if algorithm == "dpmsolver++" and (order == 1 or (n_steps == 2 and final)):
        host = diffusers.DPMSolverMultistepScheduler(solver_order=1, euler_at_final=final)
        host.set_timesteps(n_steps)
        theirs = images()
        for t in host.timesteps:
            theirs = host.step(torch.tanh(theirs + 0.1), t, theirs).prev_sample
        torch.testing.assert_close(made, theirs, rtol=1e-4, atol=1e-4)


def test_the_probability_flow_takes_correctors_too():
    """The noise that they add is the noise of their level: unit variance stays."""
    network = genextras.SDEScheduler(predictor="ode_euler", n_corrector_steps=2, snr=0.05)
    network.set_timesteps(40)
    assert len(network.timesteps) == 3 * 40
    x = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    for t in network.timesteps:  # data are N(0, 1), and so is every level of "vp": s = -x
        x = network.step(-x, t, x, generator=generator, return_dict=False)[0]
    assert x.std().item() == pytest.approx(1.0, abs=0.06)  # 5 standard errors, and Euler's steps


SOLVERS = {name: make for name, make in MAKERS.items() if make().order == 1}


@pytest.mark.parametrize("make", SOLVERS.values(), ids=SOLVERS)
def test_a_label_of_a_sample_that_is_none_is_refused(make):
    """On the host; elsewhere no device is asked, and the sample is NaN."""
    scheduler, x = ready(make), images()
    good = scheduler.timesteps[1].item()
    for wrong in (good + 0.37, -3000, 5000):
        labels = torch.full((len(x),), good, dtype=torch.float64)
        labels[-1] = wrong
        with pytest.raises((TypeError, ValueError), match=r"timesteps? must be .*, got"):
            scheduler.step(x, labels, x)
    together = scheduler.step(0.1 * x, torch.full((len(x),), good), x, return_dict=False)
    assert together[0].isfinite().all()


@pytest.mark.parametrize(
    ("make", "options", "label"),
    [
        (MULTISTEP, {}, 1000.0),
        (MULTISTEP, {}, -1.0),
        (FLOW, {}, 1000.5),
        (FLOW, {}, -1.0),
        (SDE, {}, 5000.0),
        (SDE, {"sde": "ve"}, -1.0),
        (LANGEVIN, {}, -1.0),
        (EDM, {}, float("nan")),
    ],
)
def test_noise_of_a_level_that_is_none_is_refused(make, options, label):
    x, labels = images(), torch.tensor([0.5, label])
    for diffuse in (make(**options).add_noise, make(**options).get_velocity):
        with pytest.raises(ValueError, match=f"^{make.__name__}: timesteps must be in .*, got"):
            diffuse(x[:2], x[:2], labels)


@pytest.mark.parametrize("sde", ["vp", "sub-vp", "ve"])
@pytest.mark.parametrize("own", [{"sigmas": [1e6, 0.5]}, {"timesteps": [5000.0, -1.0]}])
def test_levels_that_an_sde_does_not_reach_are_refused(sde, own):
    name = next(iter(own))
    with pytest.raises(ValueError, match=f"^SDEScheduler: {name} must be .*beyond training"):
        SDE(sde=sde).set_timesteps(**own)
    known = SDE(sde=sde)
    known.set_timesteps(5)
    before = known.timesteps
    known.set_timesteps(sigmas=known.sigmas)
    torch.testing.assert_close(known.timesteps, before, rtol=1e-4, atol=1e-4)


def test_lists_of_a_flow_are_as_long_as_the_run():
    for own in (
        {"num_inference_steps": 5, "sigmas": [0.9, 0.5]},
        {"num_inference_steps": 5, "timesteps": [900.0, 500.0]},
        {"timesteps": [900.0, 500.0], "sigmas": [0.9, 0.5, 0.1]},
    ):
        with pytest.raises(ValueError, match="sigmas must be as many as there are steps"):
            FLOW().set_timesteps(**own)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_an_output_that_is_no_tensor_is_named(make):
    scheduler, x = ready(make), images()
    for output in (None, diffusers.utils.BaseOutput(sample=x)):
        with pytest.raises(TypeError, match=r"model_output must be a Tensor, got .*sample"):
            scheduler.step(output, scheduler.timesteps[0], x)


@pytest.mark.parametrize(
    ("generator", "kind"),
    [(0, TypeError), ([0, 1], TypeError), ([torch.Generator()] * 3, ValueError)],
)
def test_a_source_of_noise_that_is_none_is_refused(generator, kind):
    scheduler, x = ready(genextras.DDPMScheduler), images()[:2]
    with pytest.raises(kind, match=r"generator must be a torch.Generator or 2 of them"):
        scheduler.step(x, scheduler.timesteps[0], x, generator=generator)


@pytest.mark.parametrize("make", [EDM, LANGEVIN, SDE, FLOW, MULTISTEP])
def test_a_step_without_a_grid_says_how_to_get_one(make):
    with pytest.raises(ValueError, match=r"Call set_timesteps\(n\) first"):
        make().step(images(), torch.tensor(1.0), images())
