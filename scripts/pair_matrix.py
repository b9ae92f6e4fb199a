"""Writes docs/alignment-pairs.md: what `align` does between any two conventions of the catalogue.

python scripts/pair_matrix.py            # writes it
python scripts/pair_matrix.py --check    # fails if what is written is out of date
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

from vocos_plugins import MelConvention, MelMismatch, align
from vocos_plugins.mel.difference import differences
from vocos_plugins.plugins import mel_conventions

PAGE = Path(__file__).parents[1] / "docs" / "alignment-pairs.md"
SIGNS = {"identity": "=", "pointwise": "p", "framing": "f"}
HEAD = """# What becomes of one convention's mels in another

Written by `python scripts/pair_matrix.py` from the catalogue (`vocos conventions`). A row's mels are given, a column's
are wanted:

- **=** the same, as they are;
- **p** pointwise: each value by a closed form, exact but for what a guard or a clip has cut off;
- **f** framing: also half a hop apart, which the vocoder's grid takes up exactly;
- **a number** lossy: the mean error in nepers that `align` estimates (0.1 neper is 0.9 dB), over the bands that the
  row knows; with **\\*** where the column has bands that it doesn't;
- **x** refused: the row knows less than two thirds of the column's bands.

Conventions that differ in nothing that matters share a number:

"""


def groups() -> list[list[MelConvention]]:
    """The catalogue, with conventions that align by identity together."""
    grouped: list[list[MelConvention]] = []
    for convention in mel_conventions().values():
        for group in grouped:
            if all(found.severity == "negligible" for found in differences(convention, group[0])):
                group.append(convention)
                break
        else:
            grouped.append([convention])
    return grouped


def cell(source: MelConvention, target: MelConvention) -> str:
    """What the table says of a pair."""
    try:
        alignment = align(source, target)
    except MelMismatch:
        return "x"
    if alignment.error is None:
        return SIGNS[alignment.kind]
    return f"{alignment.error.mean:.2f}{'*' if alignment.error.unknown else ''}"


def page() -> str:
    """The whole page."""
    rows = groups()
    lines = [f"{number}. {', '.join(member.name for member in group)}" for number, group in enumerate(rows, start=1)]
    numbers = range(1, len(rows) + 1)
    lines += ["", f"| | {' | '.join(map(str, numbers))} |", f"|--:{'|:-:' * len(rows)}|"]
    for number, source in enumerate(rows, start=1):
        cells = (cell(source[0], target[0]) for target in rows)
        lines.append(f"| **{number}** | {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    text = page()
    if args.check:
        if PAGE.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{PAGE} is out of date: python scripts/pair_matrix.py\n")
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
