"""The path of a scheduler as training sees it: which levels there are, what the network is asked.

Levels are drawn on the host in float64 and sent to the device once, so that nothing waits for it.
"""

from typing import Any

import torch
from torch import Tensor

from genextras.probability_flow import SchedulerPath
from genextras.schedulers.betas import BetaScheduler, LabelScheduler
from genextras.schedulers.flow import FlowMatchScheduler
from genextras.validation import message

__all__ = ["TrainingPath"]

EDGE = 1e-5  # share of a flow's time that is left out at either end, where x is data or noise alone
LEARNED_VARIANCES = ("learned", "learned_range")


class TrainingPath(SchedulerPath):
    """Noise levels of a scheduler, and what its network must predict there.

    Parameters
    ----------
    scheduler : DiffusionScheduler
        Of this package.
    owner : str, default="TrainingPath"
        For messages.

    Raises
    ------
    TypeError
        If the scheduler is of another kind.
    ValueError
        If its prediction cannot be inverted at a level.

    Examples
    --------
    >>> from genextras import DDIMScheduler
    >>> path = TrainingPath(DDIMScheduler(prediction_type="v_prediction"))
    >>> path.labels_at(torch.tensor([0.0, 0.5, 0.9999]).double()).tolist()
    [0.0, 500.0, 999.0]
    """

    def __init__(self, scheduler: Any, owner: str = "TrainingPath") -> None:
        super().__init__(scheduler, owner)
        self.variance_type = str(scheduler.config.get("variance_type", "fixed_small"))
        self.learns_variance = self.variance_type in LEARNED_VARIANCES
        self.is_whole = isinstance(scheduler, LabelScheduler)  # what the labels are
        last = self.labels_at(torch.tensor([1 - 1e-9], dtype=torch.float64))
        if self.prediction == "epsilon" and not self.levels(last)[0].all():
            scheduler._refuse(last.item())
        if self.learns_variance and not self.is_whole:
            allowed, cure = "a DDPMScheduler", "Others take no variance from the network."
            raise TypeError(message(owner, "scheduler", allowed, scheduler, cure))

    def labels_at(self, u: Tensor) -> Tensor:
        """Labels at shares of the scheduler's own time: t of flows and SDEs, log σ where a = 1.

        Parameters
        ----------
        u : Tensor of shape (n,), float64
            Shares in [0, 1), from data to noise.

        Returns
        -------
        Tensor of shape (n,), float64
            Labels.
        """
        if isinstance(self.scheduler, BetaScheduler):
            return (u * len(self.scheduler)).floor()
        if isinstance(self.scheduler, FlowMatchScheduler):
            return self.scheduler._turned(EDGE + (1 - 2 * EDGE) * u) * len(self.scheduler)
        ends = torch.tensor(self.ends, dtype=torch.float64)
        if self.family == "ve":
            low, high = ends.log()
            return self.labels_of(torch.lerp(low, high, u).exp())
        low, high = self.labels_of(ends)
        return torch.lerp(low, high, u)

    def labels_of(self, sigmas: Tensor) -> Tensor:
        """Labels of noise levels; whole ones where the sampler knows no others.

        Parameters
        ----------
        sigmas : Tensor of shape (n,), float64
            b / a.

        Returns
        -------
        Tensor of shape (n,), float64
            Labels.
        """
        labels = torch.from_numpy(self.labels(sigmas.numpy()))
        return labels.round() if self.is_whole else labels

    def levels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Scales of signal and noise at labels, as ``add_noise`` of the scheduler takes them.

        Parameters
        ----------
        labels : Tensor of shape (n,), float64
            On the CPU.

        Returns
        -------
        a, b : Tensor of shape (n,), float64
            x = a x_0 + b ε.
        """
        a, b = self.scheduler._levels(labels)
        return a, b

    def shares(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """ᾱ of labels and of the labels before them, for the bound.

        Parameters
        ----------
        labels : LongTensor of shape (n,)
            Labels.

        Returns
        -------
        alpha_bar, alpha_bar_prev : Tensor of shape (n,), float64
            The latter is 1 for label 0.
        """
        known = self.scheduler.alphas_cumprod.double()
        known = torch.cat([known.new_ones(1), known]).to(labels.device, non_blocking=True)
        return known[labels + 1], known[labels]
