"""A module of torch as an ONNX file."""

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from torch import Tensor, nn

ACTION, OBSERVATION = "action", "observation"


def check_packages(owner: str) -> None:
    """Refuse to export where a package is missing that writes ONNX.

    Parameters
    ----------
    owner : str
        Who speaks.

    Raises
    ------
    ModuleNotFoundError
        If a package is missing.
    """
    for name in ("onnx", "onnxscript"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(
                f'{owner}: {name} is not installed. Run: pip install "mlextras[onnx]".', name=name
            )


def write_module(policy: BasePolicy, module: nn.Module, path: str | Path) -> None:
    """Write what a policy does as an ONNX file.

    Parameters
    ----------
    policy : BasePolicy
        Whose observations go in; in evaluation mode meanwhile.
    module : Module
        Actions (n, ...) for observations: one Tensor, or one for each key of a Dict.
    path : str or Path
        Where to.
    """
    space = policy.observation_space
    parts = dict(space.spaces) if isinstance(space, spaces.Dict) else {OBSERVATION: space}
    examples = tuple(_example(part, policy.device) for part in parts.values())
    batch = torch.export.Dim("batch", min=1)
    was_training = policy.training
    policy.set_training_mode(False)
    try:
        with _quiet():
            torch.onnx.export(
                module.eval(),
                examples,
                str(path),
                input_names=list(parts),
                output_names=[ACTION],
                dynamic_shapes=(tuple({0: batch} for _ in parts),),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    finally:
        policy.set_training_mode(was_training)


def _example(space: Any, device: torch.device) -> Tensor:
    """Two observations of a space, all zero."""
    return torch.from_numpy(np.zeros((2, *space.shape), space.dtype)).to(device)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch's exporter says of its own workings from the user."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # its parts have levels of their own
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
