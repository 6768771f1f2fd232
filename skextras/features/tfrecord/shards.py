"""Names of files: one, several, or a pattern; a set of shards must be complete."""

import glob
import os
import re
from collections.abc import Iterable
from typing import Any

_SHARD = re.compile(r"(?P<stem>.*)-(?P<number>\d{5,})-of-(?P<count>\d{5,})(?P<end>.*)")


def shard_name(path: str, number: int, count: int) -> str:
    """Name of one shard.

    Parameters
    ----------
    path : str
        Name of all, such as "train.tfrecord".
    number : int
        From 0.
    count : int
        How many there are.

    Returns
    -------
    str
        Such as "train.tfrecord-00000-of-00010".
    """
    return f"{path}-{number:05d}-of-{count:05d}"


def files_of(paths: Any) -> tuple[str, ...]:
    """Files that paths name.

    Parameters
    ----------
    paths : str, PathLike, or iterable of these
        Names, or patterns with ``*``, ``?`` and ``[...]``.

    Returns
    -------
    tuple of str
        In the order given; those of a pattern sorted.

    Raises
    ------
    FileNotFoundError
        If a name has no file, a pattern no match, or shards are missing among the matches.
    TypeError
        If it is no path.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    if not isinstance(paths, Iterable) or isinstance(paths, bytes):
        raise TypeError(
            "TFRecordReader: paths must be a path, a pattern or several of them, "
            f"got {type(paths).__name__}."
        )
    found = [name for path in paths for name in _matches(os.fspath(path))]
    if not found:
        raise FileNotFoundError("TFRecordReader: paths must name at least one file, got none.")
    return tuple(found)


def _matches(path: str) -> list[str]:
    if os.path.exists(path):
        return [path]
    found = sorted(glob.glob(path, recursive=True))
    found = [name for name in found if not name.endswith(".idx")]
    if not found:
        raise FileNotFoundError(
            f"TFRecordReader: paths must name files, got {path!r}, which matches none. "
            f"The working directory is {os.getcwd()}."
        )
    _check_complete(found)
    return found


def _check_complete(names: list[str]) -> None:
    """Refuse a set of shards with gaps: a model fitted on nine of ten files tells nobody."""
    sets: dict[tuple[str, str, int], set[int]] = {}
    for name in names:
        if match := _SHARD.fullmatch(name):
            own = (match["stem"], match["end"], int(match["count"]))
            sets.setdefault(own, set()).add(int(match["number"]))
    for (stem, end, count), numbers in sets.items():
        missing = sorted(set(range(count)) - numbers)
        if missing:
            shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
            raise FileNotFoundError(
                f"TFRecordReader: {stem}-*-of-{count:05d}{end} must be complete, got "
                f"{len(numbers)} of {count} files; missing are {shown}. Name the files one by one "
                "to read these alone."
            )
