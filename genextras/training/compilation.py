"""Whether torch can compile here, asked before a run that would fail at its first update."""

import warnings

import torch

__all__ = ["can_compile"]


def can_compile(device: torch.device, *, is_told: bool) -> bool:
    """Compile one sum, which takes a C++ compiler on a CPU, and Triton on a GPU.

    Parameters
    ----------
    device : torch.device
        Of the network.
    is_told : bool
        Whether to warn where that fails.

    Returns
    -------
    bool
        Whether it worked.
    """
    try:
        with torch.no_grad():
            torch.compile(_sum, backend="inductor")(torch.zeros(2, device=device))
    except Exception as error:  # of many kinds: no compiler, no headers, no folder to write in
        if is_told:
            [reason, *_] = str(error).strip().splitlines() or [type(error).__name__]
            needs = "Triton" if device.type == "cuda" else "a C++ compiler"
            warnings.warn(
                f"Trainer: compile=True needs {needs} that works ({reason}). Training goes on "
                "uncompiled. Install one (g++; or name it in CXX), or leave compile out.",
                stacklevel=2,
            )
        return False
    return True


def _sum(x: torch.Tensor) -> torch.Tensor:
    return x + 1
