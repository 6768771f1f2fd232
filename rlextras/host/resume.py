"""What a training goes by besides its parameters and counters: taken down, and put back."""

import copy
import random
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

STAND = "_stand"
"""The attribute that holds it in a file; the host's own classes carry it along unread."""
MIDWAY = {"is_midway": True}
"""In place of it while a rollout is collected: from there nobody can go on exactly."""


def taken_down(model: BaseAlgorithm) -> dict[str, Any]:
    """Where every generator stands that the training draws from, and a ``VecNormalize``.

    Parameters
    ----------
    model : BaseAlgorithm
        Between two rollouts.

    Returns
    -------
    dict
        Of arrays, numbers, tuples and the host's own statistics, so that the host can unpickle it.
    """
    normalizer = model.get_vec_normalize_env()
    return {
        "num_timesteps": model.num_timesteps,
        "torch": torch.get_rng_state().numpy(),
        "cuda": [state.cpu().numpy() for state in _cuda_states(model)],
        "numpy": np.random.get_state(),  # noqa: NPY002  # the host's buffers draw from it
        "python": random.getstate(),
        "action_space": model.action_space.np_random.bit_generator.state,
        "normalizer": None
        if normalizer is None
        else {name: copy.deepcopy(getattr(normalizer, name, None)) for name in STATISTICS},
    }


STATISTICS = ("obs_rms", "ret_rms", "returns")
"""What a ``VecNormalize`` learns; the last is what its own ``save`` leaves out."""


def check_stand(model: BaseAlgorithm, state: dict[str, Any] | None) -> None:
    """Refuse to resume where it could not be exact.

    Parameters
    ----------
    model : BaseAlgorithm
        Just loaded.
    state : dict or None
        From ``taken_down``.

    Raises
    ------
    ValueError
        If there is no state, or one from the midst of a rollout, or the environment is not of the
        kind that the saved one was.
    """
    owner = type(model).__name__
    if state is None:
        raise ValueError(
            f"{owner}: path must be a file that rlextras saved to be resumed, got one without "
            "generators. Load it with resume=False and go on from a reset."
        )
    if "is_midway" in state:
        raise ValueError(
            f"{owner}: path must be a file saved between two rollouts to be resumed exactly, got "
            "one from the midst of a rollout. Save after learn, or when a callback's "
            "_on_rollout_start is called; or load it with resume=False and go on from a reset."
        )
    if model.env is None:
        raise ValueError(
            f"{owner}: env must be given to be resumed on, got None. Hand it to load, or save it "
            'too by include=["env"].'
        )
    if state["num_timesteps"] != model.num_timesteps:
        raise ValueError(
            f"{owner}: path must be a file that rlextras saved last to be resumed, got one that "
            "the host's class trained on. Load it with resume=False and go on from a reset."
        )
    last: Any = model._last_obs
    n_envs = model.n_envs if last is None else len(model._last_episode_starts)  # type: ignore[arg-type]
    if model.n_envs != n_envs:
        raise ValueError(
            f"{owner}: env must hold {n_envs} environments to be resumed on, as the saved one did, "
            f"got {model.n_envs}. Load it with resume=False and go on from a reset."
        )
    was_normalized, is_normalized = state["normalizer"], model.get_vec_normalize_env()
    if (was_normalized is None) is not (is_normalized is None):
        allowed = "a VecNormalize" if is_normalized is None else "no VecNormalize"
        raise ValueError(
            f"{owner}: env must have {allowed} around it to be resumed on, as the saved one did. "
            "Load it with resume=False and go on from a reset."
        )


def put_back(model: BaseAlgorithm, state: dict[str, Any]) -> None:
    """Let every generator stand where it stood, and a ``VecNormalize``.

    Parameters
    ----------
    model : BaseAlgorithm
        Just loaded, and checked by ``check_stand``.
    state : dict
        From ``taken_down``.
    """
    torch.set_rng_state(torch.from_numpy(state["torch"]))
    if state["cuda"] and model.device.type == "cuda":
        torch.cuda.set_rng_state_all([torch.from_numpy(each) for each in state["cuda"]])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    random.setstate(state["python"])
    model.action_space.np_random.bit_generator.state = state["action_space"]
    normalizer = model.get_vec_normalize_env()
    if normalizer is not None:
        for name, value in state["normalizer"].items():
            if value is not None:
                setattr(normalizer, name, value)
    if model.env is not None and model._last_obs is not None:
        model.env.unwrapped._reset_seeds()  # loading seeded the next reset; this run was under way


def _cuda_states(model: BaseAlgorithm) -> list[torch.Tensor]:
    """States of the generators on CUDA devices, if the model draws from them."""
    return torch.cuda.get_rng_state_all() if model.device.type == "cuda" else []
