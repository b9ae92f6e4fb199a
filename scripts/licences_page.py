"""Writes docs/licences.md: the licences of the data and the weights that ship, and of the weights that are downloaded.

python scripts/licences_page.py            # writes it
python scripts/licences_page.py --check    # fails if what is written is out of date
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml
from generated_page import main

from vocos_plugins.storage.cards import CARDS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "vocos_plugins"
HEAD = """# Licences of data and weights

Written by `python scripts/licences_page.py` from the checkpoints' `config.yaml`, the clips' `SOURCES.md` and the cards
of the published checkpoints. The code is under the MIT licence, in the file `LICENSE`. This page is no legal advice.
"""
CLIPS = """
## The demo's clips

In `vocos_plugins/mel/clips`; `SOURCES.md` there has the licences' texts.

"""
PUBLISHED = """
## Published checkpoints

Not shipped: `Vocos.from_pretrained` downloads them when asked to. The licences are those of the cards in
`vocos_plugins/storage/cards.py`; what the checkpoint's own page says decides.

"""


def page() -> str:
    """The whole page."""
    bundled = "".join(checkpoint(path) for path in sorted(PACKAGE.glob("checkpoints/*/config.yaml")))
    return HEAD + bundled + CLIPS + clips() + PUBLISHED + published()


def checkpoint(path: Path) -> str:
    """A bundled checkpoint's own licence, and that of everything that it was trained on."""
    provenance: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["provenance"]
    rows = [
        (part["source"], f"{part['minutes']:g}", part["licence"], part["attribution"]) for part in provenance["data"]
    ]
    minutes = sum(part["minutes"] for part in provenance["data"])
    return (
        f"\n## Bundled: {path.parent.name}\n\nLicence of the weights: {provenance['licence']}. "
        f"Trained on {minutes:.0f} minutes of speech:\n\n"
        + table(("recordings", "minutes", "licence", "attribution"), rows)
    )


def clips() -> str:
    """The table of SOURCES.md, without the texts that are spoken."""
    lines = (PACKAGE / "mel" / "clips" / "SOURCES.md").read_text(encoding="utf-8").splitlines()
    rows = [re.split(r"\s*\|\s*", line.strip("| ")) for line in lines if line.startswith("| `")]
    return table(
        ("file", "speaker", "licence", "taken from"),
        [(row[0], row[1], row[3].replace("below", "there"), row[4]) for row in rows],
    )


def published() -> str:
    """The cards, but for those that are refused."""
    cards = [card for card in CARDS if card.refusal is None]
    rows = [(f"`{card.name}`", card.origin, card.licence or "not known: ask its page") for card in cards]
    return table(("checkpoint", "by", "licence"), rows)


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table of Markdown."""
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main("licences.md", page, __doc__))
