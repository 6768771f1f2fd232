"""Every denoiser is a model of diffusers: files, pipelines, checkpoints, bad input."""

import copy

import diffusers
import numpy as np
import pytest
import torch

import genextras
from tests.genextras.denoisers.networks import (
    MAKERS,
    assert_close_answers,
    assert_same_weights,
    make,
    noise,
)

PIPELINES = {
    "ours under DDPM": (diffusers.DDPMPipeline, genextras.DDPMScheduler),
    "theirs under DDPM": (diffusers.DDPMPipeline, diffusers.DDPMScheduler),
    "ours under DDIM": (diffusers.DDIMPipeline, genextras.DDIMScheduler),
}
every = pytest.mark.parametrize("name", MAKERS)


def pictures(pipe):
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    return pipe(batch_size=2, num_inference_steps=3, generator=generator, output_type="np").images


def words(model):
    """A config without what diffusers notes for itself."""
    return {name: value for name, value in model.config.items() if not name.startswith("_")}


@every
def test_a_model_returns_from_its_folder(name, tmp_path):
    model = make(name)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert words(again) == words(model)
    assert (tmp_path / "diffusion_pytorch_model.safetensors").exists()
    x, labels = noise(2, 2, 4, 4), torch.tensor([0, 3])
    assert_same_weights(again, model)
    assert_close_answers(again(x, 7, labels).sample, model(x, 7, labels).sample)


@every
@pytest.mark.parametrize("case", PIPELINES)
def test_a_model_runs_in_pipelines_and_returns_from_their_folder(name, case, tmp_path):
    pipeline, scheduler = PIPELINES[case]
    pipe = pipeline(make(name), scheduler())
    made = pictures(pipe)
    pipe.save_pretrained(tmp_path)
    loaded = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    assert type(loaded.unet) is type(pipe.unet)
    assert_same_weights(loaded.unet, pipe.unet)
    np.testing.assert_allclose(pictures(loaded), made, rtol=0, atol=1e-5)


@every
def test_an_untrained_model_says_nothing(name):
    model = MAKERS[name]()
    assert not model(noise(2, 2, 4, 4), 5, torch.tensor([0, 1])).sample.any()


@every
def test_checkpoints_change_no_gradient(name):
    x, labels = noise(2, 2, 4, 4), torch.tensor([0, 2])
    gradients = []
    for is_kept in (False, True):
        model = make(name).train()
        if is_kept:
            model.enable_gradient_checkpointing()
        model(x, 7, labels).sample.square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for plain, kept in zip(*gradients, strict=True):
        torch.testing.assert_close(kept, plain, rtol=0, atol=1e-6 * float(plain.abs().max()))


@every
def test_checkpoints_keep_less(name):
    kept = []
    for enable in (False, True):
        model, seen = make(name, num_layers=8).train(), {}
        if enable:
            model.enable_gradient_checkpointing()

        def pack(tensor, seen=seen):
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
        x = noise(64, 2, 4, 4)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = model(x, 7).sample  # holds what was seen
        kept.append(sum(size for place, size in seen.items() if place not in parameters))
        assert output.requires_grad
    assert kept[1] < 0.4 * kept[0]


@every
def test_no_class_is_one_more_label(name):
    model, x = make(name), noise(3, 2, 4, 4)
    nothing = model(x, 7).sample
    assert torch.equal(model(x, 7, torch.full((3,), 3)).sample, nothing)
    assert not torch.allclose(model(x, 7, torch.zeros(3, dtype=torch.long)).sample, nothing)


@every
def test_each_sample_has_its_own_level_and_class(name):
    model, x = make(name), noise(3, 2, 4, 4)
    levels, classes = torch.tensor([1.0, 50.5, 999.0]), torch.tensor([2, 0, 3])
    together = model(x, levels, classes).sample
    for i in range(3):
        alone = model(x[i : i + 1], levels[i], classes[i : i + 1]).sample
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-5)


@every
def test_outputs_have_the_channels_and_the_form_that_are_asked_for(name):
    model, x = make(name, out_channels=4), noise(2, 2, 4, 4)
    assert model(x, 1).sample.shape == (2, 4, 4, 4)
    [alone] = model(x, 1, return_dict=False)
    assert torch.equal(alone, model(x, 1).sample)
    assert copy.deepcopy(model).to(torch.bfloat16)(x.bfloat16(), 1).sample.dtype == torch.bfloat16


@every
def test_one_graph_holds_the_whole_model(name):
    model, x = make(name), noise(2, 2, 4, 4)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, torch.tensor(7.0)).sample, model(x, 7).sample)


BAD_INPUT = {
    "channels": ((noise(2, 3, 4, 4), 1), ValueError, r"sample must be of shape \(B, 2, 4, 4\)"),
    "axes": ((noise(2, 2), 1), ValueError, "sample must be of shape"),
    "levels": ((noise(2, 2, 4, 4), torch.ones(3)), ValueError, "timestep must be 1 or 2 labels"),
    "unknown class": (
        (noise(2, 2, 4, 4), 1, torch.tensor([0, 4])),
        ValueError,
        r"class_labels must be 2 whole numbers in \[0, 3\], got \(0, 4\). 3 stands for no class",
    ),
    "number of classes": ((noise(2, 2, 4, 4), 1, torch.tensor([0])), ValueError, "class_labels"),
    "fractions": ((noise(2, 2, 4, 4), 1, torch.ones(2)), TypeError, "class_labels"),
    "no sample": ((noise(0, 2, 4, 4), 1), ValueError, "sample must be of one sample or more"),
    "no place": ((noise(2, 2, 4, 0), 1), ValueError, "sample must be of"),
    "float64": (
        (noise(2, 2, 4, 4).double(), 1),
        TypeError,
        r"sample must be of dtype torch.float32, got torch.float64. Pass sample.to\(model.dtype\)",
    ),
    "whole numbers": ((torch.zeros(2, 2, 4, 4).long(), 1), TypeError, "of dtype torch.float32"),
    "no Tensor": (([[1.0, 2.0]], 1), TypeError, "sample must be a Tensor, got 'list'"),
}


@every
@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused(name, case):
    arguments, error, text = BAD_INPUT[case]
    with pytest.raises(error, match=text):
        make(name)(*arguments)


@every
def test_samples_of_the_weights_own_width_are_taken_and_autocast_takes_others(name):
    model, x = make(name), noise(2, 2, 4, 4)
    plain = model(x, 7).sample
    with torch.autocast("cpu", torch.bfloat16):
        for given in (x, x.bfloat16()):
            torch.testing.assert_close(model(given, 7).sample.float(), plain, rtol=0.1, atol=0.1)
        for given in (x.long(), x.double()):
            with pytest.raises(TypeError, match=r"of dtype torch\.float32"):
                model(given, 7)
    wide = model.double()(x.double(), 7).sample
    torch.testing.assert_close(wide, plain.double(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["DiT", "SSMDenoiser"])
def test_sizes_that_patches_do_not_fill_are_refused(name):
    model = make(name, sample_size=(4,))
    for length in (3, 0):
        with pytest.raises(ValueError, match=f"{name}: sample must be of"):
            model(noise(2, 2, length), 1)
    with pytest.raises(ValueError, match="sample_size must be a multiple of patch_size=2"):
        MAKERS[name](sample_size=5)


@every
def test_labels_for_a_network_without_classes_are_refused(name):
    with pytest.raises(ValueError, match="class_labels must be None"):
        make(name, num_class_embeds=None)(noise(2, 2, 4, 4), 1, torch.tensor([0, 1]))


BAD_OPTIONS = {
    "hidden_size": (0, ValueError),
    "num_layers": (2.5, TypeError),
    "in_channels": (-1, ValueError),
    "out_channels": (0, ValueError),
    "num_class_embeds": ("ten", TypeError),
    "timestep_scale": (0.0, ValueError),
    "sample_size": ((4, 0), ValueError),
}


@every
@pytest.mark.parametrize("option", BAD_OPTIONS)
def test_bad_options_are_refused(name, option):
    value, error = BAD_OPTIONS[option]
    options = {"sample_size": 4, option: value}
    with pytest.raises(error, match=f"{option} must be"):
        type(make(name))(**options)
