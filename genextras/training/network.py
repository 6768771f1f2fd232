"""How a network is called: with or without classes, whatever wraps its output."""

from typing import Any

import torch
from torch import Tensor, nn

from genextras.validation import message

__all__ = ["Network", "null_class"]


def null_class(model: nn.Module) -> int | None:
    """The class that stands for none: the last row of the network's table of classes.

    Parameters
    ----------
    model : Module
        Of diffusers, or of its kind.

    Returns
    -------
    int or None
        None for a network without classes.
    """
    tables = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and "class" in name
    ]
    return tables[0].num_embeddings - 1 if len(tables) == 1 else None


class Network:
    """A module as a function (x, label, classes) to a prediction.

    Parameters
    ----------
    module : Module
        Called as ``module(x, label)`` or ``module(x, label, class_labels=...)``; its output is a
        Tensor, or has one as ``sample``.
    plain : Module, optional
        The same before it was wrapped for several processes or compiled.
    """

    def __init__(self, module: Any, plain: nn.Module | None = None) -> None:
        self.module, self.plain = module, module if plain is None else plain

    def __call__(self, x: Tensor, label: Tensor, classes: Tensor | None = None) -> Tensor:
        """Ask the network.

        Parameters
        ----------
        x : Tensor of shape (B, ...)
            As ``scale_model_input`` left it.
        label : Tensor of shape (B,) or ()
            Of the level.
        classes : LongTensor of shape (B,), optional
            For networks with classes.

        Returns
        -------
        Tensor of shape (B, ...)
            The prediction.
        """
        options = {} if classes is None else {"class_labels": classes}
        output = self.module(x, label, **options)
        found = getattr(output, "sample", None)
        return found if isinstance(found, Tensor) else output

    def guided(self, x: Tensor, label: Tensor, classes: Tensor | None, scale: float) -> Tensor:
        """Ask with and without classes, and extrapolate (arXiv:2207.12598, eq. 6, w = scale - 1).

        Parameters
        ----------
        x : Tensor of shape (B, ...)
            As ``scale_model_input`` left it.
        label : Tensor of shape (B,) or ()
            Of the level.
        classes : LongTensor of shape (B,) or None
            None stands for no class.
        scale : float
            1 is the plain prediction with classes.

        Returns
        -------
        Tensor of shape (B, ...)
            The prediction.
        """
        null = null_class(self.plain)
        if null is None:
            if classes is not None:
                cure = "Leave class_labels out."
                text = message("Network", "module", "one with classes", "none", cure)
                raise ValueError(text)
            return self(x, label)
        none = torch.full((len(x),), null, device=x.device)
        if classes is None:
            return self(x, label, none)
        if scale == 1:
            return self(x, label, classes)
        times = label if not label.ndim else label.repeat(2)
        both = self(x.repeat(2, *[1] * (x.ndim - 1)), times, torch.cat([classes, none]))
        given, free = both.chunk(2)
        return free + scale * (given - free)
