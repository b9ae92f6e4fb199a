"""One output of a corpus: what it is made of, where it goes, and how it went."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What a file or a list can be wrong in. Anything else is a defect of ours, and is not hidden.
FAILURES = (ValueError, TypeError, OSError)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A file, or a part of one, and its output; ``error`` says why it can't even be tried.

    Attributes:
        source: a file; or the folder of a data set of the library ``datasets``.
        target: the file to be written.
        start_s, duration_s: which part of a recording, or of features; to its end if there is no duration.
        channels: which of a recording, from 0; all of them if None.
        row: of the data set.
        features: what Lhotse says of features in the file, as JSON.
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
        """What reports call the input."""
        row = "" if self.row is None else f"[{self.row}]"
        part = f" from {self.start_s:g} s" if self.start_s else ""
        entry = "" if self.features is None else f" of {self.target.stem}"
        return f"{self.source}{row}{entry}{part}"

    def to_json(self) -> str:
        """For another process: `from_json` makes it again."""
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Job:
        """What `to_json` wrote."""
        fields = json.loads(text)
        channels = None if fields["channels"] is None else tuple(fields["channels"])
        return cls(
            **{**fields, "source": Path(fields["source"]), "target": Path(fields["target"]), "channels": channels}
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job went.

    Attributes:
        duration_s: of the audio that was written.
        elapsed_s: from its reading to its writing; several jobs go on at a time.
        error: why nothing was written.
    """

    job: Job
    duration_s: float = 0.0
    elapsed_s: float = 0.0
    error: str | None = None

    def report(self) -> dict[str, Any]:
        """What a command tells of it."""
        if self.error is not None:
            return {"input": self.job.label, "error": self.error}
        return {
            "input": self.job.label,
            "output": str(self.job.target),
            "duration_s": round(self.duration_s, 3),
            "elapsed_s": round(self.elapsed_s, 3),
        }


def describe(error: BaseException) -> str:
    """An error as one line; for the operating system's, its own words and the file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())
