"""Watch a scheduler at work: which step was not finite, what x was on the way.

A watch replaces ``step`` of one object for the length of a ``with`` block. What it keeps stays on
the device of the samples; the host reads it once, at the end of the block.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from genextras.validation import check_integer, message

N_CHANNELS = (1, 3)  # of what a picture can show
Listener = Callable[[Tensor, Any, Tensor, Any], None]


@contextmanager
def check_finite(scheduler: Any) -> Iterator[None]:
    """Name the step at which a network's output stopped being finite.

    Each step leaves one flag on its device, and the host looks at all of them when the block ends,
    so nothing waits inside the loop. Any scheduler of diffusers can be watched.

    Parameters
    ----------
    scheduler : SchedulerMixin
        Of a pipeline, or of your own loop.

    Yields
    ------
    None
        For the length of the loop.

    Raises
    ------
    ValueError
        At the end of the block, if an output held NaN or infinity.

    References
    ----------
    .. [1] Goldberg (1991), What every computer scientist should know about floating-point
       arithmetic, on NaN and how it spreads.

    Examples
    --------
    >>> import torch, genextras
    >>> scheduler = genextras.DDIMScheduler()
    >>> scheduler.set_timesteps(4)
    >>> x = torch.ones(1, 3, 8, 8)
    >>> with genextras.check_finite(scheduler):
    ...     for t in scheduler.timesteps:
    ...         x = scheduler.step(x * (torch.nan if t == 250 else 1), t, x).prev_sample
    Traceback (most recent call last):
    ValueError: DDIMScheduler: model_output must be finite, got NaN or infinity at step 2 ...
    """
    flags: list[Tensor] = []
    labels: list[Any] = []

    def _look(model_output: Tensor, timestep: Any, sample: Tensor, result: Any) -> None:
        flags.append(model_output.isfinite().all())
        labels.append(timestep)

    with listening(scheduler, _look):
        yield
    if not flags:
        return
    good = torch.stack([flag.to(flags[0].device) for flag in flags]).tolist()
    if not all(good):
        i = good.index(False)
        label = labels[i].tolist() if isinstance(labels[i], Tensor) else labels[i]
        got = f"NaN or infinity at step {i} (timestep {label}) of {len(good)}"
        cure = "Check the network's dtype and its inputs at this step."
        text = message(type(scheduler).__name__, "model_output", "finite", got, cure)
        raise ValueError(text.replace(repr(got), got))


@contextmanager
def trajectory(scheduler: Any) -> Iterator["TrajectoryDisplay"]:
    """Keep x of every step, and what the network took the data for.

    Parameters
    ----------
    scheduler : SchedulerMixin
        Of a pipeline, or of your own loop; any of diffusers.

    Yields
    ------
    TrajectoryDisplay
        Filled while the block runs; ``plot`` draws it.

    References
    ----------
    .. [1] Ho, Jain, Abbeel (2020), Denoising diffusion probabilistic models, arXiv:2006.11239,
       figure 6, whose pictures of the predicted data these are.

    Examples
    --------
    >>> import torch, genextras
    >>> scheduler = genextras.DDIMScheduler()
    >>> scheduler.set_timesteps(4)
    >>> x = torch.ones(1, 3, 8, 8)
    >>> with genextras.trajectory(scheduler) as path:
    ...     for t in scheduler.timesteps:
    ...         x = scheduler.step(0.5 * x, t, x).prev_sample
    >>> len(path.samples), path.timesteps, torch.equal(path.samples[-1], x)
    (5, [750.0, 500.0, 250.0, 0.0], True)
    """
    path = TrajectoryDisplay([], [], [])
    labels: list[Any] = []

    def _keep(model_output: Tensor, timestep: Any, sample: Tensor, result: Any) -> None:
        if not path.samples:
            path.samples.append(sample.detach().clone())
        labels.append(timestep)
        path.samples.append(result[0].detach())
        if len(result) > 1:
            path.predictions.append(result[1].detach())

    with listening(scheduler, _keep):
        try:
            yield path
        finally:  # the host waits for the device here, once
            path.timesteps += [float(torch.as_tensor(label).flatten()[0]) for label in labels]


@contextmanager
def listening(scheduler: Any, listener: Listener) -> Iterator[None]:
    """Call a function after each step of one scheduler.

    Parameters
    ----------
    scheduler : SchedulerMixin
        Any; its ``step`` is another for the length of the block.
    listener : callable
        Takes (model output, timestep, sample, what ``step`` returned).

    Yields
    ------
    None
        For the length of the loop.
    """
    step, outer = scheduler.step, vars(scheduler).get("step")  # of a watch around this one

    @wraps(step)  # pipelines look into the signature
    def _heard(model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kw: Any) -> Any:
        result = step(model_output, timestep, sample, *args, **kw)
        listener(model_output, timestep, sample, result)
        return result

    scheduler.step = _heard
    try:
        yield
    finally:
        del scheduler.step
        if outer is not None:
            scheduler.step = outer


class TrajectoryDisplay:
    """A run in pictures: x from noise to data, and the predicted data beside it.

    Parameters
    ----------
    timesteps : list of float
        Label of every call.
    samples : list of Tensor of shape (B, ...)
        x before the first step and after each.
    predictions : list of Tensor of shape (B, ...)
        Predicted x_0 of every call; empty if the scheduler does not tell.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        After ``plot``.
    axes_ : list of matplotlib.axes.Axes
        After ``plot``: rows by columns for images, else one.

    References
    ----------
    .. [1] Ho, Jain, Abbeel (2020), Denoising diffusion probabilistic models, arXiv:2006.11239.

    Examples
    --------
    >>> import torch
    >>> display = TrajectoryDisplay([500.0, 0.0], [torch.zeros(1, 1, 4, 4)] * 3, [])
    >>> len(display.plot(n_columns=3).axes_)
    3
    """

    def __init__(
        self, timesteps: list[float], samples: list[Tensor], predictions: list[Tensor]
    ) -> None:
        self.timesteps, self.samples, self.predictions = timesteps, samples, predictions

    def plot(self, *, n_columns: int = 8, i: int = 0, figure: Any = None) -> "TrajectoryDisplay":
        """Draw images of one sample step by step, or lines of all numbers for other data.

        Parameters
        ----------
        n_columns : int, default=8
            Steps that are shown of images, the first and the last among them.
        i : int, default=0
            Which sample of the batch, of images.
        figure : matplotlib.figure.Figure or SubFigure, optional
            To draw on; a new one that no window holds by default.

        Returns
        -------
        TrajectoryDisplay
            Itself; ``figure_.savefig`` writes the picture.

        Raises
        ------
        TypeError
            If ``n_columns`` is no whole number.
        ValueError
            If there is nothing to draw.
        """
        check_integer(type(self).__name__, "n_columns", n_columns, low=2)
        if not self.samples:
            cure = "Run the loop inside the block of trajectory."
            raise ValueError(message(type(self).__name__, "samples", "there", [], cure))
        shape = self.samples[0].shape
        is_image = len(shape) == 4 and shape[1] in N_CHANNELS
        if figure is None:
            from matplotlib.figure import Figure  # only pictures need it

            inches = (1.1 * n_columns, 1.3 * (1 + bool(self.predictions)))
            figure = Figure(figsize=inches if is_image else None, layout="constrained")
        self.axes_ = self._images(figure, n_columns, i) if is_image else self._lines(figure)
        self.figure_ = figure
        return self

    def _images(self, figure: Any, n_columns: int, i: int) -> list:
        """One row of x, and one of the predicted data that led there."""
        last = len(self.samples) - 1
        shown = sorted({round(k * last / (n_columns - 1)) for k in range(n_columns)})
        rows = [("x", self.samples)]
        if self.predictions:
            rows.append(("predicted data", [self.predictions[0], *self.predictions]))
        grid = figure.subplots(len(rows), len(shown), squeeze=False)
        for axes, (name, kept) in zip(grid, rows, strict=True):
            for ax, k in zip(axes, shown, strict=True):
                ax.imshow(_pixels(kept[k][i]), cmap="gray")
                ax.set(xticks=[], yticks=[])
            axes[0].set_ylabel(name)
        for ax, k in zip(grid[0], shown, strict=True):
            ax.set_title(f"{self.timesteps[k]:.4g}" if k < last else "end")
        return list(grid.flat)

    def _lines(self, figure: Any) -> list:
        """Every number of x against the steps."""
        ax = figure.subplots()
        values = torch.stack([each.flatten() for each in self.samples]).float().cpu()
        ax.plot(values.numpy(), color="tab:blue", alpha=max(0.02, min(1.0, 20 / len(values.T))))
        ax.set(xlabel="step", ylabel="x")
        return [ax]


def _pixels(image: Tensor) -> Any:
    """An image of one or three channels for ``imshow``, its range stretched to [0, 1]."""
    wide = image.detach().float().cpu()
    low, high = wide.min(), wide.max()
    scaled = (wide - low) / (high - low).clamp(min=1e-8)
    return scaled.permute(1, 2, 0).squeeze(-1).numpy()
