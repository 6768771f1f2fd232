"""diffusers: train on real handwritten digits, sample, swap the scheduler, sample in 20 steps."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMPipeline, UNet2DModel
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import genextras
import skextras
from examples.demo.report import Row, save_figure
from genextras.training import Trainer

N_UPDATES, BATCH, N_IMAGES, SEED = 1000, 64, 32, 0
RELOAD = """
import sys
import numpy, torch
import genextras
from diffusers import DiffusionPipeline
pipe = DiffusionPipeline.from_pretrained(sys.argv[1])
pipe.set_progress_bar_config(disable=True)
generator = torch.Generator().manual_seed(int(sys.argv[2]))
images = pipe(batch_size=int(sys.argv[3]), generator=generator, num_inference_steps=20,
              output_type="np").images
numpy.save(sys.argv[4], images)
print(type(pipe.scheduler).__module__, type(pipe.scheduler).__name__)
"""


def network() -> UNet2DModel:
    """A small U-Net for images of 8 x 8."""
    with (
        torch.random.fork_rng()
    ):  # its weights come from the global generator, which stays as it was
        torch.manual_seed(SEED)
        return UNet2DModel(
            sample_size=8,
            in_channels=1,
            out_channels=1,
            layers_per_block=1,
            block_out_channels=(16, 32),
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
            norm_num_groups=4,
        )


def trained(digits: torch.Tensor) -> DDPMPipeline:
    """Teach the network to predict the noise; the pipeline that comes out is diffusers' own."""
    trainer = Trainer(
        network(),
        genextras.DDPMScheduler(),
        "epsilon",
        batch_size=BATCH,
        learning_rate=2e-3,
        lr_schedule=lambda step: min(step / 50, 1 - step / N_UPDATES),
        seed=SEED,
    )
    return trainer.fit(digits, n_steps=N_UPDATES).pipeline()


def sample(pipe: DDPMPipeline, n_steps: int) -> tuple[np.ndarray, float]:
    """Images of shape (N_IMAGES, 8, 8, 1) in [0, 1], and the seconds that they took."""
    generator = torch.Generator().manual_seed(SEED)
    start = time.perf_counter()
    images = pipe(
        batch_size=N_IMAGES, generator=generator, num_inference_steps=n_steps, output_type="np"
    ).images
    return images, time.perf_counter() - start


def recognised(images: np.ndarray) -> float:
    """Share of the images in which a classifier of the real digits sees one, 90 % sure."""
    X, y = load_digits(return_X_y=True)
    judge = skextras.KernelLogisticRegression(C=10).fit(X[::2] / 16, y[::2])
    surest = judge.predict_proba(images.reshape(len(images), -1)).max(axis=1)
    return float(np.mean(surest >= 0.9))


def reloaded(pipe: DDPMPipeline, folder: Path, expected: np.ndarray) -> Row:
    """Save the pipeline, load it in a fresh process, and see that it draws the same images."""
    pipe.save_pretrained(folder / "pipeline")
    start = time.perf_counter()
    arguments = [str(folder / "pipeline"), str(SEED), str(N_IMAGES), str(folder / "reloaded.npy")]
    done = subprocess.run(
        [sys.executable, "-c", RELOAD, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"demo: the saved pipeline did not load:\n{done.stderr}")
    difference = np.abs(np.load(folder / "reloaded.npy") - expected).max()
    score = f"same images to {difference:.0e}"
    return Row("saved, loaded afresh", done.stdout.split()[-1], score, time.perf_counter() - start)


def drawn(images: dict[str, np.ndarray]) -> Figure:
    """A grid for each set of images."""
    figure = Figure(figsize=(4 * len(images), 2.4))
    for axes, (title, grid) in zip(figure.subplots(1, len(images)), images.items(), strict=True):
        framed = np.pad(grid[..., 0], ((0, 0), (1, 1), (1, 1)))
        tiles = framed.reshape(4, 8, 10, 10)  # four rows of eight
        axes.imshow(tiles.transpose(0, 2, 1, 3).reshape(40, 80), cmap="gray_r")
        axes.set_title(title)
        axes.axis("off")
    return figure


def run(folder: Path) -> list[Row]:
    """Train, sample with DDPM, swap in DDIM, save, load in a fresh process, draw both grids."""
    digits = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) / 8 - 1
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two wait for each other at this size
    print("\ngenextras: a U-Net on 1797 handwritten digits", flush=True)
    start = time.perf_counter()
    pipe = trained(digits)
    seconds = time.perf_counter() - start
    rows = [Row("digits 8 x 8", "genextras.training.Trainer", f"{N_UPDATES} updates", seconds)]
    real = (
        digits[1 : 2 * N_IMAGES : 2, 0, :, :, None].numpy() + 1
    ) / 2  # the judge has not seen them
    images = {"real digits": real}
    rows.append(
        Row("digits 8 x 8", "real, for comparison", f"{recognised(real):.0%} recognised", 0.0)
    )
    for name, n_steps in [("DDPMScheduler", 1000), ("DDIMScheduler", 20)]:
        pipe.scheduler = getattr(genextras, name).from_config(pipe.scheduler.config)
        grid, seconds = sample(pipe, n_steps)
        images[f"{name}, {n_steps} steps"] = grid
        score = f"{recognised(grid):.0%} recognised, {n_steps} steps"
        rows.append(Row("digits 8 x 8", f"genextras.{name}", score, seconds))
    rows.append(reloaded(pipe, folder, grid))
    torch.set_num_threads(n_threads)
    save_figure(drawn(images), folder / "images.png")
    return rows
