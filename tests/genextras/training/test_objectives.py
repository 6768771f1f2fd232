"""Losses equal their definitions, their least values are known, and all predictions agree."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import genextras
from genextras.training import (
    OBJECTIVES,
    WEIGHTINGS,
    Levels,
    Objective,
    TrainingPath,
    denoising_loss,
    drop_labels,
    error_weights,
    sliced_score_loss,
    weighting,
)
from genextras.training.losses import Transition, bound_term, hybrid_loss
from tests.oracles import genextras_training as oracle
from tests.oracles.genextras_gaussian import GaussianNetwork

PREDICTIONS = ["epsilon", "sample", "v_prediction", "flow_prediction", "score", "edm"]
SCHEDULERS = {
    "DDPM": genextras.DDPMScheduler,
    "EDM, preconditioned": genextras.EDMScheduler,
    "EDM": lambda **options: genextras.EDMScheduler(precondition=False, **options),
    "flow": genextras.FlowMatchScheduler,
    "VE": lambda **options: genextras.SDEScheduler(sde="ve", **options),
    "sub-VP": lambda **options: genextras.SDEScheduler(sde="sub-vp", **options),
    "multistep": genextras.MultistepScheduler,
}
ANGLES = st.floats(0.05, 1.5)


def levels_at(a, b, weights, n=1):
    one = torch.ones(n, dtype=torch.float64)
    return Levels(labels=one, a=a * one, b=b * one, weights=weights * one, scales=one)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", WEIGHTINGS)
@settings(max_examples=20, deadline=None)
@given(angle=ANGLES, seed=st.integers(0, 9999))
def test_every_prediction_has_the_same_loss_and_gradient_of_x0(prediction, name, angle, seed):
    a, b = math.cos(angle), math.sin(angle)
    generator = torch.Generator().manual_seed(seed)
    data, noise, predicted = torch.randn(3, 1, 5, dtype=torch.float64, generator=generator)
    predicted.requires_grad_()
    scales = tuple(torch.tensor([each], dtype=torch.float64) for each in (a, b))
    weights = error_weights(name, prediction, scales, 0.5)
    implied = (a * data + b * noise - a * predicted) / b  # the noise that x_0 = predicted implies
    output = oracle.target(prediction, predicted, implied, a, b, 0.5)
    loss = denoising_loss(
        output,
        data,
        noise,
        levels_at(a, b, weights),
        prediction=prediction,
        sigma_data=0.5,
    )
    lam = oracle.weight(name, a, b, 0.5)
    expected = lam * (predicted - data).square().mean()
    torch.testing.assert_close(loss[0], expected, rtol=1e-9, atol=1e-12)
    (gradient,) = torch.autograd.grad(loss.sum(), predicted)
    torch.testing.assert_close(
        gradient, 2 * lam * (predicted - data).detach() / 5, rtol=1e-9, atol=1e-12
    )
    torch.testing.assert_close(weighting(name, *scales, 0.5)[0].item(), lam, rtol=1e-9, atol=0)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("maker", SCHEDULERS)
def test_a_step_recovers_the_data_from_the_target_that_training_sets(maker, prediction):
    scheduler = SCHEDULERS[maker](prediction_type=prediction)
    path = TrainingPath(scheduler)
    scheduler.set_timesteps(5)
    t = scheduler.timesteps[2]
    a, b = path.levels(t[None].double())
    generator = torch.Generator().manual_seed(0)
    data = (0.3 * torch.randn(1, 6, generator=generator, dtype=torch.float64)).clamp(-1, 1)
    noise = torch.randn(1, 6, generator=generator, dtype=torch.float64)
    x = scheduler.add_noise(data, noise, t[None])
    torch.testing.assert_close(x, a * data + b * noise, rtol=1e-6, atol=1e-6)  # float32 labels
    target = oracle.target(path.prediction, data, noise, a.item(), b.item(), path.sigma_data)
    asked = []

    def network(door, labels):
        asked.append((door, labels))
        return target

    levels = Levels(t[None].double(), a, b, torch.ones(1), path.input_scale(a, b))
    assert Objective().loss(network, path, data, noise, levels).item() < 1e-12
    [(door, labels)] = asked
    torch.testing.assert_close(door, scheduler.scale_model_input(x, t), rtol=1e-5, atol=1e-6)
    assert float(labels) == float(t)
    found = scheduler.step(target, t, x).pred_original_sample
    torch.testing.assert_close(found, data, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if n != "sliced"])
@pytest.mark.parametrize("maker", ["DDPM", "EDM", "flow"])
def test_the_least_loss_on_gaussian_data_is_the_posterior_variance(name, maker):
    """E‖D - x_0‖²/d at the best D is s² b² / (a² s² + b²), at every level."""
    prediction = "v_prediction"
    path, n = TrainingPath(SCHEDULERS[maker](prediction_type=prediction)), 40_000
    objective, generator = OBJECTIVES[name], torch.Generator().manual_seed(1)
    draw = objective.draw(path, 4, generator=generator)
    levels = Levels(*(each.repeat_interleave(n) for each in draw.levels))
    data = oracle.MEAN + oracle.STD * torch.randn(
        4 * n, 1, dtype=torch.float64, generator=generator
    )
    noise = torch.randn(4 * n, 1, dtype=torch.float64, generator=generator)
    best, a, b = GaussianNetwork(oracle.STD, oracle.MEAN), levels.a[:, None], levels.b[:, None]

    def network(door, labels):
        x = door / levels.scales[:, None]
        x_0 = best.data(x, a, b)
        return a * (x - a * x_0) / b - b * x_0

    loss = objective.loss(network, path, data, noise, levels).view(4, n).mean(1)
    a, b = draw.levels.a, draw.levels.b
    variance = oracle.STD**2 * b**2 / (a**2 * oracle.STD**2 + b**2)
    to_data = (a**2 + b**2) / b  # of an error of v
    expected = draw.levels.weights * to_data**2 * variance
    torch.testing.assert_close(loss, expected, rtol=0.05, atol=0)  # 1/√40000 · √2 · 7 deviations


def test_the_least_sliced_loss_on_gaussian_data_is_minus_half_the_share_of_noise():
    generator = torch.Generator().manual_seed(0)
    a, b, n = 0.8, 0.6, 20_000
    variance = (a * oracle.STD) ** 2 + b**2
    x = a * oracle.MEAN + variance**0.5 * torch.randn(n, 3, generator=generator)
    levels = Levels(*(each.float() for each in levels_at(a, b, 1.0, n)))

    def score(slope):
        return lambda x: -slope * (x - a * oracle.MEAN) / variance

    options = {"prediction": "score", "generator": generator}
    losses = [sliced_score_loss(score(k), x, levels, **options).mean() for k in (0.9, 1.0, 1.1)]
    least = -(b**2) / (2 * variance)
    torch.testing.assert_close(losses[1].item(), least, rtol=0.03, atol=0)  # 60,000 squares
    assert losses[1] < losses[0]
    assert losses[1] < losses[2]


def test_sliced_and_denoising_score_matching_have_the_same_gradient_on_average():
    n, a, b = 60_000, 0.8, 0.6
    generator = torch.Generator().manual_seed(3)
    data, noise = torch.randn(2, n, 2, generator=generator)
    levels = Levels(*(each.float() for each in levels_at(a, b, 1.0, n)))
    gradients = []
    x, slope = a * data + b * noise, torch.tensor(0.5, requires_grad=True)
    sliced = sliced_score_loss(
        lambda x: slope * x, x, levels, prediction="epsilon", generator=generator
    )
    denoising = denoising_loss(slope * x, data, noise, levels, prediction="epsilon")
    for loss in (sliced, denoising):
        gradients.append(torch.autograd.grad(loss.mean(), slope)[0].item())
    # d/dk of k²/2 - b k against (b - k)²: twice the other
    assert 2 * gradients[0] == pytest.approx(gradients[1], abs=0.03)


def test_a_term_of_the_bound_is_the_divergence_of_the_two_posteriors():
    path = TrainingPath(genextras.DDPMScheduler(variance_type="learned_range"))
    labels = torch.tensor([0, 3, 500, 999])
    step = Transition(*path.shares(labels))
    scheduler = path.scheduler
    generator = torch.Generator().manual_seed(0)
    data, x, predicted = torch.rand(3, 4, 2, generator=generator, dtype=torch.float64) - 0.5
    variance = torch.full((4, 2), 0.01, dtype=torch.float64)
    found = bound_term(data, x, predicted, variance, step)
    shares = scheduler.alphas_cumprod.double()
    for i, t in enumerate(labels.tolist()):
        now, before = shares[t], shares[t - 1] if t else torch.tensor(1.0).double()
        beta = 1 - now / before
        means = [
            before.sqrt() * beta / (1 - now) * x_0
            + (now / before).sqrt() * (1 - before) / (1 - now) * x[i]
            for x_0 in (data[i], predicted[i])
        ]
        if t:
            true = (1 - before) / (1 - now) * beta
            expected = oracle.gaussian_kl(means[0], true, means[1], variance[i])
        else:  # the probability of the byte around data
            law = torch.distributions.Normal(means[1], variance[i] ** 0.5)
            expected = -(law.cdf(data[i] + 1 / 255) - law.cdf(data[i] - 1 / 255)).log()
        torch.testing.assert_close(found[i], expected.mean(), rtol=1e-6, atol=1e-9)


def test_the_bound_moves_the_variance_alone_and_its_best_value_is_the_true_one():
    path = TrainingPath(genextras.DDPMScheduler(variance_type="learned_range"))
    n, labels = 30_000, torch.tensor([300])
    generator = torch.Generator().manual_seed(0)
    data = (0.2 * torch.randn(n, 1, 1, 1, generator=generator)).clamp(-1, 1)
    noise = torch.randn(n, 1, 1, 1, generator=generator)
    a, b = (each.float().expand(n) for each in path.levels(labels.double()))
    one = torch.ones(n)
    step = Transition(*(each.expand(n) for each in path.shares(labels)))
    raw = torch.zeros(1, requires_grad=True)
    guess = torch.full_like(noise, 0.2, requires_grad=True)
    output = torch.cat([guess, raw.expand(n, 1, 1, 1)], 1)
    kind = {"prediction": "epsilon", "variance_type": "learned_range"}
    levels = Levels(labels.expand(n), a, b, one, one)
    loss = hybrid_loss(output, data, noise, levels, step, share=1.0, **kind).mean()
    moves = torch.autograd.grad(loss, [guess, raw])
    simple = denoising_loss(guess, data, noise, levels, prediction="epsilon").mean()
    torch.testing.assert_close(moves[0], torch.autograd.grad(simple, guess)[0])
    assert moves[1].abs() > 1e-6


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_labels_are_dropped_at_their_rate(rate):
    labels = torch.arange(10).repeat(1000)
    found = drop_labels(labels, rate, null=10, generator=torch.Generator().manual_seed(0))
    share = (found == 10).float().mean().item()
    assert abs(share - rate) < 5 * math.sqrt(rate * (1 - rate) / 10_000) + 1e-9
    assert torch.equal(found[found != 10], labels[found != 10])


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(
        ValueError, match=r"weighting must be one of .*'p2', got 'min_snr'. Did you mean 'min-snr'"
    ):
        Objective(weighting="min_snr")
    with pytest.raises(ValueError, match=r"levels must be one of .* Did you mean 'log-normal'"):
        Objective(levels="lognormal")
    with pytest.raises(ValueError, match="Did you mean 'gamma'"):
        Objective(weighting="min-snr", options={"gama": 2.0})
    with pytest.raises(ValueError, match="mean and std must be left out, got"):
        Objective(mean=0.0)
    with pytest.raises(TypeError, match="scheduler must be one of genextras"):
        TrainingPath(object())
    with pytest.raises(ValueError, match="prediction_type must be invertible"):
        TrainingPath(genextras.DDIMScheduler(rescale_betas_zero_snr=True))
