"""Configs of diffusers' own classes in ours: what a network was trained for is never lost."""

import inspect

import diffusers
import numpy as np
import pytest
import torch

import genextras

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the host's own, of NumPy 2
FACTS = ("prediction_type", "num_train_timesteps", "beta_start", "beta_end", "beta_schedule")
HOSTS = [
    diffusers.DDPMScheduler,
    diffusers.DDIMScheduler,
    diffusers.PNDMScheduler,
    diffusers.LCMScheduler,
    diffusers.TCDScheduler,
    diffusers.EulerDiscreteScheduler,
    diffusers.HeunDiscreteScheduler,
    diffusers.DEISMultistepScheduler,
    diffusers.SASolverScheduler,
    diffusers.UniPCMultistepScheduler,
    diffusers.DPMSolverMultistepScheduler,
    diffusers.CogVideoXDDIMScheduler,
    diffusers.EDMEulerScheduler,
]
OURS = [value for name, value in vars(genextras).items() if name.endswith("Scheduler")]


def from_a_file(scheduler):
    """The config as it comes from a folder, where every default is written out."""
    names = inspect.signature(type(scheduler).__init__).parameters
    return {name: scheduler.config[name] for name in names if name in scheduler.config}


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("host", HOSTS)
def test_what_a_network_was_trained_for_survives_a_swap(host, ours):
    theirs = host()
    for config in (theirs.config, from_a_file(theirs)):
        made = ours.from_config(config)
        facts = FACTS[ours is genextras.FlowMatchScheduler and config is theirs.config :]
        shared = [fact for fact in facts if {fact} <= made.config.keys() & theirs.config.keys()]
        assert {f: made.config[f] for f in shared} == {f: theirs.config[f] for f in shared}
        host.from_config(made.config)  # and back


def test_a_predicted_noise_does_not_become_a_score():
    """The default of ``SDEScheduler`` is a score, that of DDPM noise; linear betas are its VP."""
    theirs = diffusers.DDPMScheduler()
    ours = genextras.SDEScheduler.from_config(theirs.config, predictor="ode_heun")
    data = 0.5 * torch.ones(1, 1)
    ours.set_timesteps(50)
    x = torch.randn(1, 1, generator=torch.Generator().manual_seed(0))
    for t in ours.timesteps:  # all data are the same, so the noise in x is known
        a, b = ours._levels(t.double())
        x = ours.step((x - float(a) * data) / float(b), t, x, return_dict=False)[0]
    torch.testing.assert_close(x, data, rtol=1e-3, atol=1e-3)


def test_levels_of_an_exploding_path_survive_too():
    theirs = diffusers.EDMEulerScheduler(sigma_min=0.03)
    ours = genextras.SDEScheduler.from_config(theirs.config, sde="ve")
    assert (ours.config.sigma_min, ours.config.sigma_max) == (0.03, 80.0)


@pytest.mark.parametrize("option", [{"solver_type": "bh3"}, {"algorithm_type": "dpmsolvr"}])
def test_words_that_no_class_knows_are_refused_in_a_config(option):
    theirs = diffusers.DEISMultistepScheduler()
    with pytest.raises(ValueError, match=f"^MultistepScheduler: {next(iter(option))} must be"):
        genextras.MultistepScheduler.from_config({**from_a_file(theirs), **option})
    with pytest.raises(ValueError, match="Did you mean"):
        genextras.MultistepScheduler(algorithm_type="dpmsolver")


def test_a_network_of_flows_goes_into_a_scheduler_of_flows():
    """UniPC and DPM-Solver++ sample flows too, on sigmas that no VP scheduler knows."""
    flows = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
    theirs = diffusers.UniPCMultistepScheduler(**flows)
    ours = genextras.FlowMatchScheduler.from_config(theirs.config)
    assert ours.config.shift == 3.0
    assert genextras.FlowMatchScheduler.from_config(theirs.config, shift=2.0).config.shift == 2.0
    back = diffusers.UniPCMultistepScheduler.from_config(ours.config)
    assert back.config.use_flow_sigmas
    for other in (genextras.MultistepScheduler, genextras.DDIMScheduler, genextras.EDMScheduler):
        with pytest.raises(ValueError, match=r"use_flow_sigmas must be False.*FlowMatch"):
            other.from_config(theirs.config)


@pytest.mark.parametrize("ours", [genextras.DDIMScheduler, genextras.MultistepScheduler])
@pytest.mark.parametrize("kind", [torch.as_tensor, np.asarray, list])
def test_betas_of_any_kind_survive_a_folder(tmp_path, ours, kind):
    betas = torch.linspace(1e-4, 0.03, 50)
    scheduler = ours(num_train_timesteps=50, trained_betas=kind(betas.tolist()))
    scheduler.save_pretrained(tmp_path)
    torch.testing.assert_close(ours.from_pretrained(tmp_path).betas, betas, rtol=0, atol=0)


@pytest.mark.parametrize(
    "option", [{}, {"shift": 3.0}, {"use_dynamic_shifting": True, "shift": 3.0}]
)
def test_trainings_of_flows_read_the_grid_before_there_is_a_run(option):
    """As the host's scripts do: a time by its place, and the level of a time."""
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=200, **option)
    ours = genextras.FlowMatchScheduler.from_config(theirs.config)
    torch.testing.assert_close(ours.timesteps, theirs.timesteps, rtol=1e-6, atol=1e-4)
    torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=1e-6, atol=1e-7)
    drawn = ours.timesteps[[0, 70, 199]]
    places = [(ours.timesteps == t).nonzero().item() for t in drawn]
    data, noise = torch.ones(3, 1, 2, 2), torch.full((3, 1, 2, 2), 5.0)
    share = ours.sigmas[places].reshape(3, 1, 1, 1)
    noised = ours.scale_noise(data, drawn, noise)
    torch.testing.assert_close(noised, (1 - share) * data + share * noise, rtol=1e-5, atol=1e-5)
    for t in (ours.timesteps[0], float(ours.timesteps[0]), drawn):
        with pytest.raises(ValueError, match=r"Call set_timesteps\(n\) first"):
            ours.step(noise, t, data)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sigma_schedule", ["karras", "exponential"])
def test_trainings_of_edm_read_grid_and_preconditioning_before_there_is_a_run(
    prediction_type, sigma_schedule
):
    """As the host's script of DreamBooth for SDXL does, "EDM-style"."""
    options = {"prediction_type": prediction_type, "sigma_schedule": sigma_schedule}
    theirs = diffusers.EDMDPMSolverMultistepScheduler(**options)
    ours = genextras.EDMScheduler.from_config(theirs.config)
    torch.testing.assert_close(ours.timesteps, theirs.timesteps, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=1e-5, atol=1e-7)
    drawn = ours.timesteps[[0, 400, 999]]
    places = [(ours.timesteps == t).nonzero().item() for t in drawn]
    generator = torch.Generator().manual_seed(0)
    data, noise, output = torch.randn(3, 3, 2, 4, 4, generator=generator)
    sigma = ours.sigmas[places].reshape(3, 1, 1, 1)
    noised = ours.add_noise(data, noise, drawn)
    torch.testing.assert_close(noised, data + sigma * noise, rtol=1e-5, atol=1e-5)
    for level in (sigma, 2.0):
        for method, given in {
            "precondition_inputs": (noised, level),
            "precondition_noise": (level,),
            "precondition_outputs": (noised, output, level),
        }.items():
            expected = getattr(theirs, method)(*given)
            torch.testing.assert_close(getattr(ours, method)(*given), expected)
    with pytest.raises(ValueError, match=r"Call set_timesteps\(n\) first"):
        ours.step(output, ours.timesteps[0], noised)


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction", "score"])
def test_networks_without_preconditioning_tell_the_data_by_their_own_target(prediction):
    scheduler = genextras.EDMScheduler(prediction_type=prediction, precondition=False)
    data, noise = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    sigma = torch.tensor([[0.1], [1.0], [30.0]]).double()
    target = {
        "epsilon": noise,
        "sample": data,
        "v_prediction": noise - sigma * data,
        "score": -noise / sigma,
    }[prediction]
    found = scheduler.precondition_outputs(data + sigma * noise, target, sigma)
    torch.testing.assert_close(found, data)
