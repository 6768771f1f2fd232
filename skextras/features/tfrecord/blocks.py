"""A file, compressed or not, as a window that moves over its bytes."""

import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

import numpy as np

from skextras.features.tfrecord.framing import HEADER, header_length

Compression = Literal["gzip", "zlib"] | None
COMPRESSIONS = ("infer", "gzip", "zlib", None)
BLOCK = 1 << 20  # bytes read at once: they stay in the second cache until they are decoded
WINDOW_BITS = {"gzip": 31, "zlib": 15}  # zlib's way to name the two formats


class StreamError(Exception):
    """The compressed stream cannot be decompressed any further."""


class _Source(Protocol):
    def readinto(self, view: memoryview) -> int:
        """Fill a view as far as bytes are at hand; 0 at the end."""


class _Inflated:
    """Decompressed bytes of a file; gzip files may hold several members."""

    def __init__(self, file: BinaryIO, compression: Literal["gzip", "zlib"]) -> None:
        self._file, self._bits = file, WINDOW_BITS[compression]
        self._stream: Any = zlib.decompressobj(self._bits)
        self._pending, self._is_fresh = b"", True

    def readinto(self, view: memoryview) -> int:
        """Fill a view with decompressed bytes as far as they are at hand; 0 at the end."""
        while True:
            data = self._pending or self._file.read(BLOCK)
            if self._stream.eof:  # (bytes of zero may fill up the last block of a tape)
                data = data.lstrip(b"\0")
                if data:
                    self._stream, self._is_fresh = zlib.decompressobj(self._bits), True
            if not data:
                return self._finish(view)
            try:
                piece = self._stream.decompress(data, len(view))
            except zlib.error as e:
                self._pending = data  # which fails again
                raise StreamError(f"the compressed stream is damaged ({e})") from e
            self._is_fresh = False
            self._pending = self._stream.unused_data or self._stream.unconsumed_tail
            if piece:
                view[: len(piece)] = piece
                return len(piece)

    def _finish(self, view: memoryview) -> int:
        if self._stream.eof or self._is_fresh:
            return 0
        piece = self._stream.decompress(b"", len(view))  # what the decompressor still holds
        if piece:
            view[: len(piece)] = piece
            return len(piece)
        raise StreamError("the compressed stream ends early")


def detect(path: str | Path) -> Compression:
    """Tell from the first bytes of a file how it is compressed.

    A length and its CRC make it a plain file, whatever the bytes are.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    {"gzip", "zlib", None}
        What it seems to be.
    """
    with open(path, "rb") as file:
        head = file.read(HEADER)
    if (
        len(head) == HEADER
        and header_length(np.frombuffer(bytearray(head), np.uint8), 0, True) >= 0
    ):
        return None
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if len(head) > 1 and head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0:
        return "zlib"  # RFC 1950: deflate, and a multiple of 31
    return None


def opened(file: BinaryIO, compression: Compression) -> _Source:
    """Source of a file's bytes.

    Parameters
    ----------
    file : binary file
        Unbuffered.
    compression : {"gzip", "zlib", None}
        How it is compressed.

    Returns
    -------
    object
        Its ``readinto`` fills a memoryview and returns how far; 0 at the end.
    """
    return file if compression is None else _Inflated(file, compression)  # type: ignore[return-value]


class Window:
    """Part of a stream in memory.

    Parameters
    ----------
    source : object
        Of ``opened``.

    Attributes
    ----------
    buffer : uint8 array
        Holds the stream from ``offset`` on.
    start : int
        Up to where the buffer is no longer needed; set by whoever reads it.
    stop : int
        Up to where it is filled.
    offset : int
        Place of ``buffer[0]`` in the stream.
    """

    def __init__(self, source: _Source) -> None:
        self._source = source
        self.buffer: np.ndarray = np.empty(2 * BLOCK, np.uint8)
        self.start, self.stop, self.offset = 0, 0, 0

    def make_room(self) -> int:
        """See to it that a block fits behind what is there; what is not needed goes.

        Returns
        -------
        int
            By how many bytes everything moved towards the front.
        """
        if self.stop + BLOCK <= len(self.buffer):
            return 0
        shift, kept = self.start, self.stop - self.start
        there = self.buffer[self.start : self.stop]
        if 2 * kept + BLOCK > len(self.buffer):
            self.buffer = np.empty(3 * kept + BLOCK, np.uint8)
        self.buffer[:kept] = there
        self.start, self.stop, self.offset = 0, kept, self.offset + shift
        return shift

    def read(self) -> bool:
        """Read on, into the room behind.

        Returns
        -------
        bool
            Whether there was anything.

        Raises
        ------
        StreamError
            If the stream cannot be decompressed.
        """
        n = self._source.readinto(self.buffer.data[self.stop : self.stop + BLOCK])
        self.stop += n
        return n > 0
