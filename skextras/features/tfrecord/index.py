"""Where each record of a file begins: written beside it, read again, checked against it.

The file is text with a line "offset size" for each record, its length and CRCs included, as the
tools of other readers of TFRecord write it (``tfrecord2idx``).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from skextras.features.tfrecord.blocks import detect
from skextras.features.tfrecord.damage import CorruptRecordError, Damage
from skextras.features.tfrecord.framing import FOOTER, HEADER, header_length, scan
from skextras.features.tfrecord.records import REASONS, RecordFile
from skextras.features.tfrecord.shards import files_of

SUFFIX = ".idx"
N_LOOKS = 200  # places where an index is compared with its file
_AT_ONCE = 1 << 16  # records


@dataclass(frozen=True, eq=False)
class RecordIndex:
    """Places of all records of a file.

    Attributes
    ----------
    path : str
        The file of records.
    offsets : int64 array of shape (n,)
        Byte where each begins.
    sizes : int64 array of shape (n,)
        Bytes of each, length and CRCs included.
    """

    path: str
    offsets: np.ndarray
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets)

    @classmethod
    def build(cls, path: str | os.PathLike[str]) -> Self:
        """Walk through a file, checking all CRCs.

        Parameters
        ----------
        path : str or PathLike
            A file that is not compressed.

        Returns
        -------
        RecordIndex
            Its index.

        Raises
        ------
        CorruptRecordError
            If a record is damaged.
        ValueError
            If the file is compressed.
        """
        own = os.fspath(path)
        if detect(own) is not None:
            raise ValueError(
                f"RecordIndex: path must be a file that is not compressed, got {own!r}. "
                "Compressed streams can only be read from their start; write it again without."
            )
        begins, ends = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        file = RecordFile(own, compression=None, check_crc=True, on_damage=_refuse)
        for records in file.batches(_AT_ONCE):
            begins.append(records.offset + records.bounds[0] - HEADER)
            ends.append(records.offset + records.bounds[1] + FOOTER)
        offsets = np.concatenate(begins, dtype=np.int64)
        return cls(own, offsets, np.concatenate(ends, dtype=np.int64) - offsets)

    def save(self) -> str:
        """Write the index beside its file.

        Returns
        -------
        str
            Name of the index: that of the file with ".idx" behind it.
        """
        lines = [
            f"{offset} {size}\n" for offset, size in zip(self.offsets, self.sizes, strict=True)
        ]
        place = self.path + SUFFIX
        partial = f"{place}.partial"
        Path(partial).write_text("".join(lines), encoding="ascii")
        os.replace(partial, place)
        return place

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read the index that lies beside a file, and see that it belongs to it.

        Records must follow one another without gaps to the end of the file, and the lengths that
        stand in the file at the first and last places and many between, with their CRCs, must be
        those of the index. Each record that is fetched later is held to its length again.

        Parameters
        ----------
        path : str or PathLike
            The file of records.

        Returns
        -------
        RecordIndex
            Its index.

        Raises
        ------
        FileNotFoundError
            If there is none.
        ValueError
            If it belongs to another file, or to another state of this one.
        """
        own = os.fspath(path)
        place = Path(own + SUFFIX)
        if not place.exists():
            raise FileNotFoundError(
                f"RecordIndex: {place} must exist, got no such file. Run write_index({own!r})."
            )
        try:
            pairs = np.array(place.read_text(encoding="ascii").split(), np.int64).reshape(-1, 2)
        except ValueError as e:
            raise ValueError(
                f"RecordIndex: {place} must hold lines 'offset size', got something else. "
                f"Run write_index({own!r}) again."
            ) from e
        index = cls(own, *np.ascontiguousarray(pairs.T))
        index.verify()
        return index

    def verify(self) -> None:
        """See that the index belongs to its file.

        Raises
        ------
        ValueError
            If it does not.
        """
        ends = self.offsets + self.sizes
        size = os.path.getsize(self.path)
        follows = np.array_equal(self.offsets, np.concatenate([[0], ends])[: len(self)])
        is_whole = follows and (ends[-1] if len(self) else 0) == size and (self.sizes >= 16).all()
        wrong = self._first_wrong() if is_whole else 0
        if wrong is not None:
            raise ValueError(
                f"RecordIndex: {self.path + SUFFIX} must belong to {self.path}, got an index that "
                f"differs from record {wrong} on. Run write_index({self.path!r}) again."
            )

    def _first_wrong(self) -> int | None:
        """First record, of those looked at, whose header in the file tells another length."""
        numbers = np.unique(np.linspace(0, len(self) - 1, min(len(self), N_LOOKS), dtype=np.int64))
        with open(self.path, "rb", buffering=0) as file:
            for number in numbers:
                file.seek(int(self.offsets[number]))
                head = np.frombuffer(bytearray(file.read(HEADER)), np.uint8)
                length = int(self.sizes[number]) - HEADER - FOOTER
                if len(head) < HEADER or header_length(head, 0, True) != length:
                    return int(number)
        return None

    def fetch(self, rows: np.ndarray, check_crc: bool) -> tuple[np.ndarray, np.ndarray]:
        """Read some records.

        Parameters
        ----------
        rows : int64 array of shape (n,)
            Their numbers.
        check_crc : bool
            Whether their CRCs are compared.

        Returns
        -------
        buffer : uint8 array
            Holds them one after another.
        bounds : int32 array of shape (2, n)
            Where the data of each begin and end.

        Raises
        ------
        CorruptRecordError
            If one is damaged, or its length is not that of the index.
        """
        parts = []
        with open(self.path, "rb", buffering=0) as file:
            for row in rows:
                file.seek(int(self.offsets[row]))
                parts.append(file.read(int(self.sizes[row])))
        buffer: np.ndarray = np.frombuffer(bytearray().join(parts), np.uint8)
        bounds = np.empty((2, len(rows)), np.int32)
        n, _, code = scan(buffer, 0, len(buffer), check_crc, bounds, 0)
        ends = np.cumsum(self.sizes[rows])
        wrong = np.flatnonzero(bounds[1, :n] + FOOTER != ends[:n])
        if len(wrong) or n < len(rows):
            row = int(rows[wrong[0] if len(wrong) else n])
            reason = REASONS.get(code, "its length is not that of the index")
            raise CorruptRecordError(Damage(self.path, row, int(self.offsets[row]), reason))
        return buffer, bounds


def has_index(path: str) -> bool:
    """Whether an index lies beside a file.

    Parameters
    ----------
    path : str
        The file of records.

    Returns
    -------
    bool
        It may belong to another state of the file.
    """
    return os.path.exists(path + SUFFIX)


def _refuse(damage: Damage) -> None:
    raise CorruptRecordError(damage)


def write_index(paths: str | os.PathLike[str] | list[str]) -> list[str]:
    """Write an index beside each file, for random access and known lengths.

    Parameters
    ----------
    paths : str, PathLike or list of these
        Files that are not compressed, or patterns.

    Returns
    -------
    list of str
        Names of the indexes.

    Raises
    ------
    CorruptRecordError
        If a record is damaged.
    ValueError
        If a file is compressed.

    Examples
    --------
    >>> from skextras.features.tfrecord import write_index, write_tfrecord
    >>> _ = write_tfrecord("numbers.tfrecord", {"x": [1, 2]})
    >>> write_index("numbers.tfrecord")
    ['numbers.tfrecord.idx']
    """
    return [RecordIndex.build(path).save() for path in files_of(paths)]
