"""The likelihood of Gaussian data is known: in every family, for every prediction, to 1e-3 bits."""

import math

import numpy as np
import pytest
import torch

import genextras
from tests.oracles.genextras_gaussian import GaussianNetwork

STD, MEAN, SHAPE = 0.5, 0.3, (6, 3, 4)
SD = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
MAKERS = {
    "DDPM": genextras.DDPMScheduler,
    "DDIM, Stable Diffusion": lambda **options: genextras.DDIMScheduler(**SD, **options),
    "multistep": genextras.MultistepScheduler,
    "EDM": lambda **options: genextras.EDMScheduler(precondition=False, **options),
    "flow": genextras.FlowMatchScheduler,
    "VP": genextras.SDEScheduler,
    "sub-VP": lambda **options: genextras.SDEScheduler(sde="sub-vp", **options),
    "VE": lambda **options: genextras.SDEScheduler(sde="ve", **options),
    "SMLD": lambda **options: genextras.AnnealedLangevinScheduler(sigma_max=100.0, **options),
}
PREDICTIONS = ["epsilon", "sample", "v_prediction", "flow_prediction", "score", "edm"]


def levels(scheduler, label):
    """(a, b) that a label means; between whole labels log σ is interpolated."""
    if not hasattr(scheduler, "alphas_cumprod"):
        return [each.item() for each in scheduler._levels(torch.as_tensor(label).double()[None])]
    shares = scheduler.alphas_cumprod.double().numpy()
    logs = 0.5 * np.log((1 - shares) / shares)
    sigma = math.exp(np.interp(float(label), np.arange(len(logs)), logs))
    return (1 + sigma**2) ** -0.5, sigma * (1 + sigma**2) ** -0.5


def perfect(scheduler, prediction):
    """A network that knows the data's law, and the level by its label alone."""
    gaussian, config = GaussianNetwork(STD, MEAN), scheduler.config
    std = config.get("sigma_data", 1.0)

    def model(x, label):
        a, b = levels(scheduler, label)
        if isinstance(scheduler, genextras.EDMScheduler):  # undo what scale_model_input does
            x = x * (b**2 + (a * (std if config["precondition"] else 1.0)) ** 2) ** 0.5
        return gaussian.output(prediction, x, a, b, std)

    return model


def data(seed=0):
    return MEAN + STD * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def exact_bits(x):
    logs = -0.5 * ((x - MEAN) / STD) ** 2 - math.log(STD * math.sqrt(2 * math.pi))
    return -logs.double().flatten(1).mean(1) / math.log(2)


@pytest.mark.parametrize("name", MAKERS)
def test_bits_per_dimension_of_a_gaussian(name):
    scheduler, x = MAKERS[name](prediction_type="epsilon"), data()
    found = genextras.likelihood(perfect(scheduler, "epsilon"), x, scheduler)
    assert (found.bits_per_dim - exact_bits(x)).abs().max() < 1e-3  # the bound
    assert found.log_likelihood.dtype is torch.float64
    expected = -found.bits_per_dim * 12 * math.log(2)
    torch.testing.assert_close(found.log_likelihood, expected)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", ["DDPM", "flow", "VE"])
def test_any_kind_of_prediction(name, prediction):
    scheduler, x = MAKERS[name](prediction_type=prediction), data()
    found = genextras.likelihood(perfect(scheduler, prediction), x, scheduler)
    assert (found.bits_per_dim - exact_bits(x)).abs().max() < 1e-3


def test_the_prior_of_the_literature_costs_the_data_their_mean():
    """N(0, 1) at σ_T in place of N(m, σ_T² + s²): E[m²] / 2σ_T² nats, for a mean of one sample."""
    scheduler, x = MAKERS["SMLD"](prediction_type="score"), data().double()
    model = perfect(scheduler, "score")
    fitted, noise = (
        genextras.likelihood(model, x, scheduler, prior=prior, tolerance=1e-8).log_likelihood
        for prior in ("fitted", "noise")
    )
    spread = math.sqrt(100.0**2 + STD**2)  # σ_T and the data's own
    y = MEAN + spread * (x - MEAN).flatten(1) / STD
    logs = [
        torch.distributions.Normal(*law).log_prob(y).sum(1)
        for law in ((MEAN, spread), (0.0, 100.0))
    ]
    torch.testing.assert_close(fitted - noise, logs[0] - logs[1], rtol=0, atol=1e-5)


def test_a_preconditioned_network_sees_a_scaled_input():
    scheduler, x = genextras.EDMScheduler(), data()
    found = genextras.likelihood(perfect(scheduler, "edm"), x, scheduler)
    assert (found.bits_per_dim - exact_bits(x)).abs().max() < 1e-3


def mixing(x, label):
    """A network whose Jacobian is neither diagonal nor the same everywhere."""
    turned = torch.tanh(x).roll(1, dims=-1) + 0.5 * x.flip(-1)
    return turned * torch.sigmoid(label / 1000)


def test_probes_average_to_the_exact_trace():
    """The error of n random signs falls as 1/√n; 32 of them leave a sixth of one's."""
    scheduler, x = genextras.DDPMScheduler(), data()[:2]
    options = {"tolerance": 1e-2, "prior": "noise"}  # the same steps in all, so the same bias
    exact = genextras.likelihood(mixing, x, scheduler, trace="exact", **options).log_likelihood

    def error(n_probes, seed):
        options["generator"] = torch.Generator().manual_seed(seed)
        found = genextras.likelihood(mixing, x, scheduler, n_probes=n_probes, **options)
        return (found.log_likelihood - exact).square().mean().sqrt().item()

    one = sum(error(1, seed) for seed in range(6)) / 6
    assert error(32, 99) < one / 2.5
    assert one > 0.05  # else there is nothing to average


def test_the_exact_trace_is_that_of_autograd():
    """Against the determinant of the whole flow's Jacobian, for one sample of three numbers."""
    scheduler, x = genextras.FlowMatchScheduler(), data().double()[:1, :1, :3]
    options = {"tolerance": 1e-6, "prior": "noise"}
    exact = genextras.likelihood(mixing, x, scheduler, trace="exact", **options)
    step, rows = 1e-4, []
    for i in range(3):
        shift = step * torch.eye(3, dtype=torch.float64)[i].view(1, 1, 3)
        ahead, behind = (
            genextras.likelihood(mixing, x + sign * shift, scheduler, **options).latent
            for sign in (1, -1)
        )
        rows.append((ahead - behind).flatten() / (2 * step))
    volume = torch.linalg.slogdet(torch.stack(rows)).logabsdet
    normal = -0.5 * (exact.latent**2).sum() - 1.5 * math.log(2 * math.pi)
    # the solver leaves 1e-6 of x, and so 1e-2 of the difference of two
    torch.testing.assert_close(exact.log_likelihood[0], normal + volume, rtol=0, atol=1e-2)


def test_the_latent_is_standard_normal_noise():
    scheduler, x = genextras.FlowMatchScheduler(), data()
    found = genextras.likelihood(perfect(scheduler, "flow_prediction"), x, scheduler)
    torch.testing.assert_close(found.latent, (x - MEAN) / STD, rtol=0, atol=2e-3)
    assert found.n_calls > 0


def test_a_seed_decides_and_the_global_generator_is_left_alone():
    scheduler, x = genextras.DDPMScheduler(), data()[:2]
    before = torch.get_rng_state()
    made = [
        genextras.likelihood(
            mixing, x, scheduler, generator=torch.Generator().manual_seed(seed), tolerance=1e-3
        ).log_likelihood
        for seed in (1, 1, 2)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_bytes_scaled_to_one_unit_cost_more_bits_than_their_density():
    scheduler, x = genextras.FlowMatchScheduler(), data()
    model = perfect(scheduler, "flow_prediction")
    plain, fine = (
        genextras.likelihood(model, x, scheduler, quantum=q).bits_per_dim for q in (1.0, 2 / 255)
    )
    torch.testing.assert_close(fine - plain, torch.full_like(plain, math.log2(255 / 2)))


def test_nothing_handed_in_is_changed():
    scheduler, x = genextras.DDPMScheduler(), data()
    copy, config = x.clone(), dict(scheduler.config)
    genextras.likelihood(mixing, x, scheduler, tolerance=1e-2)
    assert torch.equal(x, copy)
    assert not x.requires_grad
    assert dict(scheduler.config) == config


X = data()
BAD = [
    ({"x": X.int()}, TypeError, "x must be a Tensor of floats"),
    ({"x": [1.0]}, TypeError, "x must be a Tensor of floats"),
    ({"x": X * torch.nan}, ValueError, "x must be finite"),
    ({"x": X[0, 0]}, ValueError, "x must be finite, of shape"),
    ({"model": 3}, TypeError, "model must be callable"),
    ({"model": torch.no_grad()(mixing)}, ValueError, "model must be differentiable"),
    ({"scheduler": "DDPM"}, TypeError, "scheduler must be one of genextras"),
    ({"trace": "hutchinsen"}, ValueError, "Did you mean 'hutchinson'"),
    ({"prior": "nose"}, ValueError, "Did you mean 'noise'"),
    ({"n_probes": 0}, ValueError, "n_probes must be"),
    ({"n_probes": 1.5}, TypeError, "n_probes must be"),
    ({"tolerance": 0.0}, ValueError, "tolerance must be"),
    ({"quantum": -1.0}, ValueError, "quantum must be"),
]


@pytest.mark.parametrize(("wrong", "kind", "text"), BAD)
def test_bad_input_is_refused_in_one_form(wrong, kind, text):
    given = {"model": mixing, "x": X, "scheduler": genextras.DDPMScheduler(), **wrong}
    with pytest.raises(kind, match=f"^likelihood: .*{text}"):
        genextras.likelihood(**given)
