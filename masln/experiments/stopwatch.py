"""What a fit takes, for the record of its run."""

from __future__ import annotations

import time

__all__ = ["Stopwatch"]


class Stopwatch:
    """Runs from when it is made.

    Args:
        taken_up: Whether an earlier call did a part of the work; its time went with it, so the whole is not known.
    """

    def __init__(self, *, taken_up: bool) -> None:
        self._taken_up = taken_up
        self._started, self._started_working = time.perf_counter(), time.process_time()

    def facts(self, *, shared_by: int = 1) -> dict[str, float | None]:
        """Seconds by the clock and of the processor so far, a run of as many as share them; None where not known."""
        passed = {
            "seconds": time.perf_counter() - self._started,
            "processor_seconds": time.process_time() - self._started_working,
        }
        return {name: None if self._taken_up else round(value / shared_by, 3) for name, value in passed.items()}
