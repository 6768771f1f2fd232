"""What would train nothing, or nonsense, without a word is refused with what to do."""

import subprocess
import sys
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

import genextras
from genextras.denoisers import DiT, MLPDenoiser
from genextras.training import EMAModel
from tests.genextras.networks import seeded
from tests.genextras.training.networks import (
    cloud,
    equal_weights,
    pictures,
    points,
    quiet,
    tiny_unet,
)

LOAD = """
import sys
from diffusers import DiffusionPipeline
import genextras.training
pipe = DiffusionPipeline.from_pretrained(sys.argv[1])
print(type(pipe).__name__, type(pipe.unet).__name__, pipe(3, num_inference_steps=2).samples.shape)
"""
FLOW = genextras.FlowMatchScheduler


def test_floats_of_any_width_train_what_float32_trains():
    x = cloud(40).half()  # so that no width loses anything
    kinds = [x.float(), x.double().numpy(), x, TensorDataset(x.double())]
    losses = [quiet(points(), FLOW()).fit(each, n_steps=2).losses for each in kinds]
    assert all(each == losses[0] for each in losses)


class Growing(Dataset):
    """Items of two shapes; the first ones look right."""

    def __len__(self):
        return 40

    def __getitem__(self, i):
        return torch.ones(2 + (i > 20)) - i % 2


def test_a_dataset_is_looked_at_in_several_places():
    with pytest.raises(ValueError, match=r"of both signs, got .*2 \* x - 1"):
        quiet(tiny_unet(), FLOW()).fit(TensorDataset(pictures(40).abs()), n_steps=1)
    bright = torch.cat([pictures(1), 100 * pictures(39)])  # nothing is wrong with the first one
    with pytest.raises(ValueError, match=r"of std between 0.05 and 20, got min .*, max "):
        quiet(tiny_unet(), FLOW()).fit(TensorDataset(bright), n_steps=1)
    with pytest.raises(ValueError, match=r"must be examples of one shape, got \(2,\), \(3,\)"):
        quiet(points(), FLOW()).fit(Growing(), n_steps=1)


def test_looking_at_a_dataset_draws_no_random_number():
    class Noisy(Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, i):
            return torch.randn(2)

    torch.manual_seed(1)
    before = torch.get_rng_state()
    quiet(points(), FLOW()).fit(Noisy(), n_steps=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_that_would_not_be_trained_are_refused():
    for other in (points().half(), points().double()):
        with pytest.raises(ValueError, match=r"weights of the model must be .*model.float\(\)"):
            quiet(other, FLOW())
    stranger = torch.optim.SGD(points().parameters(), lr=0.1)
    with pytest.raises(ValueError, match="optimizer must be over the model, got 'other weights'"):
        quiet(points(), FLOW(), optimizer=stranger)


def test_an_optimizer_over_some_weights_trains_these_as_if_there_were_no_others():
    models = points(), points()
    models[1].layers[0].requires_grad_(False)
    for model in models:
        last = torch.optim.SGD(model.layers[-1].parameters(), lr=0.1)
        quiet(model, FLOW(), optimizer=last, max_grad_norm=0.1).fit(cloud(), n_steps=4)
    assert equal_weights(*models)


def test_an_average_a_rate_and_a_scheduler_of_the_wrong_kind_say_what_to_do():
    with pytest.raises(ValueError, match=r"Trainer: ema must be .* got 0.9999.*decay="):
        quiet(points(), FLOW(), ema=0.9999)
    for factor, kind in ((None, TypeError), (np.nan, ValueError), (-1.0, ValueError)):
        with pytest.raises(kind, match="Trainer: result of lr_schedule must be a number"):
            quiet(points(), FLOW(), lr_schedule=lambda step, f=factor: f).fit(cloud(), n_steps=1)
    with pytest.raises(TypeError, match="scheduler must be one of genextras, got 'DDPMScheduler'"):
        quiet(points(), diffusers.DDPMScheduler())


def test_backends_trackers_and_folders_that_cannot_be_are_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match=r"compile must be .*eager.*, got 'nonsense'"):
        quiet(points(), FLOW(), compile="nonsense")
    with pytest.raises(ValueError, match=r"log_with must be .*tensorboard.*, got 'nonsense'"):
        quiet(points(), FLOW(), log_with="nonsense", folder=tmp_path)
    (tmp_path / "notes.txt").write_text("not to be lost")
    with pytest.raises(ValueError, match=r"folder must be a folder, got .*notes\.txt"):
        quiet(points(), FLOW(), folder=tmp_path / "notes.txt")


def test_optimizers_and_averages_that_cannot_take_part_are_refused_before_any_update():
    model = points()
    with pytest.raises(TypeError, match="one that needs no closure, got 'LBFGS'"):
        quiet(model, FLOW(), optimizer=torch.optim.LBFGS(model.parameters()))
    with pytest.raises(ValueError, match=r"ema must be of the model's weights, .*parameters\(\)"):
        quiet(model, FLOW(), ema=EMAModel(points(width=8).parameters()))


def test_a_folder_that_cannot_be_written_to_is_refused_before_any_update(tmp_path):
    (tmp_path / "notes.txt").write_text("no folder")
    trainer = quiet(points(), FLOW(), folder=tmp_path / "notes.txt" / "run")
    with pytest.raises(OSError, match=r"folder must be one to write in, got .*run' \(.*Name anoth"):
        trainer.fit(cloud(), n_steps=1)
    assert trainer.n_steps_done == 0


def test_a_run_of_another_network_or_optimizer_is_not_resumed(tmp_path):
    quiet(points(), FLOW(), folder=tmp_path).fit(cloud(), n_steps=1)
    model = points()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    other = quiet(model, FLOW(), folder=tmp_path, optimizer=torch.optim.SGD(model.parameters()))
    with pytest.raises(ValueError, match="optimizer must be 'AdamW', as saved, got 'SGD'"):
        other.fit(cloud(), n_steps=2, resume=True)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    with pytest.raises(ValueError, match=r"model must be 'one of 114 w.*, got 'one of 58 w"):
        quiet(points(width=8), FLOW(), folder=tmp_path).fit(cloud(), n_steps=2, resume=True)


def test_a_missing_compiler_is_told_and_the_network_runs_as_it_is(monkeypatch):
    def lacking(*arguments, **options):
        raise RuntimeError("No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE=1")

    monkeypatch.setattr(torch, "compile", lacking)
    with pytest.warns(
        UserWarning, match=r"C\+\+ compiler that works \(No work.*\)\. Training goes"
    ):
        trainer = quiet(points(), FLOW(), compile=True)
    assert trainer._loop.network.module is trainer.model
    assert trainer.fit(cloud(), n_steps=1).n_steps_done == 1


def test_sliced_score_matching_trains_a_network_with_attention():
    model = DiT(8, 1, hidden_size=8, num_layers=1, num_attention_heads=2)
    trainer = quiet(model, genextras.EDMScheduler(), "sliced", batch_size=4)
    before = model.blocks[0].to_qkv.weight.detach().clone()
    trainer.fit(pictures(), n_steps=4)  # (gates open first)
    assert not torch.equal(before, model.blocks[0].to_qkv.weight)


def test_sliced_score_matching_takes_checkpoints_and_refuses_to_be_compiled():
    def network():
        with seeded():
            return DiT(8, 1, hidden_size=8, num_layers=4, num_attention_heads=2)

    models = []
    for options in ({}, {"gradient_checkpointing": True}):
        trainer = quiet(network(), FLOW(), "sliced", batch_size=4, **options)
        models.append(trainer.fit(pictures(), n_steps=3).model)
    for plain, kept in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(kept, plain, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="compile must be False with sliced matching, got True"):
        quiet(network(), FLOW(), "sliced", compile=True)


def test_a_network_that_diffusers_cannot_load_is_not_saved(tmp_path):
    trainer = quiet(points(), FLOW()).fit(cloud(), n_steps=1)
    with pytest.raises(TypeError, match="model must be a ModelMixin, to be saved, got 'Points'"):
        trainer.save_pretrained(tmp_path / "pipe")
    assert not (tmp_path / "pipe").exists()


def test_one_import_is_enough_to_load_what_the_trainer_saved(tmp_path):
    network = MLPDenoiser(2, hidden_size=8, num_layers=1)
    quiet(network, FLOW()).fit(cloud(), n_steps=1).save_pretrained(tmp_path / "pipe")
    command = [sys.executable, "-W", "ignore", "-c", LOAD, str(tmp_path / "pipe")]
    home = Path(genextras.__file__).parents[1]  # the packages under test, wherever tests run
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "DenoisingPipeline MLPDenoiser torch.Size([3, 2])" in done.stdout
