"""An objective: how the error counts at each noise level, and how often each level is drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple, final

import torch
from torch import Generator, Tensor

from genextras.core.paths import mix
from genextras.training.levels import LAWS, LossHistory, cut, importance_warp, uniforms
from genextras.training.losses import (
    Levels,
    Transition,
    denoising_loss,
    hybrid_loss,
    sliced_score_loss,
)
from genextras.training.path import TrainingPath
from genextras.training.weightings import OPTIONS, WEIGHTINGS, error_weights
from genextras.validation import check_choice, check_number, message

__all__ = ["OBJECTIVES", "Draw", "Objective", "as_objective"]

Network = Callable[[Tensor, Tensor], Tensor]


class Draw(NamedTuple):
    """Noise levels of a batch on the host, float64."""

    levels: Levels
    bins: Tensor | None  # of the importance sampler
    importance: Tensor  # weights that keep the mean without bias

    def part(self, start: int, stop: int, device: torch.device) -> Levels:
        """Levels of some samples, on a device, in float32; sent at once and not waited for.

        Parameters
        ----------
        start, stop : int
            The samples.
        device : torch.device
            Where to.

        Returns
        -------
        Levels
            Of stop - start samples.
        """
        rows = torch.stack(self.levels)[:, start:stop].float()
        return Levels(*rows.to(device, non_blocking=True).unbind(0))


@final
@dataclass(frozen=True, kw_only=True)
class Objective:
    """What training minimises: E over levels of λ(σ) ‖D(x; σ) - x_0‖².

    D is the predicted data, whatever the network predicts: the scheduler says how D is made of its
    output, so that one objective gives the same gradient for every kind of prediction.

    Attributes
    ----------
    weighting : str, default="prediction"
        λ. "prediction" is the squared error of what the network predicts, unweighted. "epsilon",
        "sample", "v_prediction", "flow_prediction" and "edm" measure the error in that unit,
        "score" as b² ‖ŝ - s‖². "snr", "truncated-snr" [1]_, "min-snr" [2]_, "soft-min-snr" [3]_
        and "p2" [4]_ are weights of ‖D - x_0‖².
    options : mapping, default={}
        ``gamma`` of "min-snr" (5), "soft-min-snr" (4) and "p2" (1), ``k`` of "p2" (1).
    levels : str, default="uniform"
        Law of the level: "uniform" in the scheduler's time, "log-normal" in σ [5]_,
        "logit-normal" in σ/(1 + σ) [6]_, or "cosine", cut to the scheduler's levels.
    mean, std : float, optional
        Of log σ; -1.2 and 1.2 for "log-normal", 0 and 1 for "logit-normal".
    spread : {"even", "independent"}, default="even"
        Whether the levels of a batch are spread without gaps [7]_, or drawn one by one.
    importance : bool, default=False
        Draw levels in proportion to the root mean square of their losses, and weigh them down for
        it [8]_.
    matching : {"denoising", "sliced"}, default="denoising"
        "sliced" is sliced score matching [9]_, which needs a second derivative of the network, and
        whose weighting is b².
    variance_share : float, default=0.001
        Weight of the variational bound, where the scheduler's ``variance_type`` is learned [8]_.

    References
    ----------
    .. [1] Salimans, Ho (2022), Progressive distillation, arXiv:2202.00512.
    .. [2] Hang et al. (2023), Efficient diffusion training via min-SNR weighting, arXiv:2303.09556.
    .. [3] Crowson et al. (2024), Scalable high-resolution pixel-space image synthesis with
       hourglass diffusion transformers, arXiv:2401.11605.
    .. [4] Choi et al. (2022), Perception prioritized training, arXiv:2204.00227.
    .. [5] Karras, Aittala, Aila, Laine (2022), Elucidating the design space of diffusion-based
       generative models, arXiv:2206.00364.
    .. [6] Esser et al. (2024), Scaling rectified flow transformers, arXiv:2403.03206.
    .. [7] Kingma, Salimans, Poole, Ho (2021), Variational diffusion models, arXiv:2107.00630.
    .. [8] Nichol, Dhariwal (2021), Improved denoising diffusion probabilistic models,
       arXiv:2102.09672.
    .. [9] Song, Garg, Shi, Ermon (2020), Sliced score matching, arXiv:1905.07088.

    Examples
    --------
    >>> from genextras import DDPMScheduler
    >>> path, objective = TrainingPath(DDPMScheduler()), Objective(weighting="min-snr")
    >>> draw = objective.draw(path, 4, generator=torch.Generator().manual_seed(0))
    >>> draw.levels.labels.tolist()
    [970.0, 220.0, 470.0, 720.0]
    """

    weighting: str = "prediction"
    options: Mapping[str, float] = field(default_factory=dict)
    levels: str = "uniform"
    mean: float | None = None
    std: float | None = None
    spread: str = "even"
    importance: bool = False
    matching: str = "denoising"
    variance_share: float = 1e-3

    def __post_init__(self) -> None:
        owner = type(self).__name__
        check_choice(owner, "weighting", self.weighting, ("prediction", *WEIGHTINGS))
        check_choice(owner, "levels", self.levels, ("uniform", *LAWS))
        check_choice(owner, "spread", self.spread, ("even", "independent"))
        check_choice(owner, "matching", self.matching, ("denoising", "sliced"))
        known = OPTIONS.get(self.weighting, {})
        for name, value in self.options.items():
            check_choice(owner, f"an option of weighting={self.weighting!r}", name, tuple(known))
            check_number(owner, name, value, low=1e-6, high=inf, cure=f"Usual is {known[name]}.")
        if self.levels not in ("log-normal", "logit-normal") and (self.mean, self.std) != (
            None,
            None,
        ):
            cure = "They belong to 'log-normal' and 'logit-normal'."
            got = (self.mean, self.std)
            raise ValueError(message(owner, "mean and std", "left out", got, cure))
        if self.mean is not None:
            check_number(owner, "mean", self.mean, low=-50, high=50, cure="EDM takes -1.2.")
        if self.std is not None:
            check_number(owner, "std", self.std, low=1e-3, high=50, cure="EDM takes 1.2.")
        check_number(
            owner, "variance_share", self.variance_share, low=0, high=inf, cure="0.001 is usual."
        )

    # ------------------------------------------------------------ levels

    def draw(
        self,
        path: TrainingPath,
        n: int,
        *,
        history: LossHistory | None = None,
        generator: Generator | None = None,
    ) -> Draw:
        """Draw the noise levels of a batch.

        Parameters
        ----------
        path : TrainingPath
            Of the scheduler that will sample.
        n : int
            Size of the batch.
        history : LossHistory, optional
            What ``importance`` goes by; without it levels are drawn as if nothing were known.
        generator : torch.Generator, optional
            Source of randomness, on the CPU.

        Returns
        -------
        Draw
            n levels with their weights.
        """
        u = uniforms(n, spread=self.spread, generator=generator)
        bins, importance = None, torch.ones(n, dtype=torch.float64)
        if self.importance and history is not None:
            u, importance, bins = importance_warp(u, history.probabilities())
        labels = self._labels(path, u)
        a, b = path.levels(labels)
        weights = importance
        if self.matching == "denoising":
            name = path.prediction if self.weighting == "prediction" else self.weighting
            if self.weighting != "prediction":
                scales = (a, b)
                weights = importance * error_weights(
                    name, path.prediction, scales, path.sigma_data, self.options
                )
        return Draw(Levels(labels, a, b, weights, path.input_scale(a, b)), bins, importance)

    def _labels(self, path: TrainingPath, u: Tensor) -> Tensor:
        if self.levels == "uniform":
            return path.labels_at(u)
        mean, std, make = LAWS[self.levels]
        law = make(mean if self.mean is None else self.mean, std if self.std is None else self.std)
        return path.labels_of(cut(law, *path.ends).quantile(u).exp())

    # ------------------------------------------------------------ the loss

    def loss(
        self,
        network: Network,
        path: TrainingPath,
        data: Tensor,
        noise: Tensor,
        levels: Levels,
        *,
        directions: Tensor | None = None,
    ) -> Tensor:
        """Loss of each sample of a batch.

        Parameters
        ----------
        network : callable
            Maps (x as ``scale_model_input`` left it, labels) to a prediction.
        path : TrainingPath
            Of the scheduler that will sample.
        data : Tensor of shape (B, ...), data units
            x_0.
        noise : Tensor of shape (B, ...), dimensionless
            ε, standard normal.
        levels : Levels
            From ``draw``, on the device of the data.
        directions : Tensor of shape (B, ...), optional
            Of sliced score matching; random signs if they are not given.

        Returns
        -------
        Tensor of shape (B,)
            Losses; their mean is what training minimises.
        """
        kind: dict[str, Any] = {"prediction": path.prediction, "sigma_data": path.sigma_data}
        labels = levels.labels.long() if path.is_whole else levels.labels
        if self.matching == "sliced":
            x = mix(data, noise, levels.a, levels.b)
            scales = levels.scales.view(-1, *[1] * (data.ndim - 1))
            each = sliced_score_loss(
                lambda x: network(scales * x, labels), x, levels, directions=directions, **kind
            )
            return levels.weights * each
        output = network(
            mix(data, noise, levels.a * levels.scales, levels.b * levels.scales), labels
        )
        if not path.learns_variance:
            return denoising_loss(output, data, noise, levels, **kind)
        return hybrid_loss(
            output,
            data,
            noise,
            levels,
            Transition(*path.shares(labels)),
            prediction=path.prediction,
            variance_type=path.variance_type,
            share=self.variance_share * len(path.scheduler),
        )


OBJECTIVES: dict[str, Objective] = {
    "prediction": Objective(),
    "epsilon": Objective(weighting="epsilon"),
    "sample": Objective(weighting="sample"),
    "v": Objective(weighting="v_prediction"),
    "flow": Objective(weighting="flow_prediction"),
    "score": Objective(weighting="score"),
    "sliced": Objective(matching="sliced"),
    "edm": Objective(weighting="edm", levels="log-normal"),
}
"""Objectives by name: the papers' own weighting and law of levels."""


def as_objective(owner: str, objective: object) -> Objective:
    """An objective from its name, or as it is.

    Parameters
    ----------
    owner : str
        For messages.
    objective : str or Objective
        A key of ``OBJECTIVES``, or an object.

    Returns
    -------
    Objective
        Of that name.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> as_objective("Trainer", "edm").levels
    'log-normal'
    """
    if isinstance(objective, Objective):
        return objective
    check_choice(owner, "objective", objective, tuple(OBJECTIVES))
    return OBJECTIVES[str(objective)]
