"""One view of every scheduler: its labels and levels are inverse, its noise is the network's."""

import numpy as np
import pytest
import torch

import genextras
from genextras.probability_flow import ProbabilityFlow
from genextras.training import TrainingPath
from tests.oracles.genextras_gaussian import GaussianNetwork

STD, MEAN = 0.5, 0.3
MAKERS = {
    "DDPM": genextras.DDPMScheduler,
    "DDIM, zero SNR": lambda **options: genextras.DDIMScheduler(
        rescale_betas_zero_snr=True, **options
    ),
    "multistep": genextras.MultistepScheduler,
    "EDM": genextras.EDMScheduler,
    "flow": genextras.FlowMatchScheduler,
    "flow, inverted": lambda **options: genextras.FlowMatchScheduler(invert_sigmas=True, **options),
    "VP": genextras.SDEScheduler,
    "sub-VP": lambda **options: genextras.SDEScheduler(sde="sub-vp", **options),
    "VE": lambda **options: genextras.SDEScheduler(sde="ve", **options),
    "SMLD": genextras.AnnealedLangevinScheduler,
}
ENDS = {  # of the papers' defaults
    "DDPM": (0.0100005, 157.407),
    "DDIM, zero SNR": (0.0100005, None),
    "multistep": (0.0100005, 157.407),
    "EDM": (0.002, 80.0),
    "flow": (0.001001, 1000.0),
    "flow, inverted": (0.001001, 1000.0),
    "VP": (0.010493, 152.07),
    "sub-VP": (0.000110, 152.07),
    "VE": (0.010001, 50.0),
    "SMLD": (0.01, 1.0),
}
EVERY = pytest.mark.parametrize("name", MAKERS)


@EVERY
def test_ends_are_the_levels_of_training(name):
    low, high = ProbabilityFlow(lambda x, t: x, MAKERS[name]()).ends
    known_low, known_high = ENDS[name]
    assert low == pytest.approx(known_low, rel=5e-3)
    assert 50 < high <= 1000 if known_high is None else high == pytest.approx(known_high, rel=1e-3)


@EVERY
def test_labels_and_levels_are_inverse(name):
    """At whole labels, where schedulers of betas have their levels."""
    scheduler = MAKERS[name]()
    flow = ProbabilityFlow(lambda x, t: x, scheduler)
    low, high = flow.ends
    labels = flow.labels(np.geomspace(low * 1.01, high * 0.99, 9))
    if hasattr(scheduler, "alphas_cumprod"):
        labels = np.unique(labels.round())
    np.testing.assert_allclose(flow.labels(flow.sigmas(labels)), labels, rtol=1e-3, atol=1e-3)


@EVERY
@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction", "score", "edm"])
def test_noise_is_that_of_the_definition(name, prediction):
    """The network is asked once, at x = a y, at the label of σ, and says F by its definition."""
    scheduler = MAKERS[name](prediction_type=prediction)
    gaussian, seen = GaussianNetwork(STD, MEAN), []
    config = scheduler.config
    kind = prediction
    if name == "EDM":
        kind = {"epsilon": "edm", "v_prediction": "edm_negative"}.get(prediction, prediction)
    sigma_data = config.get("sigma_data", 1.0)

    def model(x, label):
        seen.append(float(label))
        a, b = (each.item() for each in scheduler._levels(torch.tensor([whole]).double()))
        if name == "EDM":
            x = x * (b**2 + sigma_data**2) ** 0.5
        return gaussian.output(kind, x, a, b, sigma_data)

    flow = ProbabilityFlow(model, scheduler)
    whole = float(flow.labels(np.array([0.5]))[0])
    whole = float(round(whole)) if hasattr(scheduler, "alphas_cumprod") else whole
    sigma = float(flow.sigmas(np.array([whole]))[0])
    y = torch.linspace(-2, 2, 5).double()[None]
    expected = sigma * (y - MEAN) / (STD**2 + sigma**2)
    torch.testing.assert_close(flow.epsilon(y, sigma), expected, rtol=1e-4, atol=1e-5)
    assert seen == [pytest.approx(whole, rel=1e-4)]
    assert flow.n_calls == 1


def test_what_is_no_network_or_no_scheduler_is_refused():
    with pytest.raises(TypeError, match=r"^ProbabilityFlow: model must be callable, got 3\. Pass"):
        ProbabilityFlow(3, genextras.DDPMScheduler())
    with pytest.raises(TypeError, match=r"^invert: scheduler must be one of genextras, got 'int'"):
        ProbabilityFlow(lambda x, t: x, 3, "invert")


def test_options_of_another_class_are_not_taken_for_its_own():
    """A config that comes from EDM holds ``precondition``, which DDIM does not know."""
    visitor = genextras.DDIMScheduler.from_config(
        genextras.EDMScheduler(precondition=True, sigma_data=0.3).config
    )
    assert visitor.config["precondition"]
    flow = ProbabilityFlow(lambda x, t: x, visitor)
    assert (flow.prediction, flow.sigma_data) == ("epsilon", 1.0)
    edm = ProbabilityFlow(lambda x, t: x, genextras.EDMScheduler(sigma_data=0.3))
    assert (edm.prediction, edm.sigma_data) == ("edm", 0.3)


def plain_and_inverted():
    """A flow's network for Gaussian data, and the same one in time from noise to data."""

    def plain(x, t):
        time = torch.as_tensor(t, dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 1)) / 1000
        data, noise = 0.25 * (1 - time) * x, time * x
        return (noise - data) / (0.25 * (1 - time) ** 2 + time**2)

    def inverted(x, t):
        return -plain(x, 1000 - torch.as_tensor(t))

    return (plain, {}), (inverted, {"invert_sigmas": True})


def test_a_flow_whose_time_is_inverted_tells_the_same():
    x = 0.5 * torch.randn(2, 5, generator=torch.Generator().manual_seed(0)).double()
    found = []
    for network, options in plain_and_inverted():
        scheduler = genextras.FlowMatchScheduler(**options)
        likely = genextras.likelihood(network, x, scheduler, trace="exact")
        grid = genextras.optimise_grid(network, x, 4, scheduler=scheduler)
        scheduler.set_timesteps(10)
        noise = genextras.invert(network, x, scheduler)
        path = TrainingPath(scheduler)
        levels = path.levels(path.labels_at(torch.linspace(0, 0.9, 5, dtype=torch.float64)))
        found.append([likely.log_likelihood, torch.tensor(grid.sigmas), noise, *levels])
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)
