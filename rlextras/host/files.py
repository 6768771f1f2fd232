"""Files of the host, looked into before they are loaded."""

import json
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from stable_baselines3.common.save_util import open_path

UNREADABLE = (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError)


def check_file(owner: str, path: Any, *, parts: Collection[str], keys: Collection[str]) -> None:
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

    Raises
    ------
    ValueError
        If the file is not whole, or of another algorithm.
    """
    is_path = isinstance(path, str | Path)
    file = open_path(path, "r", suffix="zip")
    try:
        why = _fault_of(file, parts, keys)
    finally:
        if is_path:
            file.close()
    if why:
        name = repr(str(path)) if is_path else f"a {type(path).__name__}"
        raise ValueError(
            f"{owner}: path must be a file that {owner}.save wrote, got {name}, which {why}. "
            "Load a checkpoint that is whole, with the class that saved it."
        )


def _fault_of(file: Any, parts: Collection[str], keys: Collection[str]) -> str:
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
    return f"holds no {absent[0]!r}: another algorithm saved it" if absent else ""
