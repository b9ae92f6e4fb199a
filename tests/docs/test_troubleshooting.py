"""docs/troubleshooting.md leads from the sound to every field that the doctor knows; its code runs in test_pages."""

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
    """The last table says of it what the doctor says."""
    severity, effect = EFFECTS[field]
    assert f"\n| `{field}` | {severity} | {effect} |\n" in PAGE


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_every_symptom_has_a_check(symptom) -> None:
    """Its section holds something to run, and says what comes out."""
    (section,) = re.findall(rf"^## {symptom}\n(.*?)(?=^## )", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert re.search(r"^```(console|text)$", section, flags=re.MULTILINE)
    assert re.search(rf"^\| \[.*\]\(#{symptom.lower().replace(' ', '-')}\)", PAGE, flags=re.MULTILINE)
