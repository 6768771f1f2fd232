"""Two processes train what one does on the same batches; the launcher refuses what cannot be."""

import os
import signal

import pytest
import torch
from torch.utils.data import Dataset

import genextras
from genextras.training import launch
from tests.genextras.training.networks import cloud, points, quiet

N_STEPS = 8
OBJECTIVES = ("flow", "sliced")  # the latter draws directions too


def train(folder):
    """Whatever the number of processes; pieces of a batch as well."""
    torch.set_num_threads(1)
    for objective in OBJECTIVES:
        options = {"gradient_accumulation_steps": 2, "folder": folder / objective, "log_every": 3}
        trainer = quiet(points(), genextras.FlowMatchScheduler(), objective, **options)
        trainer.fit(cloud(), n_steps=N_STEPS)
        trainer.fit(cloud(), n_steps=N_STEPS + 2, resume=True)


def fail():
    raise ValueError("in a process")


class Interrupting(Dataset):
    """Ctrl-C in a terminal, which every process hears, in the middle of a run."""

    def __init__(self):
        self.n_asked = 0

    def __len__(self):
        return 40

    def __getitem__(self, i):
        self.n_asked += 1
        if self.n_asked == 100:
            signal.raise_signal(signal.SIGINT)
            if not int(os.environ["RANK"]):
                os.kill(os.getppid(), signal.SIGINT)
        return cloud(40)[i]


def interrupted(folder):
    torch.set_num_threads(1)
    trainer = quiet(points(), genextras.FlowMatchScheduler(), folder=folder, log_every=5)
    trainer.fit(Interrupting(), n_steps=1000)
    (folder / os.environ["RANK"]).write_text(str(trainer.n_steps_done))


def test_ctrl_c_stops_all_processes_with_a_checkpoint(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        launch(interrupted, [tmp_path], num_processes=2)
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert kept["step"] < 100
    assert {(tmp_path / rank).read_text() for rank in "01"} == {str(kept["step"])}


def test_two_processes_train_what_one_does(tmp_path):
    train(tmp_path / "one")
    launch(train, [tmp_path / "two"], num_processes=2)
    for objective in OBJECTIVES:
        paths = (tmp_path / name / objective / "checkpoint.pt" for name in ("one", "two"))
        one, two = (torch.load(path, weights_only=True) for path in paths)
        assert len(two["random"]) == 2
        torch.testing.assert_close(one["losses"], two["losses"], rtol=1e-5, atol=1e-6)
        for kind in (one["model"], two["model"]):
            assert all(weight.isfinite().all() for weight in kind.values())
        for name, weight in one["model"].items():
            torch.testing.assert_close(two["model"][name], weight, rtol=0, atol=1e-5)


def test_launch_refuses_what_cannot_be(monkeypatch):
    with pytest.raises(
        ValueError, match="num_processes must be a whole number of at least 1, got 0"
    ):
        launch(fail, num_processes=0)
    with pytest.raises(TypeError, match="num_processes must be a whole number"):
        launch(fail, num_processes=1.5)
    with pytest.raises(ValueError, match=r"num_processes must be at most .*, got 100000"):
        launch(fail, num_processes=100_000)
    with pytest.raises(TypeError, match="function must be callable"):
        launch("train", num_processes=1)
    with pytest.raises(ValueError, match="in a process"):
        launch(fail, num_processes=1)
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(ValueError, match="num_processes must be 1 here, got 2"):
        launch(fail, num_processes=2)
