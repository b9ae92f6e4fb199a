"""SIGTERM, which schedulers send to all processes of a run some time before SIGKILL."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

GRACE_S = 60  # seconds that a data loader's process outlives SIGTERM


class StopRequest:
    """Notes SIGTERM instead of dying of it, so that a training can finish its step, save and end.

    Attributes:
        requested: whether SIGTERM has come. Several processes may see it at different steps: they have to agree.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: Any = None

    def install(self) -> None:
        """Handles SIGTERM from now on; does nothing outside the main thread."""
        # Python allows signal handlers in the main thread only.
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGTERM, self.request)

    def restore(self) -> None:
        """Puts the handler back that was there before `install`."""
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)
            self._previous = None

    def request(self, _number: int = signal.SIGTERM, _frame: FrameType | None = None) -> None:
        """Asks for a stop, as the signal does."""
        self.requested = True


def delay_sigterm(_worker: int) -> None:
    """Makes a data loader's process outlive SIGTERM by `GRACE_S` seconds."""
    # The main process still has to finish its step, for which it needs the loader's batch.
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.alarm(GRACE_S))
