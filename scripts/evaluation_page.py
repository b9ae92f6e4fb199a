"""Writes docs/evaluation.md: what `vocos eval` measures on the shipped clips; it takes about a minute.

python scripts/evaluation_page.py            # writes it
python scripts/evaluation_page.py --check    # measures again; fails if a figure has moved
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "evaluation.md"
COMMAND = ["eval", "vocos-mel-22khz-small", "--data", "vocos_plugins/mel/clips"]
# Of means; the worst file may move twice as far. PESQ and ViSQOL align stretches of speech in time, which the rounding
# of another processor can tip over; what is written has two digits, or three.
TOLERANCES = {
    "PESQ-wb": 0.1,
    "STOI": 0.002,
    "ViSQOL speech": 0.05,
    "ViSQOL audio": 0.05,
    "MR-STFT": 0.005,
    "Mel": 0.005,
    "MCD, dB": 0.01,
    "DNSMOS": 0.05,
    "PLCMOS": 0.05,
    "DistillMOS": 0.05,
}
BY_HAND = {"DistillMOS"}  # no extra installs it
HEAD = """# Measured here

Copy-synthesis of the four clips that ship with the project, beside Griffin-Lim with 32 iterations from the same mel:

<!-- not run: scripts/evaluation_page.py runs it -->
```sh
VOCOS_PLUGINS_PRECISION=float32 vocos {command}
```

{table}
This page is written by `python scripts/evaluation_page.py`, which runs that command; a test runs it again and
compares. Four clips show that nothing has broken, and not how good a vocoder is: the README has 17 held-out
recordings, [the comparison](comparison.md) the published figures, `docs/training-log.md` how the model was trained.

Distances in the spectrum count the band above 8 kHz, which the mel doesn't hold. The clips are recorded at 16 kHz and
have nothing there; the model invents something, which ViSQOL's audio mode, MR-STFT and Mel hold against it.

The table for recordings of your own, with a page to listen on:

<!-- not run: downloads a model, and needs recordings of yours -->
```sh
vocos eval vocos-mel-22khz-small charactr/vocos-mel-24khz --data recordings/ --out evaluation
```
"""


def measure() -> str:
    """Runs the command; gives its table, without speed, which is of the machine."""
    environment = {**os.environ, "VOCOS_PLUGINS_PRECISION": "float32"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from vocos_plugins.apps.cli import main; main()", *COMMAND, "--out", folder]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        table = (Path(folder) / "results.md").read_text(encoding="utf-8").split("\nThe worst files")[0]
    return re.sub(r"\| times real time .*\n", "", table)


def rows(text: str) -> dict[str, list[tuple[float, float]]]:
    """Mean and worst of each measure in a table, for the recording, if it has any, and the two systems."""
    found = re.findall(r"^\| ([^|]+?) [↑↓] \|(.*)$", text, flags=re.MULTILINE)
    return {
        title: [(float(a), float(b)) for a, b in re.findall(r"([\d.]+) \(([\d.]+)\)", line)] for title, line in found
    }


def moved(text: str) -> list[str]:
    """Figures on the page that the command doesn't give any more."""
    written, now = rows(text), rows(measure())
    found = [f"{title} isn't measured" for title in sorted(TOLERANCES.keys() - BY_HAND - (written.keys() & now.keys()))]
    for title in sorted(written.keys() & now.keys()):
        for before, after in zip(written[title], now[title], strict=True):
            off = (abs(x - y) for x, y in zip(before, after, strict=True))
            if any(each > share * TOLERANCES[title] for each, share in zip(off, (1, 2), strict=True)):
                found.append(f"{title} is {after}, written {before}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    if parser.parse_args().check:
        differences = moved(PAGE.read_text(encoding="utf-8"))
        if differences:
            sys.stderr.write(f"{PAGE} is out of date: {'; '.join(differences)}: python scripts/evaluation_page.py\n")
        return bool(differences)
    PAGE.write_text(HEAD.format(command=" ".join(COMMAND), table=measure()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
