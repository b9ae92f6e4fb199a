"""Jobs and their outcomes: one input, its output, and the result."""

from __future__ import annotations

import dataclasses
import json
import os
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A bad file or list raises one of these. An item that raises any other exception has failed, too, but it is a defect.
FAILURES = (ValueError, TypeError, OverflowError, OSError)
MAX_MESSAGE = 500  # characters


@dataclass(frozen=True, kw_only=True)
class Job:
    """An input file, or a part of one, and its output.

    Attributes:
        source: a file; or the folder of a data set of the library ``datasets``.
        target: the file to write.
        error: why the job cannot even be tried.
        start_s, duration_s: the part of the recording or features, in seconds; up to the end if there is no duration.
        channels: of the recording, from 0; all of them if None.
        row: of the data set.
        features: Lhotse's manifest of the features in the file, as JSON.
    """

    source: Path
    target: Path
    error: str | None = None
    start_s: float = 0.0
    duration_s: float | None = None
    channels: tuple[int, ...] | None = None
    row: int | None = None
    features: str | None = None

    @property
    def label(self) -> str:
        """The name of the input in reports."""
        row = "" if self.row is None else f"[{self.row}]"
        part = f" from {self.start_s:g} s" if self.start_s else ""
        entry = "" if self.features is None else f" of {self.target.stem}"
        return f"{self.source}{row}{entry}{part}"

    def to_json(self) -> str:
        """Returns the job as JSON for another process; `from_json` reads it."""
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Returns the job that `to_json` wrote."""
        fields = json.loads(text)
        # JSON has only lists, but a job must be hashable.
        channels = None if fields["channels"] is None else tuple(fields["channels"])
        return cls(
            **{**fields, "source": Path(fields["source"]), "target": Path(fields["target"]), "channels": channels}
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a job.

    Attributes:
        duration_s: of the audio that was written.
        elapsed_s: from the start of reading to the end of writing; several jobs run at a time.
        error: why nothing was written.
    """

    job: Job
    duration_s: float = 0.0
    elapsed_s: float = 0.0
    error: str | None = None

    def report(self) -> dict[str, Any]:
        """Returns the outcome as a command reports it."""
        if self.error is not None:
            return {"input": self.job.label, "error": self.error}
        return {
            "input": self.job.label,
            "output": str(self.job.target),
            "duration_s": round(self.duration_s, 3),
            "elapsed_s": round(self.elapsed_s, 3),
        }


def describe(error: BaseException) -> str:
    """Returns an error as one line; for an error of the operating system, its message and the file.

    A message about a defect names the place and asks for a report.
    """
    if isinstance(error, OSError) and error.strerror:
        return printable(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
    kind = type(error).__name__
    message = printable(" ".join(str(error).split()))[:MAX_MESSAGE]
    # torch.OutOfMemoryError is no MemoryError, and on a CPU torch raises a bare RuntimeError.
    if "MemoryError" in kind or "OutOfMemory" in kind or "can't allocate memory" in message:
        return f"there is not enough memory for it: {message or kind}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, FAILURES):
        return message or kind
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" ({os.path.basename(frame.filename)}, line {frame.lineno})" for frame in place)
    return f"unexpected {kind}{where}: {message}. This is a defect in vocos-plugins: please report it with the input"


def printable(text: str) -> str:
    r"""Returns a text that any terminal or file can take: bytes of a name that are not UTF-8 become ``\xe9``."""
    try:
        return os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return text.encode("utf-8", "backslashreplace").decode()
