"""Smoke test of an installed wheel: a user's first steps, with only the core's dependencies.

python -I smoke.py PATH_OF_THE_VOCOS_COMMAND
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

UNWANTED = ("torchaudio", "lightning", "librosa", "speechbrain", "nemo", "TTS", "transformers", "vocos", "pytest")

# Text that each command prints if no toolkit is installed.
COMMANDS = {
    "plugins": "pip install 'vocos-plugins[nemo]'",
    "conventions": "coqui-default",
    "doctor": "Nothing is broken.",
    "doctor coqui-ljspeech vocos-mel-22khz-small": "vocos decode",
    "doctor speecht5 vocos-mel-22khz-small": "mean error",
}


def check(ok: bool, what: str) -> None:
    """Prints what was checked, and exits at the first failure."""
    sys.stdout.write(f"{'ok' if ok else 'FAILED'}: {what}\n")
    if not ok:
        sys.exit(1)


def main(command: str) -> None:
    """Runs every check."""
    for name in UNWANTED:
        check(importlib.util.find_spec(name) is None, f"{name} is not installed")
    import torch  # noqa: PLC0415

    import vocos_plugins  # noqa: PLC0415

    check("site-packages" in str(vocos_plugins.__file__), "vocos_plugins comes from the wheel")
    vocos = vocos_plugins.Vocos.from_pretrained("vocos-mel-22khz-small")
    audio = vocos.decode(torch.full((1, 80, 40), -5.0))
    check(audio.shape == (1, 39 * 256) and bool(torch.isfinite(audio).all()), "the bundled model decodes a mel")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([command, "demo", folder], check=True)  # noqa: S603
        page = Path(folder, "report.html").read_text()
        check("<audio" in page and len(page) > 100_000, "vocos demo writes a page with players")
    clips = Path(str(vocos_plugins.__file__)).parent / "mel" / "clips"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([command, "resynth", str(clips), folder], check=True)  # noqa: S603
        check(len(list(Path(folder).glob("*.wav"))) >= 3, "vocos resynth turns the shipped clips into audio")
    for arguments, expected in COMMANDS.items():
        done = subprocess.run([command, *arguments.split()], capture_output=True, text=True, check=False)  # noqa: S603
        check(expected in done.stdout and done.returncode in (0, 1), f"vocos {arguments}: {expected}")


if __name__ == "__main__":
    main(sys.argv[1])
