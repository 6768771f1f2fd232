"""The records of one file, in batches, and what becomes of damaged ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from skextras.features.tfrecord.blocks import Compression, StreamError, Window, detect, opened
from skextras.features.tfrecord.damage import Damage
from skextras.features.tfrecord.framing import (
    BAD_DATA,
    BAD_LENGTH,
    FOOTER,
    HEADER,
    INCOMPLETE,
    TOO_LONG,
    header_length,
    next_header,
    scan,
)

MOST = 1 << 30  # bytes of a batch: places in it, and in a column of strings, are 32-bit numbers
ENDED = -1  # the file, beside the codes of ``scan``
REASONS = {
    BAD_LENGTH: "the length does not match its CRC (or this is no TFRecord file)",
    BAD_DATA: "the data do not match their CRC",
    TOO_LONG: "the length is beyond 2 GiB, more than a message of protobuf may have",
}


@dataclass(frozen=True, eq=False)
class Records:
    """Some records side by side in memory, good until the next ones are asked for.

    Attributes
    ----------
    buffer : uint8 array
        Holds them.
    bounds : int32 array of shape (2, n)
        Where the data of each begin and end.
    first : int
        Number of the first in the file.
    offset : int
        Place of ``buffer[0]`` in the stream.
    """

    buffer: np.ndarray
    bounds: np.ndarray
    first: int
    offset: int

    def damage(self, path: str, row: int, reason: str) -> Damage:
        """Describe one of these records.

        Parameters
        ----------
        path : str
            The file.
        row : int
            Which one.
        reason : str
            What is wrong.

        Returns
        -------
        Damage
            With its number and place in the file.
        """
        place = self.offset + int(self.bounds[0, row]) - HEADER
        return Damage(path, self.first + row, place, reason)


class RecordFile:
    """One file.

    Parameters
    ----------
    path : str
        Where it is.
    compression : {"infer", "gzip", "zlib", None}
        How it is compressed.
    check_crc : bool
        Whether CRCs are compared.
    on_damage : callable
        Gets each ``Damage``; it raises, or what is damaged is left out.
    """

    def __init__(
        self,
        path: str,
        *,
        compression: Any,
        check_crc: bool,
        on_damage: Callable[[Damage], None],
    ) -> None:
        self.path, self.check_crc, self._on_damage = path, check_crc, on_damage
        self.compression: Compression = detect(path) if compression == "infer" else compression

    def batches(self, n_records: int) -> Iterator[Records]:
        """Read from the beginning.

        Parameters
        ----------
        n_records : int
            How many at once; fewer before a damaged record, at the end, and beyond a gigabyte.

        Yields
        ------
        Records
            Never empty.
        """
        record = 0
        with open(self.path, "rb", buffering=0) as file:
            window = Window(opened(file, self.compression))
            is_over = False
            while not is_over:
                bounds, code, reason = self._gather(window, n_records)
                n = bounds.shape[1]
                if n:
                    yield Records(window.buffer, bounds, record, window.offset)
                    record += n
                is_over = code == ENDED and not reason
                if reason:
                    place = window.offset + window.start
                    self._on_damage(Damage(self.path, record, place, reason))
                    is_over = _pass_over(window, code)
                    record += 1

    def _gather(self, window: Window, n_records: int) -> tuple[np.ndarray, int, str]:
        """Bounds of the next records; what stopped them, as a number and in words."""
        bounds, n, code, pos = np.empty((2, n_records), np.int32), 0, INCOMPLETE, window.start
        reason = ""
        while code == INCOMPLETE and not (n and window.stop - window.start > MOST):
            n, pos, code = scan(window.buffer, pos, window.stop, self.check_crc, bounds, n)
            if code == INCOMPLETE:
                shift = window.make_room()
                bounds[:, :n] -= shift
                pos -= shift
                try:
                    code = INCOMPLETE if window.read() else ENDED
                except StreamError as e:
                    code, reason = ENDED, str(e)
        if code == ENDED and pos < window.stop and not reason:
            reason = _lacking(window, pos)
        window.start = pos
        return bounds[:, :n], code, reason or REASONS.get(code, "")


def _lacking(window: Window, pos: int) -> str:
    there = window.stop - pos
    if there < HEADER:
        return f"the file ends after {there} of the 12 bytes of its length"
    length = int(window.buffer[pos : pos + 8].view("<u8")[0])
    lacking = length + HEADER + FOOTER - there
    return f"the file ends {lacking} bytes before the record of {length} bytes does"


def _pass_over(window: Window, code: int) -> bool:
    """Go on behind a damaged record, or at the next length with its CRC; is there none?"""
    if code == BAD_DATA:
        length = header_length(window.buffer, window.start, False)
        window.start += HEADER + length + FOOTER
        return False
    window.start += 1
    while True:
        window.start = next_header(window.buffer, window.start, window.stop)
        if window.stop - window.start >= HEADER:
            return False
        window.make_room()
        try:
            if not window.read():
                return True
        except StreamError:
            return True
