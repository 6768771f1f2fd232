"""A checkpoint is good and whole, or the one before it is kept."""

import resource

import pytest
import torch

import genextras
from tests.genextras.training.networks import cloud, points, quiet

FLOW = genextras.FlowMatchScheduler


class Failing(torch.nn.Module):
    """Says NaN from a call on."""

    def __init__(self, first):
        super().__init__()
        self.weight, self.n_calls, self.first = torch.nn.Parameter(torch.ones(1)), 0, first

    def forward(self, x, label):
        self.n_calls += self.training
        return self.weight * x * (torch.nan if self.n_calls >= self.first else 1.0)


def test_a_loss_of_nan_stops_with_the_last_good_checkpoint(tmp_path):
    trainer = quiet(Failing(7), FLOW(), folder=tmp_path, save_every=3, log_every=4)
    where = r"got nan at update 7. The last good checkpoint is .*checkpoint.pt"
    with pytest.raises(FloatingPointError, match=where):
        trainer.fit(cloud(), n_steps=20)
    assert len(trainer.losses) == 6
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert kept["step"] == 6
    assert all(value.isfinite().all() for value in kept["model"].values())
    with pytest.raises(FloatingPointError, match="No checkpoint was kept"):
        quiet(Failing(2), FLOW()).fit(cloud(), n_steps=3)


class Overflowing(torch.optim.SGD):
    """Its fourth update is too long, of a gradient that was finite."""

    n_done = 0

    def step(self, closure=None):
        super().step(closure)
        self.n_done += 1
        if self.n_done == 4:
            self.param_groups[0]["params"][0].data.fill_(torch.inf)


def test_weights_that_overflow_reach_no_checkpoint_though_losses_were_finite(tmp_path):
    model = points()
    options = {"folder": tmp_path, "save_every": 1, "optimizer": Overflowing(model.parameters())}
    text = r"weights must be finite, got others by update 4\. The last good checkpoint is"
    with pytest.raises(FloatingPointError, match=text):
        quiet(model, FLOW(), **options).fit(cloud(), n_steps=9)
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert kept["step"] == 3
    assert all(value.isfinite().all() for value in kept["model"].values())


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    trainer = quiet(points(), FLOW(), folder=tmp_path)
    trainer.fit(cloud(), n_steps=2)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(state, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"No space left on device.*The old one is kept"):
        trainer.fit(cloud(), n_steps=4)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    monkeypatch.undo()
    assert (
        quiet(points(), FLOW(), folder=tmp_path).fit(cloud(), n_steps=3, resume=True).n_steps_done
        == 3
    )


def test_a_file_that_cannot_grow_says_so_and_keeps_the_old_one(tmp_path):
    trainer = quiet(points(), FLOW(), folder=tmp_path).fit(cloud(), n_steps=1)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(OSError, match=r"\[Errno 27\] File too large\). The old one is kept"):
            trainer.fit(cloud(), n_steps=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
