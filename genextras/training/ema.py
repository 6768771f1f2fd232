"""Averages of a network's weights over training: exponential, power-function, and after the fact.

EDM2 (arXiv:2312.02696, section 3): with β_t = (1 - 1/t)^(γ+1) the average at step t is
(γ + 1)/t^(γ+1) ∫ τ^γ θ(τ) dτ. Its relative width σ_rel is a fixed share of training, and averages
of two widths, kept now and then, span those of others.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, final

import numpy as np
import torch
from diffusers.training_utils import EMAModel as HostEMAModel
from torch import Tensor
from torch.nn import Parameter

from genextras.validation import check_number, message

__all__ = ["EMAModel", "Snapshot", "blend", "posthoc_weights", "power_exponent"]

NARROWEST = 1e-3
WIDEST = 0.28  # σ_rel of γ = 0, the plain mean, is 1/√12


def power_exponent(sigma_rel: float) -> float:
    """Exponent γ of a power-function average of relative width σ_rel ([1]_, algorithm 2).

    σ_rel² = (γ + 1) / ((γ + 2)² (γ + 3)).

    Parameters
    ----------
    sigma_rel : float in (0, 0.28]
        Standard deviation of the averaged steps, as a share of their number.

    Returns
    -------
    float
        γ ≥ 0.

    References
    ----------
    .. [1] Karras et al. (2024), Analyzing and improving the training dynamics of diffusion models,
       arXiv:2312.02696.

    Examples
    --------
    >>> round(power_exponent(0.10), 2), round(power_exponent(0.05), 2)
    (6.94, 16.97)
    """
    usual = "0.1 is usual."
    check_number("power_exponent", "sigma_rel", sigma_rel, low=NARROWEST, high=WIDEST, cure=usual)
    t = sigma_rel**-2
    return float(np.roots([1, 7, 16 - t, 12 - t]).real.max())


@final
class EMAModel(HostEMAModel):
    """Average of weights, in place of diffusers' class of the same name.

    It has that class's methods and files, either way, and one more law: with ``sigma_rel``
    it is EDM2's power-function average [1]_, whose width grows with training, so that no start-up
    is needed and the number of steps need not be known. All weights move in one call.

    Parameters
    ----------
    parameters : iterable of Parameter
        Weights to follow.
    sigma_rel : float in (0, 0.28], optional
        Relative width of the power-function average: 0.1 is the mean of about the last fifth of the
        steps. Without it the other options act, as in diffusers.
    decay : float, default=0.9999
        Largest decay.
    min_decay : float, default=0.0
        Smallest one.
    update_after_step : int, default=0
        Steps before the average starts.
    use_ema_warmup : bool, default=False
        Whether the decay rises as 1 - (1 + t/inv_gamma)^-power; else as (1 + t)/(10 + t).
    inv_gamma : float, default=1.0
        Of that rise.
    power : float, default=2/3
        Of that rise.
    model_cls : type, optional
        Class of the network, for ``save_pretrained``.
    model_config : dict, optional
        Its config.

    References
    ----------
    .. [1] Karras et al. (2024), Analyzing and improving the training dynamics of diffusion models,
       arXiv:2312.02696, section 3.1.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> ema = EMAModel([weight], sigma_rel=0.28)  # nearly the plain mean
    >>> for value in (1.0, 2.0, 3.0):
    ...     _ = weight.data.fill_(value)
    ...     ema.step([weight])
    >>> round(ema.shadow_params[0].item(), 1)
    2.1
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        *,
        sigma_rel: float | None = None,
        decay: float = 0.9999,
        min_decay: float = 0.0,
        update_after_step: int = 0,
        use_ema_warmup: bool = False,
        inv_gamma: float = 1.0,
        power: float = 2 / 3,
        model_cls: type | None = None,
        model_config: dict[str, Any] | None = None,
    ) -> None:
        check_number("EMAModel", "decay", decay, low=0, high=1, cure="0.9999 is usual.")
        check_number("EMAModel", "min_decay", min_decay, low=0, high=1, cure="0 is usual.")
        self.sigma_rel = sigma_rel
        self._exponent: float | None = None if sigma_rel is None else power_exponent(sigma_rel)
        super().__init__(
            parameters,
            decay=decay,
            min_decay=min_decay,
            update_after_step=update_after_step,
            use_ema_warmup=use_ema_warmup,
            inv_gamma=inv_gamma,
            power=power,
            foreach=True,
            model_cls=model_cls,
            model_config=model_config,
        )

    @classmethod
    def from_pretrained(cls, path: str, model_cls: Any, foreach: bool = True) -> "EMAModel":
        """Read an average that ``save_pretrained`` wrote, of diffusers' class or this one.

        Parameters
        ----------
        path : str
            The folder.
        model_cls : type
            Class of the network.
        foreach : bool, default=True
            As in diffusers; all weights move in one call here in any case.

        Returns
        -------
        EMAModel
            The average.
        """
        del foreach
        config = model_cls.load_config(path)
        _, state = model_cls.from_config(config, return_unused_kwargs=True)
        model = model_cls.from_pretrained(path)
        ema = cls(model.parameters(), model_cls=model_cls, model_config=model.config)
        ema.load_state_dict(state)
        return ema

    def get_decay(self, optimization_step: int) -> float:
        """Share of the average that a step keeps.

        Parameters
        ----------
        optimization_step : int
            Number of the step, from 1 on.

        Returns
        -------
        float
            β in [0, 1].
        """
        if self._exponent is None:
            return float(super().get_decay(optimization_step))
        step = optimization_step - self.update_after_step
        return (1 - 1 / step) ** (self._exponent + 1) if step > 1 else 0.0

    @torch.no_grad()
    def step(self, parameters: Iterable[Parameter]) -> None:
        """Move the average towards the weights.

        Parameters
        ----------
        parameters : iterable of Parameter
            The weights, in the order of the constructor.
        """
        current = list(parameters)
        self.optimization_step += 1
        decay = self.get_decay(self.optimization_step)
        self.cur_decay_value = decay  # type: ignore[assignment]  # None in the host at first
        moved = [
            (s, p) for s, p in zip(self.shadow_params, current, strict=True) if p.requires_grad
        ]
        fixed = [
            (s, p) for s, p in zip(self.shadow_params, current, strict=True) if not p.requires_grad
        ]
        if moved:
            torch._foreach_lerp_([s for s, _ in moved], [p for _, p in moved], 1 - decay)
        for shadow, parameter in fixed:
            shadow.copy_(parameter)

    def state_dict(self) -> dict[str, Any]:
        """What the average consists of.

        Returns
        -------
        dict
            That of diffusers' class, and ``sigma_rel``.
        """
        return {**super().state_dict(), "sigma_rel": self.sigma_rel}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over another average, of diffusers' class or this one.

        Parameters
        ----------
        state_dict : dict
            From ``state_dict``; without ``sigma_rel`` that of this object stays.
        """
        super().load_state_dict(state_dict)
        self.sigma_rel = state_dict.get("sigma_rel", self.sigma_rel)
        self._exponent = None if self.sigma_rel is None else power_exponent(self.sigma_rel)


class Snapshot(NamedTuple):
    """A power-function average as it stood at a step."""

    step: int
    sigma_rel: float
    weights: list[Tensor]


def _product(step: Any, exponent: Any, other: Any, other_exponent: Any) -> Any:
    """∫ of the product of two averages' densities (algorithm 3 there), without overflow."""
    least = np.minimum(step, other)
    top = (exponent + 1) * (other_exponent + 1) / (exponent + other_exponent + 1)
    shares = exponent * np.log(least / step) + other_exponent * np.log(least / other)
    return top * np.exp(shares) * least / (step * other)


def posthoc_weights(
    steps: Sequence[int],
    sigma_rels: Sequence[float],
    *,
    step: int,
    sigma_rel: float,
) -> np.ndarray:
    """Weights of kept averages whose sum is nearest to the average of another width.

    Nearest in the squared difference of their densities over the steps ([1]_, section 3.2).

    Parameters
    ----------
    steps : sequence of int
        Where averages were kept.
    sigma_rels : sequence of float
        Their widths.
    step : int
        Where the wanted average ends.
    sigma_rel : float
        Its width.

    Returns
    -------
    array of shape (n,)
        Weights; their sum is about 1.

    References
    ----------
    .. [1] Karras et al. (2024), Analyzing and improving the training dynamics of diffusion models,
       arXiv:2312.02696.

    Examples
    --------
    >>> posthoc_weights([100, 100], [0.05, 0.1], step=100, sigma_rel=0.1).round(3).tolist()[1]
    1.0
    """
    t = np.asarray(steps, dtype=np.float64)
    gamma = np.array([power_exponent(width) for width in sigma_rels])
    wanted = power_exponent(sigma_rel)
    gram = _product(t[:, None], gamma[:, None], t[None], gamma[None])
    target = _product(t, gamma, float(step), wanted)
    scale = 1 / np.sqrt(np.diag(gram))  # neighbours are nearly parallel
    solved, *_ = np.linalg.lstsq(scale[:, None] * gram * scale, scale * target, rcond=1e-12)
    return np.asarray(scale * solved)


def blend(
    snapshots: Sequence[Snapshot], *, sigma_rel: float, step: int | None = None
) -> list[Tensor]:
    """Average of a width that was not followed in training, from those that were kept.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        Of at least one width, better of two, at several steps.
    sigma_rel : float
        The wanted width.
    step : int, optional
        Where it ends, by default at the last snapshot.

    Returns
    -------
    list of Tensor
        Weights.

    Raises
    ------
    ValueError
        If there is no snapshot.
    """
    if not snapshots:
        cure = "Keep some during training."
        raise ValueError(message("blend", "snapshots", "at least one", [], cure))
    steps = [each.step for each in snapshots]
    shares = posthoc_weights(
        steps,
        [each.sigma_rel for each in snapshots],
        step=max(steps) if step is None else step,
        sigma_rel=sigma_rel,
    )
    summed = [torch.zeros_like(each, dtype=torch.float64) for each in snapshots[0].weights]
    for share, snapshot in zip(shares.tolist(), snapshots, strict=True):
        torch._foreach_add_(summed, [each.double() for each in snapshot.weights], alpha=share)
    return [total.to(each.dtype) for total, each in zip(summed, snapshots[0].weights, strict=True)]
