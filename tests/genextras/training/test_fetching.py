"""Whatever holds the examples trains the same network; what cannot is told from what can."""

import os
import random
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import genextras
from genextras.denoisers import MLPDenoiser
from tests.genextras.networks import seeded
from tests.genextras.training.networks import cloud, points, quiet

FLOW = genextras.FlowMatchScheduler
LABELS = torch.arange(40) % 3


class Columns:
    """What Hugging Face's datasets look like: a shape of their own, items by name, no array."""

    def __init__(self, **columns):
        self.columns, self.shape = columns, (40, len(columns))

    def __len__(self):
        return 40

    def __getitem__(self, i):
        return {name: values[i] for name, values in self.columns.items()}


class Batched(Columns):
    """Asked for several items at once."""

    def __getitems__(self, rows):
        return [self[i] for i in rows]


X = cloud(40)
KINDS = {
    "array": X.numpy(),
    "read only": np.frombuffer(X.numpy().tobytes(), np.float32).reshape(40, 2),
    "data frame": pd.DataFrame(X.numpy()),
    "lists": X.tolist(),
    "list of Tensors": list(X),
    "with a graph": X.clone().requires_grad_(),
    "columns": Columns(x=X),
    "columns of lists": Columns(image=X.tolist(), file=["a"] * 40),
    "columns at once": Batched(pixel_values=X.numpy()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_trains_what_a_tensor_trains(kind):
    expected = quiet(points(), FLOW()).fit(X, n_steps=2).losses
    assert quiet(points(), FLOW()).fit(KINDS[kind], n_steps=2).losses == expected


def conditional():
    with seeded():
        return MLPDenoiser(2, hidden_size=8, num_layers=1, num_class_embeds=3)


@pytest.mark.parametrize(
    "data",
    [
        TensorDataset(X, LABELS.to(torch.uint8)),
        list(zip(X, LABELS.tolist(), strict=True)),
        Columns(x=X, label=LABELS.tolist()),
        Columns(img=X, labels=LABELS.int()),
    ],
    ids=["pairs", "list of pairs", "label", "labels"],
)
def test_classes_come_with_items(data):
    expected = quiet(conditional(), FLOW()).fit(X, classes=LABELS, n_steps=3).losses
    assert quiet(conditional(), FLOW()).fit(data, n_steps=3).losses == expected


class Stream(IterableDataset):
    def __iter__(self):
        return iter(X)

    def __len__(self):
        return 40


REFUSED = {
    "stream": (Stream(), TypeError, "got Stream. Items are asked for by number"),
    "generator": (iter(X), TypeError, "Items are asked for by number.*list"),
    "loader": (DataLoader(TensorDataset(X)), TypeError, "got DataLoader. Pass its dataset"),
    "splits": ({"train": X}, TypeError, "got dict of 'train'. Pass one of its parts"),
    "columns": (Columns(foo=X), ValueError, "dicts with one of x, images, .*, got 'foo'"),
    "nothing": (None, TypeError, "must be a Tensor or a dataset, got NoneType"),
    "empty": ([], ValueError, "must be not empty, got no example"),
    "sparse": (X.to_sparse(), TypeError, "must be dense, got torch.sparse_coo. Pass x.to_dense"),
    "complex": (X.to(torch.complex64), TypeError, "must be floats, got torch.complex64"),
    "some classes": (
        [(x, label or None) for x, label in zip(X, LABELS.tolist(), strict=True)],
        ValueError,
        "with a class for every example, or none",
    ),
    "a class too many": (TensorDataset(X, LABELS + 1), ValueError, r"from 0 to 2, got \(1, 3\)"),
    "fractions": (TensorDataset(X, LABELS / 2), ValueError, "classes must be whole numbers"),
    "no classes": (X, ValueError, "model must be one without classes, as the data, got 'MLPDen"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_with_a_cure(case):
    data, kind, text = REFUSED[case]
    with pytest.raises(kind, match=text):
        quiet(conditional(), FLOW()).fit(data, n_steps=1)


class Augmented(Dataset):
    """Items that draw from every global generator there is."""

    def __len__(self):
        return 40

    def __getitem__(self, i):
        other = random.random() + np.random.random()  # noqa: NPY002 - as augmentations do
        return X[i] + 0.1 * torch.randn(2) + 0.1 * other


def test_what_a_dataset_draws_in_workers_is_the_same_in_a_resumed_run(tmp_path):
    def run(name, n_steps, **options):
        trainer = quiet(points(), FLOW(), folder=tmp_path / name, num_workers=1)
        return trainer.fit(Augmented(), n_steps=n_steps, **options).losses

    whole = run("whole", 5)
    run("parted", 2)
    assert run("parted", 5, resume=True) == whole
    assert len(set(whole)) == 5


class Interrupting(Dataset):
    """Ctrl-C in a terminal, after the first look at item 0: workers hear it as well, and first."""

    def __init__(self, trainer):
        self.trainer, self.is_made = trainer, False

    def __len__(self):
        return 40

    def __getitem__(self, i):
        if i and torch.utils.data.get_worker_info() is not None and not self.is_made:
            self.is_made = True
            signal.raise_signal(signal.SIGINT)
            os.kill(self.trainer, signal.SIGINT)
        return X[i]


def test_ctrl_c_ends_no_worker_before_the_update_that_waits_for_it(tmp_path):
    trainer = quiet(points(), FLOW(), folder=tmp_path, num_workers=1, batch_size=40)
    trainer.fit(Interrupting(os.getpid()), n_steps=50)
    assert trainer.was_interrupted
    assert (tmp_path / "checkpoint.pt").exists()
