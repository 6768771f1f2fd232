"""What is told about a damaged file."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Damage:
    """A record that could not be read.

    Attributes
    ----------
    path : str
        The file.
    record : int
        Number of the record in the file, from 0; records that were skipped count, too.
    offset : int
        Byte where the record begins, in the decompressed stream if the file is compressed.
    reason : str
        What is wrong.
    """

    path: str
    record: int
    offset: int
    reason: str

    def __str__(self) -> str:
        return f"record {self.record} at byte {self.offset} of {self.path}: {self.reason}"


class CorruptRecordError(ValueError):
    """A file is damaged, or cut short, or no TFRecord file.

    Parameters
    ----------
    damage : Damage
        Where, and what.

    Attributes
    ----------
    damage : Damage
        Where, and what.
    """

    def __init__(self, damage: Damage) -> None:
        super().__init__(
            f"TFRecord: {damage}. Fetch or write the file again, or pass on_error='skip' to leave "
            "damaged records out and count them."
        )
        self.damage = damage

    def __reduce__(self) -> tuple[type, tuple[Damage]]:
        return type(self), (self.damage,)


def name_of(path: str | os.PathLike[str]) -> str:
    """A path as messages show it.

    Parameters
    ----------
    path : str or PathLike
        Of a file.

    Returns
    -------
    str
        Its text.
    """
    return os.fspath(path)
