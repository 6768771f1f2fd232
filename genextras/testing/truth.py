"""What a scheduler should do: its levels as ``add_noise`` shows them, and a perfect network."""

from typing import Any

import torch
from torch import Tensor

from genextras.core.predictions import target_weights


def noised(scheduler: Any, data: Tensor, noise: Tensor, labels: Tensor) -> Tensor:
    """Data with noise, under whichever name the scheduler has for it.

    Parameters
    ----------
    scheduler : SchedulerMixin
        With timesteps.
    data, noise : Tensor of shape (B, ...)
        x_0 and ε.
    labels : Tensor of shape (B,) or (1,)
        Timesteps.

    Returns
    -------
    Tensor of shape (B, ...)
        a x_0 + b ε.
    """
    if hasattr(scheduler, "add_noise") or not hasattr(scheduler, "scale_noise"):
        noisy: Tensor = scheduler.add_noise(data, noise, labels)
    else:
        noisy = scheduler.scale_noise(data, labels, noise)  # the name in pipelines of flows
    return noisy


def level(scheduler: Any, t: Tensor) -> tuple[float, float]:
    """(a, b) of x = a x_0 + b ε at a label, read off ``add_noise``.

    Parameters
    ----------
    scheduler : SchedulerMixin
        With timesteps.
    t : Tensor, 0-d
        The label.

    Returns
    -------
    a, b : float
        Its scales.
    """
    one, zero = torch.ones(1, 1), torch.zeros(1, 1)
    data = noised(scheduler, one, zero, t.reshape(1))
    noise = noised(scheduler, zero, one, t.reshape(1))
    return float(data), float(noise)


def answer(scheduler: Any, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """What a perfect network says at x = a x_0 + b ε.

    Parameters
    ----------
    scheduler : SchedulerMixin
        With timesteps.
    data, noise : Tensor of shape (B, ...)
        x_0 and ε.
    t : Tensor, 0-d
        The label of the level.

    Returns
    -------
    Tensor of shape (B, ...)
        F, as the config's prediction type has it.
    """
    config = scheduler.config
    prediction = config.get("prediction_type", "flow_prediction")
    sigma_data = 1.0
    if config.get("precondition", hasattr(scheduler, "precondition_inputs")):
        prediction = {"epsilon": "edm", "v_prediction": "edm_negative"}.get(prediction, prediction)
        sigma_data = config["sigma_data"]
    a, b = (torch.tensor(each).double() for each in level(scheduler, t))
    u, w = target_weights(prediction, a, b, sigma_data)
    return u.float() * data + w.float() * noise
