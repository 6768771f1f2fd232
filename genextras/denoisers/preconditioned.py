"""EDM's preconditioning around any network, for any scheduler."""

from collections.abc import Mapping
from typing import Any, ClassVar, final

import diffusers
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin  # from_pretrained reads it here
from torch import Tensor

from genextras.core.predictions import solve, target_weights
from genextras.denoisers.base import DenoiserOutput
from genextras.denoisers.dit import DiT
from genextras.denoisers.mlp import MLPDenoiser
from genextras.denoisers.ssm import SSMDenoiser
from genextras.schedulers.base import DiffusionScheduler
from genextras.schedulers.ddim import DDIMScheduler
from genextras.schedulers.ddpm import DDPMScheduler
from genextras.schedulers.edm import EDMScheduler
from genextras.schedulers.flow import FlowMatchScheduler
from genextras.schedulers.langevin import AnnealedLangevinScheduler
from genextras.schedulers.multistep import MultistepScheduler
from genextras.schedulers.sde import SDEScheduler
from genextras.validation import check_number, message

__all__ = ["EDMPreconditioned"]

NETWORKS = {each.__name__: each for each in (DiT, MLPDenoiser, SSMDenoiser)}
SCHEDULERS = {
    each.__name__: each
    for each in (
        AnnealedLangevinScheduler,
        DDIMScheduler,
        DDPMScheduler,
        EDMScheduler,
        FlowMatchScheduler,
        MultistepScheduler,
        SDEScheduler,
    )
}
FARTHEST = 1e4  # σ that stands for levels without data, at the noisy end of flows


@final
class EDMPreconditioned(ModelMixin, ConfigMixin):
    """A network whose input, output and noise level are scaled as in EDM ([1]_, eq. 7, table 1).

    The network inside sees x of unit variance and the label log(σ)/4, and says EDM's F. What comes
    out is what the scheduler's ``prediction_type`` means, at the labels and on the path of that
    scheduler: one 2x2 solve turns one into the other. So ``DDPMScheduler``, ``FlowMatchScheduler``
    and all others sample a network that is easy to train at every level. ``EDMScheduler`` with
    ``precondition=True`` does the same by itself and takes the bare network.

    Parameters
    ----------
    network : ModelMixin or dict
        The network inside, of this package or of diffusers; or its config with ``_class_name``, as
        files hold it.
    scheduler : DiffusionScheduler or dict
        Whose labels, path and ``prediction_type`` are meant, of this package; or its config.
    sigma_data : float, default=0.5
        Standard deviation of data.
    label_scale : float, default=1.0
        Factor of log(σ)/4 for networks that know labels up to 1000: 250, say, for ``UNet2DModel``.
        Networks of this package have ``timestep_scale`` for it.

    Raises
    ------
    TypeError
        If network or scheduler are of another kind.
    ValueError
        If a name is unknown, or the scheduler is preconditioned itself.

    References
    ----------
    .. [1] Karras, Aittala, Aila, Laine (2022), Elucidating the design space of diffusion-based
       generative models, arXiv:2206.00364.

    Examples
    --------
    >>> import torch, genextras
    >>> from genextras.denoisers import MLPDenoiser
    >>> scheduler = genextras.FlowMatchScheduler()
    >>> model = EDMPreconditioned(MLPDenoiser(2, timestep_scale=250.0), scheduler)
    >>> model(torch.randn(5, 2), 700.0).sample.shape
    torch.Size([5, 2])
    """

    config_name: ClassVar[str] = ModelMixin.config_name  # type: ignore[assignment, misc]  # both bases state it
    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(
        self,
        network: ModelMixin | Mapping[str, Any],
        scheduler: DiffusionScheduler | Mapping[str, Any],
        sigma_data: float = 0.5,
        label_scale: float = 1.0,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        for name, value in (("sigma_data", sigma_data), ("label_scale", label_scale)):
            cure = "It is a deviation." if name == "sigma_data" else "250 suits labels up to 1000."
            check_number(owner, name, value, low=1e-6, high=1e6, cure=cure)
        self.inner = network if isinstance(network, ModelMixin) else _network_of(network)
        self._path = _scheduler_of(scheduler)
        if self._path.config.get("precondition"):
            cure = "Pass EDMScheduler(precondition=False, ...), or train the bare network."
            raise ValueError(message(owner, "precondition", "False", True, cure))
        inner = self.inner.config
        self.register_to_config(
            network=_saved(self.inner),
            scheduler=_saved(self._path),
            sample_size=inner["sample_size"],  # where pipelines look for them
            in_channels=inner["in_channels"],
            out_channels=inner["out_channels"],
        )

    def forward(
        self,
        sample: Tensor,
        timestep: float | Tensor,
        class_labels: Tensor | None = None,
        return_dict: bool = True,
    ) -> DenoiserOutput | tuple[Tensor]:
        """Predict what the scheduler's ``prediction_type`` says.

        Parameters
        ----------
        sample : Tensor of shape (B, C, ...)
            Noised samples, as ``scale_model_input`` left them.
        timestep : number or Tensor of 1 or B elements
            Labels of the scheduler.
        class_labels : LongTensor of shape (B,), optional
            Passed on.
        return_dict : bool, default=True
            Whether to return an object with names, or a tuple.

        Returns
        -------
        DenoiserOutput or tuple
            ``sample``, a Tensor of shape (B, C, ...).
        """
        labels = torch.as_tensor(timestep, device=sample.device).reshape(-1)
        a, b = self._path._levels(labels.double())
        std, prediction = self.config["sigma_data"], self._path.config["prediction_type"]
        seen = 1.0
        if getattr(self._path, "_scales_input", False):
            seen = (b**2 + (a * self._path._sigma_data()) ** 2) ** -0.5
        scale = (b**2 + (a * std) ** 2) ** -0.5 / seen
        noise_label = (b / a).clamp(max=FARTHEST).log() / 4 * self.config["label_scale"]
        words = {} if class_labels is None else {"class_labels": class_labels}
        output = self.inner(_times(scale, sample), noise_label.float(), **words).sample
        p, q, r, s = solve("edm", a, b, std)  # of x and F
        u, w = target_weights(prediction, a, b)  # of x_0 and ε
        result = _times((u * p + w * r) / seen, sample) + _times(u * q + w * s, output)
        return DenoiserOutput(sample=result) if return_dict else (result,)


def _times(weight: Tensor, x: Tensor) -> Tensor:
    """One weight a sample, or one for all."""
    return weight.to(x.dtype).view(-1, *[1] * (x.ndim - 1)) * x


def _saved(part: Any) -> dict[str, Any]:
    """Config and name, without what diffusers notes for itself."""
    words = {name: value for name, value in part.config.items() if not name.startswith("_")}
    return {"_class_name": type(part).__name__, **words}


def _class_of(config: Any, name: str, ours: Mapping[str, Any]) -> Any:
    """The class that a config names: of this package, or else of diffusers."""
    owner = EDMPreconditioned.__name__
    if not isinstance(config, Mapping):
        cure = "Pass the object itself."
        kind = type(config).__name__
        raise TypeError(message(owner, name, "an object or its config", kind, cure))
    found = config.get("_class_name")
    known = ours.get(str(found))
    if known is None and name == "network":
        known = getattr(diffusers, str(found), None)
        known = known if isinstance(known, type) and issubclass(known, ModelMixin) else None
    if known is None:
        allowed = "with a _class_name of " + ", ".join(ours)
        raise ValueError(message(owner, name, allowed, found, "Pass the object itself."))
    return known


def _network_of(config: Any) -> ModelMixin:
    return _class_of(config, "network", NETWORKS).from_config(dict(config))


def _scheduler_of(scheduler: Any) -> Any:
    if isinstance(scheduler, DiffusionScheduler):
        return type(scheduler).from_config(scheduler.config)
    return _class_of(scheduler, "scheduler", SCHEDULERS).from_config(dict(scheduler))
