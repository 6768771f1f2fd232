"""Networks that predict what schedulers need, saved and loaded as diffusers' own models.

``model(sample, timestep, class_labels=None).sample``, so they take the place of ``UNet2DModel``. To
load a pipeline that holds one, ``import genextras.denoisers`` first.
"""

from genextras.denoisers.dit import DiT
from genextras.denoisers.mlp import MLPDenoiser
from genextras.denoisers.preconditioned import EDMPreconditioned
from genextras.denoisers.ssm import SSMDenoiser

__all__ = ["DiT", "EDMPreconditioned", "MLPDenoiser", "SSMDenoiser"]
