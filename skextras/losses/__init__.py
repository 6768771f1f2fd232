"""ENGINE: losses of gradient boosting, each a small frozen object. It knows no host library."""

from collections.abc import Callable, Mapping

from skextras.losses.base import Gradients, Loss, gradient_buffers
from skextras.losses.classification import Exponential, log_loss
from skextras.losses.custom import CustomLoss, LossObject
from skextras.losses.kernels import BLOCK
from skextras.losses.regression import (
    AbsoluteError,
    Gamma,
    Huber,
    Poisson,
    Quantile,
    SquaredError,
    Tweedie,
)

__all__ = ["BLOCK", "LOSSES", "CustomLoss", "Gradients", "Loss", "LossObject", "gradient_buffers"]

# By scikit-learn's names: LOSSES[name](**options) is the loss.
LOSSES: Mapping[str, Callable[..., Loss]] = {
    "log_loss": log_loss,
    "exponential": Exponential,
    "squared_error": SquaredError,
    "absolute_error": AbsoluteError,
    "huber": Huber,
    "quantile": Quantile,
    "poisson": Poisson,
    "gamma": Gamma,
    "tweedie": Tweedie,
}
