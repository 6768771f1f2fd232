"""Random generators of a run: its own ones, and the global ones that dropout draws from."""

from typing import Any

import torch
from torch import Generator, Tensor

__all__ = ["random_states", "seeded", "set_random_states"]


def seeded(device: torch.device, *seeds: int) -> Generator:
    """A generator of its own for each tuple of whole numbers.

    Parameters
    ----------
    device : torch.device
        Where it draws.
    *seeds : int
        Mixed into one seed.

    Returns
    -------
    torch.Generator
        New.
    """
    mixed = 0
    for seed in seeds:  # multiplication by an odd constant, modulo 2^63 (Knuth's hash)
        mixed = ((mixed ^ seed) * 6364136223846793005 + 1442695040888963407) % 2**63
    return Generator(device).manual_seed(mixed >> 16)


def random_states(device: torch.device) -> dict[str, Tensor]:
    """States of the global generators.

    Parameters
    ----------
    device : torch.device
        Of the network.

    Returns
    -------
    dict of str to Tensor
        Of the CPU, and of a GPU if that is the device.
    """
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(states: dict[str, Tensor] | None, seed: int, accelerator: Any) -> None:
    """Set the global generators, inside a fork that gives them back.

    Parameters
    ----------
    states : dict of str to Tensor or None
        From ``random_states``; None starts anew, differently in each process.
    seed : int
        Of the run.
    accelerator : Accelerator
        Knows process and device.
    """
    device = accelerator.device
    if states is None:
        start = seeded(torch.device("cpu"), seed, 3, accelerator.process_index)
        torch.manual_seed(start.initial_seed())
        return
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
