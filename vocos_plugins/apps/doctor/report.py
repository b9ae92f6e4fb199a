"""The doctor's results as plain values, for ``--json``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...config import FEATURES
from ...config.mapping import NORMALIZATIONS, write_part
from ...mel.convention import MelConvention
from ...mel.guess import Guess
from .comparison import Comparison
from .installation import Check
from .resolve import Endpoint
from .verdict import remedies, verdict


def comparison_report(comparison: Comparison) -> dict[str, Any]:
    """Returns both endpoints, every field, the verdict and the remedies as plain values."""
    error = comparison.error
    fields = [
        {**vars(row), "tts": _plain(row.tts), "vocoder": _plain(row.vocoder), "effect": row.effect}
        for row in comparison.fields
    ]
    return {
        "tts": _endpoint(comparison.tts),
        "vocoder": _endpoint(comparison.vocoder),
        "fields": fields,
        "kind": comparison.kind,
        "error": None if error is None else _finite(error.mean),
        "unknown_bands": list(comparison.unknown if error is None else error.unknown),
        "verdict": verdict(comparison),
        "fix": [asdict(remedy) for remedy in remedies(comparison)],
        "converts_by_itself": comparison.converts,
        "exit_code": comparison.exit_code,
    }


def installation_report(checks: Sequence[Check]) -> dict[str, Any]:
    """Returns every check and the exit code as plain values."""
    return {"checks": [asdict(check) for check in checks], "exit_code": installation_exit_code(checks)}


def installation_exit_code(checks: Sequence[Check]) -> int:
    """Returns 1 if something is broken, else 0."""
    return int(any(check.state == "broken" for check in checks))


def guess_report(guesses: Sequence[Guess]) -> dict[str, Any]:
    """Returns possible and impossible conventions of a mel, equal ones grouped, and the exit code as plain values."""
    groups = [
        {"conventions": names, "possible": first.possible, "reasons": list(first.reasons)}
        for names, first in group_equal(guesses)
    ]
    return {"guesses": groups, "exit_code": guess_exit_code(guesses)}


def guess_exit_code(guesses: Sequence[Guess]) -> int:
    """Returns 1 if no convention is possible, else 0."""
    return int(not any(guess.possible for guess in guesses))


def group_equal(guesses: Sequence[Guess]) -> list[tuple[list[str], Guess]]:
    """Groups conventions that differ only in their names: the names of each group with its guess, in order."""
    groups: dict[MelConvention, tuple[list[str], Guess]] = {}
    for guess in guesses:  # a convention's name doesn't count in its comparison with others
        groups.setdefault(guess.convention, ([], guess))[0].append(guess.convention.name)
    return list(groups.values())


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    convention = None if endpoint.convention is None else write_part(endpoint.convention, FEATURES)
    path = None if endpoint.path is None else str(endpoint.path)
    described = {
        "name": endpoint.name,
        "kind": endpoint.kind,
        "path": path,
        "convention": convention,
        "notes": list(endpoint.notes),
    }
    if endpoint.exported is not None:
        described["exported_for"] = write_part(endpoint.exported.source, FEATURES)
    return described


def _plain(value: object) -> Any:
    return write_part(value, NORMALIZATIONS) if type(value) in NORMALIZATIONS.values() else value


def _finite(value: float) -> float | None:
    # JSON has no infinity.
    return value if math.isfinite(value) else None
