"""Ctrl-C as a request to stop after the step that is running."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["StopRequest"]


class StopRequest:
    """Listens for Ctrl-C in a ``with`` block; a second one interrupts at once, as usual.

    Outside the main thread, where signals do not arrive, nothing is listened for.
    """

    def __init__(self) -> None:
        self.is_made = False
        self._before: Any = None
        self._listens = False

    def __enter__(self) -> "StopRequest":
        self._listens = threading.current_thread() is threading.main_thread()
        if self._listens:
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._listens:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.is_made:
            raise KeyboardInterrupt
        self.is_made = True
