"""docs/troubleshooting.md covers every symptom and every field that the doctor compares; test_pages runs its code."""

from __future__ import annotations

import re

import pytest

from helpers.paths import ROOT
from vocos_plugins.mel.difference import EFFECTS

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
SYMPTOMS = (
    "Robotic and quiet",
    "Metallic",
    "Clicks between chunks",
    "Everything is an octave off",
    "Too fast or too slow",
    "NaN",
)


@pytest.mark.parametrize("field", EFFECTS)
def test_every_field_is_named(field) -> None:
    """The last table describes each field as the doctor does."""
    severity, effect = EFFECTS[field]
    assert f"\n| `{field}` | {severity} | {effect} |\n" in PAGE


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_every_symptom_has_a_check(symptom) -> None:
    """Each symptom's section has something to run, with its output."""
    (section,) = re.findall(rf"^## {symptom}\n(.*?)(?=^## )", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert re.search(r"^```(console|text)$", section, flags=re.MULTILINE)
    assert re.search(rf"^\| \[.*\]\(#{symptom.lower().replace(' ', '-')}\)", PAGE, flags=re.MULTILINE)
