"""Writes docs/evaluation.md from the results of `vocos eval` on the shipped clips; this takes about a minute.

python scripts/evaluation_page.py            # writes it
python scripts/evaluation_page.py --check    # measures again; fails if a figure has changed
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
# Tolerances of means; the worst file may change by twice as much. PESQ and ViSQOL align segments of speech in time, and
# the rounding of another CPU can change that alignment. The page shows two or three digits.
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
HEAD = """# Our measurements

Copy-synthesis of the four clips that ship with the project, next to Griffin-Lim with 32 iterations from the same mel:

<!-- not run: scripts/evaluation_page.py runs it -->
```sh
VOCOS_PLUGINS_PRECISION=float32 vocos {command}
```

{table}
`python scripts/evaluation_page.py` writes this page: it runs the command above. A test runs it again and compares the
figures. Four clips show that nothing is broken, but not how good a vocoder is. For that, see the README, which has 17
held-out recordings, and [the comparison](comparison.md), which has the published figures. `docs/training-log.md`
describes how the model was trained.

Spectral distances include the band above 8 kHz, for which the mel has no information. The clips are recorded at 16 kHz
and have nothing there. The model invents something, which counts against it in ViSQOL's audio mode, MR-STFT and Mel.

To get this table for your own recordings, and a page to listen to them:

<!-- not run: downloads a model, and needs recordings of yours -->
```sh
vocos eval vocos-mel-22khz-small charactr/vocos-mel-24khz --data recordings/ --out evaluation
```

## Mels of an acoustic model

Copy-synthesis flatters: a text-to-speech model's mels are less exact than those of recordings. The recipes write the
mels that a model predicts with the durations of recordings: `recipes/coqui/predict_mels.py`,
`recipes/nemo/generate_mels.py` and `recipes/speechbrain/predict_mels.py`. To measure them next to the recordings' own:

<!-- not run: needs mels of a text-to-speech model of yours -->
```sh
vocos eval vocos-mel-22khz-small --predicted mels/ --data recordings/
vocos eval vocos-mel-22khz-small --predicted predicted/train_mel.json
```

The first takes a folder of mels and the recordings of the same names, with texts in `ID.txt`, `ID.normalized.txt`,
`ID.lab` or LJSpeech's `metadata.csv`; the second takes JSON lines with `mel_filepath` and, if known, `audio_filepath`
and `text`. Without recordings, only DistillMOS, DNSMOS, PLCMOS and the word error rate are taken. If the mels are not
what the checkpoint takes, name theirs with `--source`.

- **Predicted mel, nepers** is the mean absolute difference from the recording's mel.
- **Word error rate** is the mean of the files' rates. pocketsphinx reads them, a small recogniser of American English,
  and reads recordings with errors too: compare with the recording's column.
- **Blur** is the sigma of the Gaussian filter that would take as much from the recordings' modulation spectrum, over
  frequency and over time. A known filter's sigma comes back within 5 %. Without recordings, the mels are compared with
  the shipped speech, where up to 0.5 bands or frames may be the speaker. `vocos doctor --mel` says so for a single mel
  above that.
"""


def measure() -> str:
    """Runs the command and returns its table, without speed, which depends on the machine."""
    environment = {**os.environ, "VOCOS_PLUGINS_PRECISION": "float32"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from vocos_plugins.apps.cli import main; main()", *COMMAND, "--out", folder]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        table = (Path(folder) / "results.md").read_text(encoding="utf-8").split("\nThe worst files")[0]
    return re.sub(r"\| times real time .*\n", "", table)


def rows(text: str) -> dict[str, list[tuple[float, float]]]:
    """Returns the mean and worst of each measure in a table, for the recording (if any) and the two systems."""
    lines = re.findall(r"^\| ([^|]+?) [↑↓] \|(.*)$", text, flags=re.MULTILINE)
    return {
        title: [(float(a), float(b)) for a, b in re.findall(r"([\d.]+) \(([\d.]+)\)", line)] for title, line in lines
    }


def moved(text: str) -> list[str]:
    """Returns the figures on the page that the command no longer prints."""
    written, now = rows(text), rows(measure())
    changes = [
        f"{title} isn't measured" for title in sorted(TOLERANCES.keys() - BY_HAND - (written.keys() & now.keys()))
    ]
    for title in sorted(written.keys() & now.keys()):
        for before, after in zip(written[title], now[title], strict=True):
            off = (abs(x - y) for x, y in zip(before, after, strict=True))
            if any(each > share * TOLERANCES[title] for each, share in zip(off, (1, 2), strict=True)):
                changes.append(f"{title} is {after}, on the page {before}")
    return changes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    if parser.parse_args().check:
        differences = moved(PAGE.read_text(encoding="utf-8"))
        if differences:
            sys.stderr.write(f"{PAGE} is out of date: {'; '.join(differences)}: python scripts/evaluation_page.py\n")
        return bool(differences)
    PAGE.write_text(HEAD.format(command=" ".join(COMMAND), table=measure()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
