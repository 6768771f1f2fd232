"""What a block knows besides its tokens: the noise level and the class, as one vector."""

from typing import Any

import torch
from torch import Tensor, nn

from genextras.core.rotary import sinusoids
from genextras.validation import message

__all__ = ["Conditioning", "Modulation", "modulated"]

FREQUENCIES = 256  # numbers that a label of a noise level becomes


class Conditioning(nn.Module):
    """Noise level and class as one vector a sample.

    Labels become sinusoids and pass a small network; a class adds a learned vector of its own. One
    vector more stands for no class, as classifier-free guidance needs it (arXiv:2207.12598).

    Parameters
    ----------
    owner : str
        For messages.
    width : int
        Numbers of the vector.
    num_class_embeds : int or None
        Number of classes; None for a network without.
    timestep_scale : float
        Factor of labels before the sinusoids, whose highest frequency is 1.
    """

    def __init__(
        self, owner: str, width: int, num_class_embeds: int | None, timestep_scale: float
    ) -> None:
        super().__init__()
        self.owner, self.scale, self.n_classes = owner, timestep_scale, num_class_embeds
        self.timestep = nn.Sequential(
            nn.Linear(FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width)
        )
        if num_class_embeds is not None:
            self.classes = nn.Embedding(num_class_embeds + 1, width)
            nn.init.normal_(self.classes.weight, std=0.02)

    def forward(self, timestep: Any, class_labels: Tensor | None, sample: Tensor) -> Tensor:
        """Vectors of a batch.

        Parameters
        ----------
        timestep : number or Tensor of 1 or B elements
            Labels of noise levels.
        class_labels : LongTensor of shape (B,) or None
            Classes; ``num_class_embeds`` and None stand for no class.
        sample : Tensor of shape (B, ...)
            Tells size, device and dtype.

        Returns
        -------
        Tensor of shape (B, width)
            After the activation, ready for linear maps.

        Raises
        ------
        TypeError, ValueError
            If there is not one label a sample, or a class is unknown.
        """
        labels = torch.as_tensor(timestep, dtype=torch.float32, device=sample.device).reshape(-1)
        if len(labels) not in {1, len(sample)}:
            allowed, cure = f"1 or {len(sample)} labels", "Pass one for each sample."
            raise ValueError(message(self.owner, "timestep", allowed, len(labels), cure))
        waves = sinusoids(labels[:, None] * self.scale, FREQUENCIES)
        vector = self.timestep(waves.to(sample.dtype)).expand(len(sample), -1)
        if self.n_classes is not None:
            vector = vector + self.classes(self._known(class_labels, sample))
        elif class_labels is not None:
            cure = "Construct it with num_class_embeds."
            raise ValueError(
                message(self.owner, "class_labels", "None", "labels", cure).replace("'", "")
            )
        return nn.functional.silu(vector)

    def _known(self, class_labels: Tensor | None, sample: Tensor) -> Tensor:
        """Rows of the table, the last one where there is no class."""
        if class_labels is None:
            return torch.full((len(sample),), self.classes.num_embeddings - 1, device=sample.device)
        labels = torch.as_tensor(class_labels, device=sample.device)
        allowed = f"{len(sample)} whole numbers in [0, {self.n_classes}]"
        if labels.is_floating_point() or labels.dtype == torch.bool:
            cure = "Pass class_labels.long()."
            raise TypeError(message(self.owner, "class_labels", allowed, labels.dtype, cure))
        cure = f"{self.n_classes} stands for no class."
        if labels.shape != (len(sample),):
            shape = tuple(labels.shape)
            raise ValueError(message(self.owner, "class_labels", allowed, shape, cure))
        if labels.device.type == "cpu" and not torch.compiler.is_compiling():  # no device waits
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= self.classes.num_embeddings:
                raise ValueError(message(self.owner, "class_labels", allowed, (low, high), cure))
        return labels


class Modulation(nn.Module):
    """A linear map from the conditioning to scales, shifts and gates that starts at zero.

    So every residual branch starts closed and the network as the identity (AdaLN-zero,
    arXiv:2212.09748, section 3.2).

    Parameters
    ----------
    width : int
        Numbers of the conditioning and of a token.
    n_parts : int
        Vectors that are wanted.
    """

    def __init__(self, width: int, n_parts: int) -> None:
        super().__init__()
        self.n_parts = n_parts
        self.linear = nn.Linear(width, n_parts * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, condition: Tensor, n_axes: int) -> tuple[Tensor, ...]:
        """Vectors for tokens.

        Parameters
        ----------
        condition : Tensor of shape (B, width)
            From ``Conditioning``.
        n_axes : int
            Axes of tokens between the batch and their numbers.

        Returns
        -------
        tuple of Tensor of shape (B, 1, ..., width)
            ``n_parts`` of them.
        """
        parts = self.linear(condition)
        parts = parts.view(len(parts), *[1] * n_axes, -1)
        return parts.chunk(self.n_parts, dim=-1)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Normalise each token and give it a scale and a shift from outside.

    Parameters
    ----------
    x : Tensor of shape (B, ..., width)
        Tokens.
    shift, scale : Tensor of shape (B, 1, ..., width)
        From ``Modulation``.

    Returns
    -------
    Tensor of shape (B, ..., width)
        (1 + scale) LN(x) + shift, where LN has no parameters.
    """
    normal = nn.functional.layer_norm(x, x.shape[-1:], eps=1e-6)
    return torch.addcmul(shift, normal, 1 + scale)
