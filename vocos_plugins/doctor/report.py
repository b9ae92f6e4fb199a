"""What the doctor found as plain values, for ``--json``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..config import FEATURES
from ..config.mapping import NORMALIZATIONS, write_part
from ..mel.convention import MelConvention
from ..mel.guess import Guess
from .comparison import Comparison
from .installation import Check
from .sides import Side
from .verdict import remedies, verdict


def comparison_report(comparison: Comparison) -> dict[str, Any]:
    """Both sides, every field, the verdict and what to do."""
    error = comparison.error
    fields = [
        {**vars(row), "tts": _plain(row.tts), "vocoder": _plain(row.vocoder), "effect": row.effect}
        for row in comparison.fields
    ]
    return {
        "tts": _side(comparison.tts),
        "vocoder": _side(comparison.vocoder),
        "fields": fields,
        "kind": comparison.kind,
        "error": None if error is None else _finite(error.mean),
        "unknown_bands": list(comparison.unknown if error is None else error.unknown),
        "verdict": verdict(comparison),
        "mend": [asdict(remedy) for remedy in remedies(comparison)],
        "exit_code": comparison.exit_code,
    }


def installation_report(checks: Sequence[Check]) -> dict[str, Any]:
    """Every check, and the exit code: 1 if something is broken."""
    return {"checks": [asdict(check) for check in checks], "exit_code": installation_exit_code(checks)}


def installation_exit_code(checks: Sequence[Check]) -> int:
    """0, or 1 if something is broken."""
    return int(any(check.state == "broken" for check in checks))


def guess_report(guesses: Sequence[Guess]) -> dict[str, Any]:
    """Conventions that could be a mel's and those that can't, equal ones together; exit code 1 if none could be."""
    groups = [
        {"conventions": names, "possible": first.possible, "reasons": list(first.reasons)}
        for names, first in group_equal(guesses)
    ]
    return {"guesses": groups, "exit_code": guess_exit_code(guesses)}


def guess_exit_code(guesses: Sequence[Guess]) -> int:
    """0, or 1 if nothing fits."""
    return int(not any(found.possible for found in guesses))


def group_equal(guesses: Sequence[Guess]) -> list[tuple[list[str], Guess]]:
    """The names of conventions that are the same but for their name, with their guess, in order."""
    groups: dict[MelConvention, tuple[list[str], Guess]] = {}
    for found in guesses:
        groups.setdefault(found.convention, ([], found))[0].append(found.convention.name)
    return list(groups.values())


def _side(side: Side) -> dict[str, Any]:
    convention = None if side.convention is None else write_part(side.convention, FEATURES)
    path = None if side.path is None else str(side.path)
    return {"name": side.name, "kind": side.kind, "path": path, "convention": convention}


def _plain(value: object) -> Any:
    return write_part(value, NORMALIZATIONS) if type(value) in NORMALIZATIONS.values() else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
