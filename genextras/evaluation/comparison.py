"""Samplers beside one another: what quality do so many calls of one network buy?"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from genextras.evaluation.bits import answer_of
from genextras.evaluation.distances import energy_distance, mmd, sliced_wasserstein
from genextras.evaluation.features import frechet_distance
from genextras.validation import check_choice, check_integer, message

__all__ = ["SamplerComparison", "compare_samplers"]

OWNER = "compare_samplers"
Measure = Callable[[Tensor, Tensor], float]
MEASURES: dict[str, Measure] = {
    "energy distance": energy_distance,
    "sliced Wasserstein": lambda x, y: sliced_wasserstein(
        x,
        y,
        generator=Generator(x.device).manual_seed(0),  # the same lines for all
    ),
    "MMD": mmd,
    "Fréchet distance": frechet_distance,
}


def compare_samplers(
    model: Any,
    schedulers: Mapping[str, Any],
    calls: Sequence[int],
    *,
    data: Tensor,
    measure: str | Measure = "energy distance",
    n_samples: int | None = None,
    n_repeats: int = 3,
    batch_size: int = 1024,
    generator: Generator | None = None,
) -> "SamplerComparison":
    """Sample one network with several schedulers and several numbers of calls, beside data.

    All samplers start from the same noise in each repeat, so that what differs is the sampler. A
    scheduler gets the most steps that stay within the calls: (n + 1)/2 for Heun's method.

    Parameters
    ----------
    model : callable or mapping of str to callable
        Maps (x, label) to a prediction, a model of diffusers say; one for each scheduler if they
        ask for different kinds of prediction.
    schedulers : mapping of str to scheduler
        By the names that the table gives them; of this package or of diffusers.
    calls : sequence of int
        Calls of the network.
    data : Tensor of shape (m, ...), data units
        Held-out data; samples have its shape, dtype and device.
    measure : {"energy distance", "sliced Wasserstein", "MMD", "Fréchet distance"} or callable
        Default "energy distance". A function of (samples, data), lower being better.
    n_samples : int, optional
        Samples a repeat; by default as many as data.
    n_repeats : int, default=3
        Repeats, with noise of their own.
    batch_size : int, default=1024
        Samples at a time.
    generator : torch.Generator, optional
        Decides all noise; any device.

    Returns
    -------
    SamplerComparison
        ``print`` it for a table, ``plot`` draws it.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or a scheduler makes no run of so few calls.

    References
    ----------
    .. [1] Karras, Aittala, Aila, Laine (2022), Elucidating the design space of diffusion-based
       generative models, arXiv:2206.00364, figure 2, which draws quality against calls.

    Examples
    --------
    >>> import genextras
    >>> def network(x, t):  # data are N(0, 1): x stays what it is, and half of it is noise
    ...     return (1 - scheduler.alphas_cumprod[int(t)]).sqrt() * x
    >>> scheduler = genextras.DDIMScheduler(clip_sample=False)
    >>> data = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    >>> result = compare_samplers(network, {"DDIM": scheduler}, [5], data=data)
    >>> result.scores["DDIM"].shape
    torch.Size([1, 3])
    """
    name, judge = _measure(measure)
    _check(schedulers, calls, data)
    n_samples = len(data) if n_samples is None else n_samples
    for word, value in (
        ("n_samples", n_samples),
        ("n_repeats", n_repeats),
        ("batch_size", batch_size),
    ):
        check_integer(OWNER, word, value, low=1 + (word == "n_samples"))
    models = model if isinstance(model, Mapping) else dict.fromkeys(schedulers, model)
    seeds = torch.randint(2**62, (n_repeats,), generator=generator, device=_place(generator))
    sizes = [min(batch_size, n_samples - i) for i in range(0, n_samples, batch_size)]
    scores: dict[str, Tensor] = {}
    used: dict[str, list[int]] = {}
    for label, scheduler in schedulers.items():
        if not callable(models.get(label)):
            cure = "Pass one for each scheduler, or one for all."
            raise TypeError(message(OWNER, "model", f"callable for {label!r}", model, cure))
        run, rows, used[label] = partial(_run, answer_of(models[label]), scheduler), [], []
        for n in calls:
            n_steps = _steps_within(scheduler, label, n)
            used[label].append(len(scheduler.timesteps))
            row = []
            for seed in seeds.tolist():
                source = Generator(data.device).manual_seed(seed)
                made = [run(n_steps, data, n_samples=k, generator=source) for k in sizes]
                row.append(judge(torch.cat(made), data))
            rows.append(row)
        scores[label] = torch.tensor(rows, dtype=torch.float64)  # (calls, repeats)
    return SamplerComparison(list(calls), scores, used, name)


def _measure(measure: Any) -> tuple[str, Measure]:
    if callable(measure):
        return getattr(measure, "__name__", "measure").replace("_", " "), measure
    check_choice(OWNER, "measure", measure, tuple(MEASURES))
    return measure, MEASURES[measure]


def _check(schedulers: Any, calls: Any, data: Any) -> None:
    if not isinstance(schedulers, Mapping) or not schedulers:
        cure = 'Pass {"DDIM": scheduler}, say.'
        raise TypeError(message(OWNER, "schedulers", "a mapping by names", schedulers, cure))
    if not isinstance(calls, Sequence) or not calls:
        raise TypeError(message(OWNER, "calls", "a list of numbers", calls, "Pass [5, 10, 20]."))
    for n in calls:
        check_integer(OWNER, "calls", n, low=1)
    if not isinstance(data, Tensor) or not data.is_floating_point():
        got = data.dtype if isinstance(data, Tensor) else type(data).__name__
        cure = "Convert it by data.float()."
        raise TypeError(message(OWNER, "data", "a Tensor of floats", got, cure))


def _place(generator: Generator | None) -> Any:
    return "cpu" if generator is None else generator.device


def _steps_within(scheduler: Any, label: str, calls: int) -> int:
    """The most steps that make no more than so many calls; they are set."""
    for n_steps in range(calls, 0, -1):
        scheduler.set_timesteps(n_steps)
        if len(scheduler.timesteps) <= calls:
            return n_steps
    least = len(scheduler.timesteps)
    raise ValueError(
        message(OWNER, "calls", f"at least {least} for {label!r}", calls, "Ask for more calls.")
    )


@torch.no_grad()
def _run(
    network: Callable,
    scheduler: Any,
    n_steps: int,
    like: Tensor,
    *,
    n_samples: int,
    generator: Generator,
) -> Tensor:
    """One batch of samples, from noise to data."""
    scheduler.set_timesteps(n_steps, device=like.device)  # which also forgets the run before
    words: dict[str, Any] = {"device": like.device, "dtype": like.dtype, "generator": generator}
    x = torch.randn(n_samples, *like.shape[1:], **words)
    x = x * float(getattr(scheduler, "init_noise_sigma", 1.0))
    takes_noise = "generator" in inspect.signature(scheduler.step).parameters
    options = {"generator": generator} if takes_noise else {}
    scaled = getattr(scheduler, "scale_model_input", lambda x, t: x)
    for t in scheduler.timesteps:
        x = scheduler.step(network(scaled(x, t), t), t, x, return_dict=False, **options)[0]
    return x


class SamplerComparison:
    """Quality against calls of the network, as a table and as a picture.

    Parameters
    ----------
    calls : list of int
        Calls that were allowed.
    scores : dict of str to Tensor of shape (calls, repeats)
        The measure by scheduler; lower is better.
    used : dict of str to list of int
        Calls that were made.
    measure : str
        Its name.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        After ``plot``.
    axes_ : list of matplotlib.axes.Axes
        After ``plot``: one.

    References
    ----------
    .. [1] Karras, Aittala, Aila, Laine (2022), Elucidating the design space of diffusion-based
       generative models, arXiv:2206.00364, figure 2.

    Examples
    --------
    >>> scores = {"DDIM": torch.tensor([[0.5, 0.7], [0.1, 0.1]])}
    >>> print(SamplerComparison([5, 10], scores, {"DDIM": [5, 10]}, "energy distance"))
    | energy distance | 5 calls       | 10 calls      |
    |-----------------|---------------|---------------|
    | DDIM            | 0.6 ± 0.1     | 0.1 ± 0       |
    """

    def __init__(
        self,
        calls: list[int],
        scores: dict[str, Tensor],
        used: dict[str, list[int]],
        measure: str,
    ) -> None:
        self.calls, self.scores, self.used, self.measure = calls, scores, used, measure

    def summary(self, name: str) -> tuple[Tensor, Tensor]:
        """Means of one scheduler, and how far to trust them.

        Parameters
        ----------
        name : str
            The scheduler.

        Returns
        -------
        mean, standard_error : Tensor of shape (calls,)
            Over the repeats; the error of a single repeat is NaN.
        """
        scores = self.scores[name]
        error = scores.std(dim=1) if scores.shape[1] > 1 else scores[:, 0] * math.nan
        return scores.mean(1), error / math.sqrt(scores.shape[1])

    def __str__(self) -> str:
        """A table in Markdown: mean ± standard error; fewer calls than allowed are named."""
        rows = [[self.measure, *(f"{n} calls" for n in self.calls)]]
        for name in self.scores:
            cells = [
                f"{mean:.3g} ± {error:.1g}" for mean, error in zip(*self.summary(name), strict=True)
            ]
            made = zip(cells, self.used[name], self.calls, strict=True)
            rows.append([name, *(c if n == m else f"{c} ({n} calls)" for c, n, m in made)])
        widths = [max(13, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
        lines = [
            " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows
        ]
        rule = "|".join("-" * (w + 2) for w in widths)
        return "\n".join(
            ["| " + lines[0] + " |", f"|{rule}|", *(f"| {each} |" for each in lines[1:])]
        )

    def plot(self, *, figure: Any = None) -> "SamplerComparison":
        """Draw the measure against calls, both logarithmic where all means are above zero.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or SubFigure, optional
            To draw on; a new one that no window holds by default.

        Returns
        -------
        SamplerComparison
            Itself; ``figure_.savefig`` writes the picture.
        """
        if figure is None:
            from matplotlib.figure import Figure  # only pictures need it

            figure = Figure(layout="constrained")
        ax, lowest = figure.subplots(), math.inf
        for name in self.scores:
            mean, error = self.summary(name)
            error = error.nan_to_num()
            ax.errorbar(self.used[name], mean.numpy(), error.numpy(), marker="o", label=name)
            lowest = min(lowest, float(mean.min()))
        ax.set(xlabel="calls of the network", ylabel=self.measure, xscale="log")
        ax.set_yscale("log" if lowest > 0 else "linear")
        ax.set_xticks(self.calls, [str(n) for n in self.calls])
        ax.minorticks_off()
        ax.legend()
        self.figure_, self.axes_ = figure, [ax]
        return self
