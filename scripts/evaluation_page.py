"""Writes docs/evaluation.md: what `vocos eval` measures on the shipped clips; it takes about a minute.

python scripts/evaluation_page.py            # writes it
python scripts/evaluation_page.py --check    # measures what is quick again; fails if that has moved
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "evaluation.md"
COMMAND = ["eval", "vocos-mel-22khz-small", "--data", "vocos_plugins/demo/clips"]
SYSTEMS = ("Griffin-Lim", "vocos-mel-22khz-small")
# Of the means. PESQ aligns stretches of speech in time, which the rounding of another processor can tip over; what is
# written has two digits, or three.
TOLERANCES = {"pesq": 0.1, "stoi": 0.002, "mr-stft": 0.005, "mel": 0.005, "mcd": 0.01}
HEAD = """# Measured here

Copy-synthesis of the four clips that ship with the project, beside Griffin-Lim with 32 iterations from the same mel:

<!-- not run: scripts/evaluation_page.py runs it -->
```sh
VOCOS_PLUGINS_PRECISION=float32 vocos {command}
```

{table}
This page is written by `python scripts/evaluation_page.py`, which runs that command; a test runs the quick measures
again. Four clips show that nothing has broken, and not how good a vocoder is: the README has 17 held-out
recordings, [the comparison](comparison.md) the published figures, `docs/training-log.md` how the model was trained.

Distances in the spectrum count the band above 8 kHz, which the mel doesn't hold. The clips are recorded at 16 kHz and
have nothing there; the model invents something, which ViSQOL's audio mode, MR-STFT and Mel hold against it.

The table for recordings of your own, with a page to listen on:

<!-- not run: downloads a model, and needs recordings of yours -->
```sh
vocos eval vocos-mel-22khz-small charactr/vocos-mel-24khz --data recordings/ --out evaluation
```
"""


def measure(*options: str) -> tuple[str, dict[str, dict[str, dict[str, float]]]]:
    """Runs the command; gives its table, without speed, which is of the machine, and its means by system."""
    environment = {**os.environ, "VOCOS_PLUGINS_PRECISION": "float32"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from vocos_plugins.cli import main; main()", *COMMAND, "--out", folder]
        subprocess.run([*command, *options], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        table = (Path(folder) / "results.md").read_text(encoding="utf-8").split("\nThe worst files")[0]
        summary = json.loads((Path(folder) / "results.json").read_text(encoding="utf-8"))["summary"]
    return re.sub(r"\| times real time .*\n", "", table), summary


def moved(text: str) -> list[str]:
    """Means on the page that the quick measures don't give any more."""
    _, summary = measure(*(f"--measure={name}" for name in TOLERANCES))
    titles = {"pesq": "PESQ-wb", "stoi": "STOI", "mr-stft": "MR-STFT", "mel": "Mel", "mcd": "MCD, dB"}
    found = []
    for name, tolerance in TOLERANCES.items():
        (row,) = re.findall(rf"^\| {titles[name]} .*$", text, flags=re.MULTILINE)
        for system, cell in zip(SYSTEMS, row.split("|")[3:5], strict=True):
            written, now = float(cell.split("(")[0]), summary[system][name]["mean"]
            if abs(written - now) > tolerance:
                found.append(f"{titles[name]} of {system} is {now:.3f}, written {written}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    if parser.parse_args().check:
        differences = moved(PAGE.read_text(encoding="utf-8"))
        if differences:
            sys.stderr.write(f"{PAGE} is out of date: {'; '.join(differences)}: python scripts/evaluation_page.py\n")
        return bool(differences)
    table, _ = measure()
    PAGE.write_text(HEAD.format(command=" ".join(COMMAND), table=table), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
