"""What a policy chose in a step."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Choices(NamedTuple):
    """Actions of N environments, V of where they stood, and log π(a|s), as arrays."""

    actions: np.ndarray  # (N, ...)
    values: np.ndarray  # (N,)
    log_probs: np.ndarray  # (N,)

    def tensors(self, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Values and log-probabilities as the host's own loop holds them.

        Parameters
        ----------
        device : device or str, default="cpu"
            Where to.

        Returns
        -------
        tuple of Tensor
            Shapes (N, 1) and (N,).
        """
        values, log_probs = torch.from_numpy(self.values), torch.from_numpy(self.log_probs)
        return values[:, None].to(device), log_probs.to(device)
