"""The trainer learns, resumes bit for bit, stops cleanly, and refuses what it cannot train."""

import signal
import threading

import diffusers
import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import genextras
from genextras.training import DenoisingPipeline, EMAModel, Objective, Trainer
from genextras.training.loop import clip
from tests.genextras.training.networks import (
    cloud,
    equal_weights,
    pictures,
    points,
    quiet,
    tiny_unet,
)

FLOW = genextras.FlowMatchScheduler


def test_a_network_learns_the_mean_and_spread_of_gaussian_points():
    trainer = quiet(points(width=64), FLOW(), "flow", batch_size=128, learning_rate=1e-2)
    trainer.fit(cloud(2000), n_steps=400)
    assert np.mean(trainer.losses[-50:]) < 0.8 * np.mean(trainer.losses[:10])
    found = trainer.sample(2000, n_steps=20, generator=torch.Generator().manual_seed(0))
    assert found.mean().item() == pytest.approx(0.3, abs=0.1)
    assert found.std().item() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    "options",
    [{}, {"ema": None, "max_grad_norm": None}, {"objective": Objective(importance=True)}],
    ids=["plain", "without EMA", "importance"],
)
def test_a_resumed_run_equals_the_unbroken_one_bit_for_bit(tmp_path, options):
    def make(name):
        network = points(dropout=0.2)  # global random numbers have to go on as well
        return quiet(
            network,
            FLOW(),
            **{"objective": "flow", "log_every": 5, **options},
            folder=tmp_path / name,
        )

    whole = make("whole").fit(cloud(50), n_steps=30)
    make("parted").fit(cloud(50), n_steps=17)
    resumed = make("parted").fit(cloud(50), n_steps=30, resume=True)
    assert resumed.losses == whole.losses
    assert equal_weights(resumed.model, whole.model)
    if whole._loop.ema is not None:
        pairs = zip(resumed._loop.ema.shadow_params, whole._loop.ema.shadow_params, strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    twice = make("twice").fit(cloud(50), n_steps=17).fit(cloud(50), n_steps=30)
    assert twice.losses == whole.losses


def test_a_resumed_run_takes_the_new_rate_and_refuses_another_average(tmp_path):
    def make(**options):
        return quiet(points(), FLOW(), folder=tmp_path, **options)

    make().fit(cloud(), n_steps=2)
    resumed = make(learning_rate=1e-5).fit(cloud(), n_steps=3, resume=True)
    assert resumed._loop.optimizer.param_groups[0]["lr"] == 1e-5
    for options, name in (
        ({"ema": None}, "ema must be 0.1"),
        ({"ema": 0.2}, "ema must be 0.1"),
        ({"snapshot_every": 2}, "snapshots must be False"),
        ({"seed": 1}, "seed must be 0"),
    ):
        with pytest.raises(ValueError, match=f"{name}, as saved"):
            make(**options).fit(cloud(), n_steps=4, resume=True)
    other = quiet(points(), FLOW(shift=3.0), folder=tmp_path)
    with pytest.raises(ValueError, match=r"scheduler must be .*shift=1.0.*, as saved, got"):
        other.fit(cloud(), n_steps=4, resume=True)


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    quiet(points(dropout=0.2), FLOW()).fit(cloud(), n_steps=2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("most", [1e-3, 1e3])
def test_gradients_are_cut_as_torch_cuts_them(most):
    gradients = []
    for cut in (clip, torch.nn.utils.clip_grad_norm_):
        model = points()
        model(cloud(), 500.0).square().sum().backward()
        model.layers[0].bias.grad = None  # not every weight need have one
        gradients.append((cut(list(model.parameters()), most), model.layers[3].weight.grad))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("objective", ["prediction", "sliced"])
def test_pieces_of_a_batch_sum_to_the_batch(objective):
    runs = [
        quiet(points(), FLOW(), objective, gradient_accumulation_steps=k).fit(cloud(), n_steps=5)
        for k in (1, 4)
    ]
    np.testing.assert_allclose(runs[0].losses, runs[1].losses, rtol=1e-5)
    for a, b in zip(*(run.model.parameters() for run in runs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)  # Adam magnifies rounding


def test_a_dataset_with_and_without_workers_gives_what_a_tensor_gives():
    losses = []
    x = cloud(40)
    for data, workers in ((x, 0), (TensorDataset(x), 0), (TensorDataset(x), 1)):
        losses.append(quiet(points(), FLOW(), num_workers=workers).fit(data, n_steps=3).losses)
    assert losses[0] == losses[1] == losses[2]


@pytest.mark.parametrize("option", ["bf16", "checkpointing", "channels last", "own optimizer"])
def test_options_of_the_engine_train_the_same_network(option):
    unet = tiny_unet()
    options = {
        "bf16": {"mixed_precision": "bf16"},
        "checkpointing": {"gradient_checkpointing": True},
        "channels last": {"channels_last": True},
        "own optimizer": {"optimizer": torch.optim.AdamW(unet.parameters(), lr=1e-3)},
    }[option]
    plain = quiet(tiny_unet(), genextras.DDPMScheduler(), "epsilon").fit(pictures(), n_steps=2)
    other = quiet(unet, genextras.DDPMScheduler(), "epsilon", **options).fit(pictures(), n_steps=2)
    tolerance = 0.02 if option == "bf16" else 1e-4
    np.testing.assert_allclose(other.losses, plain.losses, rtol=tolerance)
    assert all(p.dtype == torch.float32 for p in other.model.parameters())


def test_a_compiled_network_trains_the_plain_one():
    plain, compiled = points(), points()
    quiet(plain, FLOW(), "flow").fit(cloud(), n_steps=2)
    quiet(compiled, FLOW(), "flow", compile="eager").fit(cloud(), n_steps=2)
    assert equal_weights(plain, compiled)


def test_a_learning_rate_schedule_and_a_learned_variance():
    scheduler = genextras.DDPMScheduler(variance_type="learned_range")
    network = tiny_unet(out_channels=2)
    trainer = quiet(network, scheduler, "epsilon", lr_schedule=lambda step: 0.5**step)
    trainer.fit(pictures(), n_steps=3)
    assert trainer._loop.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 / 4)
    assert trainer.sample(2, n_steps=3).shape == (2, 1, 8, 8)


def test_classes_are_learned_and_forgotten(tmp_path):
    network = tiny_unet(num_class_embeds=4)  # three classes and none
    classes = torch.arange(24) % 3
    trainer = quiet(network, genextras.EDMScheduler(), "edm", label_dropout=0.5, data_range=None)
    trainer.fit(pictures(), classes=classes, n_steps=2)
    options = {"classes": torch.tensor([0, 2]), "guidance_scale": 2.0, "n_steps": 3}
    assert trainer.sample(2, **options).isfinite().all()
    trainer.save_pretrained(tmp_path / "pipe")
    pipe = diffusers.DiffusionPipeline.from_pretrained(tmp_path / "pipe")
    pipe.set_progress_bar_config(disable=True)
    assert isinstance(pipe, DenoisingPipeline)
    generator = torch.Generator().manual_seed(0)
    given = {"class_labels": torch.tensor([0, 2]), "num_inference_steps": 3}
    found = pipe(2, guidance_scale=2.0, generator=generator, **given).samples
    expected = trainer.sample(2, generator=generator.manual_seed(0), **options)
    torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match=r"classes must be from 0 to 2, got \(0, 3\)"):
        quiet(network, FLOW()).fit(pictures(), classes=torch.arange(24) % 4, n_steps=1)
    with pytest.raises(ValueError, match="class_labels must be"):
        pipe(3, **given)


def test_a_plain_image_network_becomes_diffusers_own_pipeline(tmp_path):
    unet = tiny_unet()
    trainer = quiet(unet, genextras.DDPMScheduler(), ema=EMAModel(unet.parameters(), decay=0.5))
    trainer.fit(pictures(), n_steps=2)
    host = diffusers.DDIMScheduler.from_config(trainer.scheduler.config)
    trainer.save_pretrained(tmp_path / "pipe", scheduler=host)
    pipe = diffusers.DiffusionPipeline.from_pretrained(tmp_path / "pipe")
    assert type(pipe) is diffusers.DDPMPipeline
    assert type(pipe.scheduler) is diffusers.DDIMScheduler
    shadow = trainer._loop.ema.shadow_params
    assert all(torch.equal(a, b) for a, b in zip(pipe.unet.parameters(), shadow, strict=True))
    assert equal_weights(trainer.pipeline(weights="last").unet, trainer.model)


def test_logs_pictures_and_checkpoints_are_written(tmp_path):
    options = {"log_with": "tensorboard", "sample_every": 2, "save_every": 2, "folder": tmp_path}
    quiet(points(), FLOW(), **options).fit(cloud(), n_steps=4)
    quiet(tiny_unet(), FLOW(), sample_every=2, folder=tmp_path / "images").fit(
        pictures(), n_steps=2
    )
    names = {path.name.split(".")[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert {"checkpoint", "samples-0000002", "samples-0000004", "events"} <= names
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.filterwarnings("ignore:.*signal.*:RuntimeWarning")
def test_ctrl_c_stops_after_the_step_with_a_checkpoint_that_resumes(tmp_path):
    class Interrupting(type(points())):
        n_calls = 0

        def forward(self, x, label):
            self.n_calls += self.training
            if self.n_calls == 7:
                self.n_calls += 1
                signal.raise_signal(signal.SIGINT)
            return super().forward(x, label)

    def fit(network, folder, **options):
        return quiet(network, FLOW(), folder=tmp_path / folder).fit(cloud(), n_steps=12, **options)

    whole, before = fit(points(), "whole"), signal.getsignal(signal.SIGINT)
    network = points()
    network.__class__ = Interrupting
    stopped = fit(network, "stopped")
    assert stopped.was_interrupted
    assert stopped.n_steps_done == 7
    assert signal.getsignal(signal.SIGINT) is before
    resumed = fit(points(seed=5), "stopped", resume=True)
    assert equal_weights(resumed.model, whole.model)
    assert not resumed.was_interrupted


def test_training_outside_the_main_thread_listens_for_nothing():
    failures = []

    def work():
        try:
            quiet(points(), FLOW()).fit(cloud(), n_steps=1)
        except Exception as error:  # what is asserted below
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []


BAD_DATA = {
    "range": (3 * pictures(), r"min -3.*, max .*, shape \(24, 1, 8, 8\). Scale them"),
    "bytes": (torch.zeros(4, 1, 8, 8, dtype=torch.uint8), "must be floats, got torch.uint8, min 0"),
    "one sign": (pictures().abs(), r"of both signs, got min .*, max .*, shape .*2 \* x - 1"),
    "shape": (
        torch.zeros(4, 3, 8, 8),
        r"shape \(N, 1, 8, 8\), got min 0, max 0, shape \(4, 3, 8, 8\)",
    ),
    "NaN": (pictures() * torch.nan, "must be finite, got min nan, max nan"),
    "empty": (torch.zeros(0, 1, 8, 8), r"must be of shape \(N, ...\), got shape \(0, 1, 8, 8\)"),
    "dataset": (TensorDataset(5 * pictures()), r"min -.*, shape \(16, 1, 8, 8\)"),
    "no data": ("digits", "data must be a Tensor or a dataset, got str"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_are_refused_with_what_they_are(name):
    data, text = BAD_DATA[name]
    with pytest.raises((ValueError, TypeError), match=text):
        quiet(tiny_unet(), genextras.DDPMScheduler()).fit(data, n_steps=1)


def test_points_far_from_unit_spread_are_refused_unless_any_range_is_allowed():
    with pytest.raises(ValueError, match=r"of std between 0.05 and 20, got min .* std 2"):
        quiet(points(), FLOW()).fit(50 * cloud(), n_steps=1)
    quiet(points(), FLOW(), data_range=None).fit(50 * cloud(), n_steps=1)
    with pytest.raises(ValueError, match=r"in \[-1, 1\]"):
        quiet(points(), FLOW(), data_range=1.0).fit(cloud(), n_steps=1)


BAD_OPTIONS = {
    "batch_size": (0, "batch_size must be a whole number of at least 1"),
    "learning_rate": (-1.0, "learning_rate must be a number in"),
    "mixed_precision": ("fp16", "mixed_precision must be one of 'no', 'bf16'"),
    "gradient_accumulation_steps": (3, "batch_size must be a multiple of 1 processes x 3"),
    "save_every": (5, "folder must be given with save_every"),
    "objective": ("epsilom", "objective must be one of .* Did you mean 'epsilon'"),
    "ema": ("0.1", "ema must be a number, an EMAModel or None"),
    "compile": (3, "compile must be a bool or a backend"),
    "gradient_checkpointing": (True, "model must be one with enable_gradient_checkpointing"),
    "data_range": ("wide", "data_range must be a number"),
    "progress_bar": ("no", "progress_bar must be True or False"),
    "lr_schedule": (0.5, "lr_schedule must be callable"),
    "optimizer": ("adam", "optimizer must be an Optimizer"),
    "snapshot_every": (5, "folder must be given with snapshot_every"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options_are_refused_before_any_work(name):
    value, text = BAD_OPTIONS[name]
    with pytest.raises((ValueError, TypeError), match=text):
        quiet(points(), FLOW(), **{name: value})


def test_networks_and_runs_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"output of the model must be of shape \(1, 2\), got \(1, 3\)"
    ):
        quiet(points(n_out=3), FLOW()).fit(cloud(), n_steps=1)
    with pytest.raises(TypeError, match="model must be a torch Module"):
        quiet("unet", FLOW())
    with pytest.raises(ValueError, match="model must be one with weights to train"):
        quiet(points().requires_grad_(False), FLOW())
    with pytest.raises(ValueError, match="model must be one with classes"):
        quiet(points(), FLOW()).fit(cloud(), classes=torch.zeros(200).long(), n_steps=1)
    with pytest.raises(ValueError, match=r"classes must be whole numbers of shape \(200,\)"):
        quiet(points(), FLOW()).fit(cloud(), classes=torch.zeros(200), n_steps=1)
    with pytest.raises(ValueError, match="folder must be given with resume=True"):
        quiet(points(), FLOW()).fit(cloud(), n_steps=1, resume=True)
    with pytest.raises(FileNotFoundError, match="folder must be one with a checkpoint"):
        quiet(points(), FLOW(), folder=tmp_path).fit(cloud(), n_steps=1, resume=True)
    quiet(points(), FLOW(), folder=tmp_path).fit(cloud(), n_steps=1)
    with pytest.raises(ValueError, match="seed must be 0, as saved, got 1"):
        quiet(points(), FLOW(), folder=tmp_path, seed=1).fit(cloud(), n_steps=2, resume=True)
    (tmp_path / "checkpoint.pt").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="checkpoint must be readable"):
        quiet(points(), FLOW(), folder=tmp_path).fit(cloud(), n_steps=2, resume=True)
    with pytest.raises(ValueError, match="shape of a sample must be known"):
        quiet(points(), FLOW()).sample(1)


def test_the_trainer_says_what_to_install(monkeypatch):
    import builtins

    real = builtins.__import__

    def lacking(name, *arguments, **options):
        if name == "accelerate":
            raise ModuleNotFoundError("No module named 'accelerate'", name="accelerate")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "mlextras\[train\]"'):
        Trainer(points(), FLOW())
