"""Samplers side by side, and bits per dimension, with networks that are exact."""

import math
import re

import diffusers
import pytest
import torch

import genextras
from genextras.evaluation import SamplerComparison, bits_per_dim, compare_samplers
from tests.genextras.denoisers.networks import make, noise
from tests.oracles.genextras_gaussian import GaussianNetwork, levels_of

DDIM = {"clip_sample": False, "timestep_spacing": "trailing"}


class Counted:
    """A perfect ε for Gaussian data that counts how often it is asked."""

    def __init__(self):
        self.scheduler, self.n_calls = genextras.DDIMScheduler(**DDIM), 0

    def __call__(self, x, t):
        self.n_calls += 1
        a, b = levels_of(self.scheduler, t)
        return GaussianNetwork().output("epsilon", x, a, b).to(x.dtype)


def schedulers():
    return {
        "DDIM": genextras.DDIMScheduler(**DDIM),
        "theirs": diffusers.DDIMScheduler(**DDIM),
    }


def data(n=200):
    return 0.3 + 0.5 * noise(n, 2, seed=9)


def compare(**options):
    generator = torch.Generator().manual_seed(0)
    options = {"data": data(), "generator": generator} | options
    return compare_samplers(Counted(), schedulers(), [4, 16], **options)


def test_more_calls_are_better_and_the_seed_decides():
    result = compare(n_repeats=2)
    for name in schedulers():
        mean, error = result.summary(name)
        assert mean[1] < mean[0]
        assert error.isfinite().all()
        assert torch.equal(compare(n_repeats=2).scores[name], result.scores[name])
    assert not torch.equal(result.scores["DDIM"][:, 0], result.scores["DDIM"][:, 1])


def test_batches_start_anew():
    """A multistep solver's past must not reach the next batch: each is a run of its own."""
    halves, used = [], []
    model, scheduler = Counted(), genextras.MultistepScheduler()

    def keep(made, _):
        halves.append(made)
        return 0.0

    options = {"data": data(64), "measure": keep, "n_repeats": 1}
    for size in (32, 64):
        used.append(model.n_calls)
        generator = torch.Generator().manual_seed(0)
        compare_samplers(
            model, {"m": scheduler}, [5], batch_size=size, generator=generator, **options
        )
    assert model.n_calls == 10 + 5
    torch.testing.assert_close(halves[0][:32], halves[1][:32])  # draws come in sixteens


@pytest.mark.parametrize("calls", [5, 6])
def test_heun_makes_no_more_calls_than_it_may(calls):
    model = Counted()

    def network(x, t):
        model.n_calls += 1
        return 0 * x

    scheduler = genextras.EDMScheduler()
    options = {"data": data(), "n_repeats": 1}
    result = compare_samplers(network, {"Heun": scheduler}, [calls], **options)
    assert result.used == {"Heun": [5]}
    assert model.n_calls == 5
    assert ("(5 calls)" in str(result)) == (calls == 6)


def test_a_model_of_diffusers_is_taken_and_one_for_each_scheduler():
    images = noise(8, 2, 4, 4)
    names = schedulers()
    result = compare_samplers(
        dict.fromkeys(names, make("DiT")), names, [2], data=images, n_repeats=1, n_samples=6
    )
    assert result.scores["DDIM"].shape == (1, 1)
    assert math.isnan(result.summary("DDIM")[1])


@pytest.mark.parametrize("measure", ["sliced Wasserstein", "MMD", "Fréchet distance"])
def test_every_measure_sees_the_difference(measure):
    result = compare(measure=measure, n_repeats=1)
    assert result.scores["DDIM"][1] < result.scores["DDIM"][0]
    assert str(result).startswith(f"| {measure}")


def test_the_table_is_one_of_markdown():
    lines = str(compare(n_repeats=2)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 4
    assert re.fullmatch(r"\| DDIM +\| .+ ± .+\| .+ ± .+\|", lines[2])


def test_the_picture_has_a_line_for_each_sampler(tmp_path):
    display = compare(n_repeats=2).plot()
    [ax] = display.axes_
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["DDIM", "theirs"]
    assert ax.get_ylabel() == "energy distance"
    assert ax.get_yscale() == "log"
    display.figure_.savefig(tmp_path / "comparison.png")
    below = SamplerComparison([1], {"a": torch.tensor([[-1.0]])}, {"a": [1]}, "loss")
    assert below.plot().axes_[0].get_yscale() == "linear"


def test_what_cannot_be_compared_is_refused():
    network, good = Counted(), {"data": data(), "n_repeats": 1}
    ddim = {"DDIM": schedulers()["DDIM"]}
    with pytest.raises(TypeError, match="schedulers must be a mapping by names"):
        compare_samplers(network, [ddim], [5], **good)
    with pytest.raises(TypeError, match="calls must be a list"):
        compare_samplers(network, ddim, 5, **good)
    with pytest.raises(ValueError, match="calls must be"):
        compare_samplers(network, ddim, [0], **good)
    many = {"n": genextras.AnnealedLangevinScheduler(n_each=4)}
    with pytest.raises(ValueError, match="calls must be at least 4 for 'n'"):
        compare_samplers(network, many, [2], **good)
    with pytest.raises(ValueError, match="measure must be one of"):
        compare_samplers(network, ddim, [5], measure="fid", **good)
    with pytest.raises(TypeError, match="callable for 'DDIM'"):
        compare_samplers({}, ddim, [5], **good)
    with pytest.raises(TypeError, match="data must be a Tensor of floats"):
        compare_samplers(network, ddim, [5], data=[1.0])


def test_bits_of_a_perfect_network_are_those_of_the_gaussian():
    scheduler, x, quantum = genextras.FlowMatchScheduler(), data(24), 0.01

    def network(x, t):
        a, b = levels_of(scheduler, t)
        return GaussianNetwork().output("flow_prediction", x, a, b)

    words = {"quantum": quantum, "trace": "exact", "block": 10}
    result = bits_per_dim(
        network, x, scheduler, generator=torch.Generator().manual_seed(0), **words
    )
    logs = torch.distributions.Normal(0.3, 0.5).log_prob(x).mean(1)
    exact = -(logs + math.log(quantum)) / math.log(2)
    # noise of half a quantum moves a density of spread 0.5 by 0.5% three spreads out
    torch.testing.assert_close(result.samples, exact.double(), rtol=0, atol=0.06)
    assert result.mean == pytest.approx(result.samples.mean().item())
    assert result.standard_error == pytest.approx(result.samples.std().item() / math.sqrt(24))
    with pytest.raises(ValueError, match="quantum must be"):
        bits_per_dim(network, x, scheduler, quantum=0.0)


def test_bits_of_a_denoiser():
    options = {"quantum": 2 / 255, "tolerance": 1e-2, "generator": torch.Generator().manual_seed(0)}
    made = bits_per_dim(
        make("MLPDenoiser"), noise(3, 2, 4, 4), genextras.DDPMScheduler(), **options
    )
    assert made.samples.isfinite().all()
