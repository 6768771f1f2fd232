"""Where the time of a training goes: a clock of phases."""

import time
from collections.abc import Mapping

PHASES = ("env", "policy", "callback", "update")
"""Those that the log names; what is left is bookkeeping."""


class PhaseClock:
    """Seconds by phase. One phase runs at a time; entering one leaves the last."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys((*PHASES, "rest"), 0.0)
        self._phase, self._since = "rest", time.perf_counter()

    def enter(self, phase: str) -> None:
        """Count the time from here on for a phase.

        Parameters
        ----------
        phase : str
            One of ``PHASES``, or "rest".
        """
        now = time.perf_counter()
        self._seconds[self._phase] += now - self._since
        self._phase, self._since = phase, now

    def shares(self) -> Mapping[str, float]:
        """Share of each phase in the time since the clock was made.

        Returns
        -------
        mapping of str to float
            In percent, by the names of ``PHASES``; what misses from 100 is the rest.
        """
        self.enter(self._phase)
        total = sum(self._seconds.values()) or 1.0
        return {name: 100.0 * self._seconds[name] / total for name in PHASES}
