"""Do two processes train what one does?

The same network is trained on the same batches by one process and by two, each on half of every
batch. Prints the largest difference of their weights. The command line does the same for any
script: ``accelerate launch --num_processes 2 script.py``.
"""

import tempfile
from pathlib import Path

import torch

import genextras
from genextras.denoisers import MLPDenoiser
from genextras.training import Trainer, launch

N_STEPS = 100


def train(folder):
    torch.set_num_threads(1)
    torch.manual_seed(0)  # the first weights; the trainer has a seed of its own
    model = MLPDenoiser(2, hidden_size=32, num_layers=2)
    points = 0.5 * torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
    options = {"batch_size": 64, "folder": folder, "progress_bar": False}
    Trainer(model, genextras.FlowMatchScheduler(), "flow", **options).fit(points, n_steps=N_STEPS)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        kept = []
        for n in (1, 2):
            launch(train, [Path(folder) / str(n)], num_processes=n)
            kept.append(torch.load(Path(folder) / str(n) / "checkpoint.pt", weights_only=True))
    one, two = (each["model"] for each in kept)
    apart = max((one[name] - two[name]).abs().max().item() for name in one)
    print(f"after {N_STEPS} updates the weights differ by at most {apart:.1e}")
    assert apart < 1e-5
