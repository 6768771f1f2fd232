"""Batches of observations and infos, seen one environment at a time."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

_PLAIN = {bool, int, float, str, type(None), np.float32, np.float64, np.bool_}


def copied(batch: Any) -> Any:
    """A batch of observations of its own memory.

    Parameters
    ----------
    batch : ndarray of shape (N, ...), or dict or tuple of them
        Observations.

    Returns
    -------
    same type
        The copy.
    """
    if isinstance(batch, Mapping):
        return {key: copied(each) for key, each in batch.items()}
    if isinstance(batch, tuple):
        return tuple(copied(each) for each in batch)
    return np.array(batch)


def row(batch: Any, i: int) -> Any:
    """One environment's observation, of its own memory.

    Parameters
    ----------
    batch : ndarray of shape (N, ...), or dict or tuple of them
        Observations.
    i : int
        Which.

    Returns
    -------
    same type
        Without the first axis.
    """
    if isinstance(batch, Mapping):
        return {key: row(each, i) for key, each in batch.items()}
    if isinstance(batch, tuple):
        return tuple(row(each, i) for each in batch)
    return np.array(batch[i])


def write_row(batch: Any, i: int, given: Any) -> None:
    """Put one environment's observation into a batch.

    Parameters
    ----------
    batch : ndarray of shape (N, ...), or dict or tuple of them
        Observations; row i is overwritten.
    i : int
        Which.
    given : ndarray, dict or tuple
        The observation.
    """
    if isinstance(batch, Mapping):
        for key, each in batch.items():
            write_row(each, i, given[key])
    elif isinstance(batch, tuple):
        for each, part in zip(batch, given, strict=True):
            write_row(each, i, part)
    else:
        batch[i] = given


def info_of(infos: Mapping[str, Any], i: int) -> dict[str, Any]:
    """One environment's part of Gymnasium's vectorised infos.

    Parameters
    ----------
    infos : mapping of str to object
        A value (N, ...) under each name, and under that name with a leading underscore whether each
        environment has one; dicts are nested in the same way.
    i : int
        Which.

    Returns
    -------
    dict
        What environment i said. A value without a mask belongs to every environment.
    """
    found: dict[str, Any] = {}
    for key, values in infos.items():
        mask = infos.get(f"_{key}")
        is_mask = key.startswith("_") and key[1:] in infos
        if is_mask or (mask is not None and not mask[i]):
            continue
        if isinstance(values, Mapping):
            found[key] = info_of(values, i)
        else:
            found[key] = values[i] if isinstance(values, np.ndarray | list | tuple) else values
    return found


def copied_info(info: dict[str, Any]) -> dict[str, Any]:
    """What an environment said, of its own memory.

    Parameters
    ----------
    info : dict
        Of one environment.

    Returns
    -------
    dict
        A deep copy; numbers and words, which cannot change, are the same.
    """
    if type(info) is not dict:
        return copy.deepcopy(info)
    if _PLAIN.issuperset(map(type, info.values())):  # of most steps
        return info.copy()
    return {
        name: value if type(value) in _PLAIN else copy.deepcopy(value)
        for name, value in info.items()
    }
