"""Which path runs: compiled kernels for what they know to the last detail, or torch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from rlextras.validation import OptionError

NAMES = ("auto", "torch", "numba")
ACTIVATIONS = (nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Sigmoid, nn.Identity)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True)
class Backend:
    """What computes, and why.

    Attributes
    ----------
    name : str
        "numba" or "torch".
    reason : str
        Why, as a clause.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        """The name and the reason in one line."""
        return f"{self.name} ({self.reason})"


class ChosenBackend:
    """An algorithm that runs by kernels or by torch; abstract: a shell adds ``_obstacle``."""

    _requested_backend: str = "auto"

    @property
    def backend(self) -> Backend:
        """Which path computes the next actions and update, and why.

        Returns
        -------
        Backend
            Its name and the reason.
        """
        if self._requested_backend == "torch":
            return Backend("torch", "as asked")
        against = self._obstacle()
        if not against:
            return Backend("numba", "the kernels know this policy")
        if self._requested_backend == "numba":
            raise OptionError(
                f"{type(self).__name__}: backend must be 'auto' or 'torch' here, got 'numba': "
                f"{against}. 'auto' takes the kernels where they know the policy."
            )
        return Backend("torch", against)

    def _obstacle(self) -> str:
        """Why the kernels cannot run this model; empty if they can."""
        raise NotImplementedError("a shell says why")

    def _own_attributes(self) -> list[str]:
        """Attributes that stay out of files: what is made anew, and a default choice."""
        is_default = self._requested_backend == "auto"
        return ["_shared", "_requested_backend"] if is_default else ["_shared"]


def module_obstacles(policy: nn.Module) -> Iterator[str]:
    """Find what the parts of a policy have that the kernels would pass over.

    Parameters
    ----------
    policy : Module
        What they would stand in for.

    Yields
    ------
    str
        A clause for each: hooks, methods replaced, parameters frozen or of another type.
    """
    for module in policy.modules():
        if any(getattr(module, name) for name in _HOOKS) or "forward" in vars(module):
            yield f"a {type(module).__name__} of the policy has hooks"
    parameters = list(policy.parameters())
    if any(each.dtype != torch.float32 or each.device.type != "cpu" for each in parameters):
        yield "its parameters are not all float32 on the CPU"
    if not all(each.requires_grad and not each._backward_hooks for each in parameters):
        yield "some of its parameters are frozen or have hooks"


def layer_obstacles(linears: Iterable[Any], activations: Iterable[Any]) -> Iterator[str]:
    """Find layers that the kernels do not know.

    Parameters
    ----------
    linears : iterable of Module
        What should be linear, with biases.
    activations : iterable of Module
        What stands behind them.

    Yields
    ------
    str
        A clause for each.
    """
    for layer in activations:
        if type(layer) not in ACTIVATIONS:
            yield f"its activation is {type(layer).__name__}"
    for linear in linears:
        if type(linear) is not nn.Linear or linear.bias is None:
            yield f"one of its layers is a {type(linear).__name__}"


def optimizer_obstacle(optimizer: Any, parameters: Iterable[Tensor]) -> str:
    """Why the kernels cannot stand in for an optimiser.

    Parameters
    ----------
    optimizer : Optimizer
        What they would stand in for.
    parameters : iterable of Tensor
        What they would move.

    Returns
    -------
    str
        A clause; empty if they can.
    """
    if type(optimizer) is not Adam:
        return f"its optimizer is {type(optimizer).__name__}, not Adam"
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
    if "step" in vars(optimizer) or any(hooks):
        return "its optimizer's step was replaced or has hooks"
    if len(optimizer.param_groups) != 1:
        return "its optimizer has several groups of parameters"
    [group] = optimizer.param_groups
    unusual = ("weight_decay", "amsgrad", "maximize", "capturable", "differentiable")
    for name in (*unusual, "decoupled_weight_decay"):
        if group.get(name):
            return f"its optimizer has {name}={group[name]!r}"
    if not isinstance(group["lr"], float | int):
        return "its learning rate is a tensor"
    if {id(each) for each in group["params"]} != {id(each) for each in parameters}:
        return "its optimizer moves other parameters than its own"
    return ""
