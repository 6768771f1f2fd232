"""Files of the host, looked into before they are loaded."""

import json
import pickle
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stable_baselines3.common.save_util import load_from_pkl, open_path

UNPICKLABLE = (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError)
UNREADABLE = (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError)


def check_file(
    owner: str, path: Any, *, parts: Collection[str], keys: Collection[str], own: Collection[str]
) -> None:
    """Refuse a file that another algorithm saved, or that was cut short; a missing one passes.

    Parameters
    ----------
    owner : str
        Who speaks.
    path : str, Path or binary file
        What is to be loaded.
    parts : collection of str
        What the file of such an algorithm holds.
    keys : collection of str
        Attributes that stand in it.
    own : collection of str
        Attributes that only files of this algorithm hold; ``exclude`` may have left some out.

    Raises
    ------
    ValueError
        If the file is not whole, or of another algorithm.
    """
    is_path = isinstance(path, str | Path)
    file = open_path(path, "r", suffix="zip")
    try:
        why = _fault_of(file, parts, keys, own)
    finally:
        if is_path:
            file.close()
    if why:
        name = repr(str(path)) if is_path else f"a {type(path).__name__}"
        raise ValueError(
            f"{owner}: path must be a file that {owner}.save wrote, got {name}, which {why}. "
            "Load a checkpoint that is whole, with the class that saved it."
        )


def _fault_of(
    file: Any, parts: Collection[str], keys: Collection[str], own: Collection[str]
) -> str:
    """Why a file is none of ours; empty if nothing speaks against it."""
    try:
        with zipfile.ZipFile(file) as archive:
            missing = [name for name in parts if name not in archive.namelist()]
            if missing:
                return f"holds no {missing[0]!r}"
            broken = archive.testzip()
            if broken is not None:
                return f"is damaged in {broken!r}"
            data = json.loads(archive.read("data"))
    except UNREADABLE:
        return "wasn't a zip-file, or not a whole one"
    except ValueError:
        return "holds no readable attributes"
    absent = [name for name in keys if name not in data]
    if not any(name in data for name in own):
        absent += own
    return f"holds no {absent[0]!r}: another algorithm saved it" if absent else ""


@contextmanager
def naming_networks(owner: str) -> Iterator[None]:
    """Say in one line what torch means when networks are not those of a file.

    Parameters
    ----------
    owner : str
        Who speaks.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    ValueError
        If the parameters of a file do not fit into the networks that its options make.
    """
    try:
        yield
    except RuntimeError as error:
        if "state_dict" not in str(error):
            raise
        raise ValueError(
            f"{owner}: path must be a file whose networks are those of its options, got others. "
            "Load it with the class that saved it, and with the policy_kwargs of then."
        ) from error


def read_buffer(owner: str, path: Any, verbose: int) -> Any:
    """Read a replay buffer from a file of its own.

    Parameters
    ----------
    owner : str
        Who speaks.
    path : str, Path or binary file
        What ``save_replay_buffer`` wrote.
    verbose : int
        2 says what is read.

    Returns
    -------
    object
        What is in it.

    Raises
    ------
    ValueError
        If the file is cut short, or was never a pickle.
    """
    is_path = isinstance(path, str | Path)
    file = open_path(path, "r", verbose=verbose, suffix="pkl")
    try:
        return load_from_pkl(file, verbose)
    except UNPICKLABLE as error:
        name = repr(str(path)) if is_path else f"a {type(path).__name__}"
        raise ValueError(
            f"{owner}: path must be a file that save_replay_buffer wrote, got {name}, which wasn't "
            "one, or not a whole one. Load a file that is whole."
        ) from error
    finally:
        if is_path:
            file.close()
