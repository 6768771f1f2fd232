"""Around a perfect F the wrapper is a perfect network for every scheduler."""

import diffusers
import numpy as np
import pytest
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

import genextras
from genextras.denoisers import EDMPreconditioned, MLPDenoiser
from genextras.denoisers.base import DenoiserOutput
from genextras.probability_flow import ProbabilityFlow
from tests.genextras.denoisers.networks import (
    assert_close_answers,
    assert_same_weights,
    awake,
    make,
    noise,
)
from tests.oracles.genextras_gaussian import GaussianNetwork, levels_of

PATHS = {
    "DDPM": (genextras.DDPMScheduler, {"clip_sample": False}),
    "zero terminal SNR": (
        genextras.DDIMScheduler,
        {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
    ),
    "sample": (genextras.DDIMScheduler, {"prediction_type": "sample"}),
    "flow": (genextras.FlowMatchScheduler, {}),
    "EDM": (genextras.EDMScheduler, {"precondition": False, "prediction_type": "sample"}),
    "EDM, epsilon": (genextras.EDMScheduler, {"precondition": False}),
    "EDM, v": (
        genextras.EDMScheduler,
        {"precondition": False, "prediction_type": "v_prediction"},
    ),
    "VE": (genextras.SDEScheduler, {"sde": "ve"}),
    "sub-VP": (genextras.SDEScheduler, {"sde": "sub-vp"}),
}
every = pytest.mark.parametrize("path", PATHS)


class PerfectF(ModelMixin, ConfigMixin):
    """EDM's F for Gaussian data, from the label log(σ)/4 and x of unit variance."""

    @register_to_config
    def __init__(self, sigma_data: float = 0.5):
        super().__init__()
        self.register_to_config(sample_size=(), in_channels=2, out_channels=2)

    def forward(self, sample, timestep):
        law, std = GaussianNetwork(), self.config["sigma_data"]
        rows = []
        for x, label in zip(sample, timestep.expand(len(sample)).tolist(), strict=True):
            sigma = torch.tensor(4 * label).double().exp().item()
            norm = (sigma**2 + std**2) ** 0.5
            rows.append(law.output("edm", x * norm, 1.0, sigma, std))
        return DenoiserOutput(sample=torch.stack(rows))


@every
def test_a_perfect_network_inside_is_one_outside(path):
    make_scheduler, options = PATHS[path]
    scheduler = make_scheduler(**options)
    model = EDMPreconditioned(PerfectF(), scheduler)
    prediction = scheduler.config.prediction_type
    low, high = ProbabilityFlow(lambda x, t: x, scheduler).ends
    for sigma in torch.logspace(*torch.tensor([max(low, 1e-2), min(high, 50.0)]).log10(), 5):
        [label] = scheduler._labels_of(sigma.double().numpy().reshape(1))
        a, b = levels_of(scheduler, float(label))
        x = a * noise(3, 2).double() * 0.5 + b * noise(3, 2, seed=1).double()
        seen = (a**2 + b**2) ** -0.5 if isinstance(scheduler, genextras.EDMScheduler) else 1.0
        expected = GaussianNetwork().output(prediction, x, a, b)
        made = model(x * seen, torch.full((3,), float(label)).double()).sample
        # labels pass the network as float32: σ to 1e-6 of itself
        torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4 * max(1.0, 1 / b))


@every
def test_its_samples_are_those_of_the_gaussian_flow(path):
    make_scheduler, options = PATHS[path]
    if make_scheduler is genextras.SDEScheduler:
        options = {**options, "predictor": "ode_heun"}
    scheduler = make_scheduler(**options)
    model = EDMPreconditioned(PerfectF(), scheduler)
    scheduler.set_timesteps(60)
    x = noise(2000, 2) * scheduler.init_noise_sigma
    generator = torch.Generator().manual_seed(2)
    words = {} if path == "flow" else {"generator": generator}
    with torch.no_grad():
        for t in scheduler.timesteps:
            x = scheduler.step(_fast(model, scheduler.scale_model_input(x, t), t), t, x, **words)[0]
    assert abs(x.mean().item() - 0.3) < 0.06
    assert abs(x.std().item() - 0.5) < 0.06


def _fast(model, x, t):
    """One answer for points that are asked at one level: the network is linear in x."""
    ends = torch.stack([torch.zeros(2), torch.ones(2)])
    low, high = model(ends, t.reshape(-1).float()).sample
    return low + x * (high - low)


@every
def test_it_returns_from_its_folder(path, tmp_path):
    make_scheduler, options = PATHS[path]
    model = EDMPreconditioned(make("DiT"), make_scheduler(**options), sigma_data=0.7)
    model.save_pretrained(tmp_path)
    again = EDMPreconditioned.from_pretrained(tmp_path)
    x = noise(2, 2, 4, 4)
    labels = torch.tensor([1, 2])
    assert_same_weights(again, model)
    assert_close_answers(again(x, 1, labels).sample, model(x, 1, labels).sample)


def test_a_unet_of_diffusers_fits_inside_and_into_pipelines(tmp_path):
    unet = diffusers.UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
    )
    model = EDMPreconditioned(awake(unet), genextras.DDPMScheduler(), label_scale=250.0)
    pipe = diffusers.DDPMPipeline(model, genextras.DDPMScheduler())
    pipe.save_pretrained(tmp_path)
    loaded = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    images = []
    for each in (pipe, loaded):
        each.set_progress_bar_config(disable=True)
        generator = torch.Generator().manual_seed(0)
        images.append(each(num_inference_steps=3, generator=generator, output_type="np").images)
    assert_same_weights(loaded.unet, pipe.unet)
    np.testing.assert_allclose(*images, rtol=0, atol=1e-5)


def test_checkpoints_reach_the_network_inside():
    model = EDMPreconditioned(make("DiT"), genextras.DDPMScheduler())
    model.enable_gradient_checkpointing()
    assert model.inner.gradient_checkpointing


def test_bad_parts_are_refused():
    inside, scheduler = MLPDenoiser(2), genextras.DDPMScheduler()
    with pytest.raises(ValueError, match="precondition must be False, got True"):
        EDMPreconditioned(inside, genextras.EDMScheduler())
    with pytest.raises(TypeError, match="scheduler must be an object or its config"):
        EDMPreconditioned(inside, 3)
    with pytest.raises(TypeError, match="network must be an object or its config"):
        EDMPreconditioned(torch.nn.Linear(2, 2), scheduler)
    with pytest.raises(
        ValueError, match=r"network must be with a _class_name of .* 'DDPMPipeline'"
    ):
        EDMPreconditioned({"_class_name": "DDPMPipeline"}, scheduler)
    with pytest.raises(ValueError, match="scheduler must be with a _class_name"):
        EDMPreconditioned(inside, {"_class_name": "Adam"})
    with pytest.raises(ValueError, match="sigma_data must be"):
        EDMPreconditioned(inside, scheduler, sigma_data=0.0)
