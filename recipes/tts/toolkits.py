"""The toolkits that speak, each in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "pipelines"))
from job import MELS, RESULT, Job, Result, Utterance, Vocoder, read_result

__all__ = ["MELS", "TOOLKITS", "CannotSpeakError", "Job", "Result", "Toolkit", "Utterance", "Vocoder", "check", "speak"]

RECIPE = Path(__file__).resolve().parent
MODELS = RECIPE / "models"
LOG = "log.txt"


class CannotSpeakError(Exception):
    """A toolkit can't speak here; the message says why and what to do."""


@dataclass(frozen=True)
class Toolkit:
    """A toolkit.

    Attributes:
        name: folder of its model, its extra for pip, and the beginning of its script's name.
        title: what it is called.
        module: what is imported.
        needs_espeak: whether it turns text into phonemes by espeak-ng.
        command: what a user types to hear the same.
    """

    name: str
    title: str
    module: str
    needs_espeak: bool
    command: str


TOOLKITS = (
    Toolkit(
        "speechbrain",
        "SpeechBrain",
        "speechbrain",
        True,
        'HIFIGAN.from_hparams(source="vocos").decode_batch(fastspeech2.encode_text([text])[0])',
    ),
    Toolkit(
        "nemo",
        "NeMo",
        "nemo",
        False,
        "vocoder.convert_spectrogram_to_audio(spec=fastpitch.generate_spectrogram(tokens=fastpitch.parse(text)))",
    ),
    Toolkit(
        "coqui",
        "Coqui TTS",
        "TTS",
        True,
        "tts --text TEXT --model_path model.pth --config_path config.json"
        " --vocoder_path model.safetensors --vocoder_config_path config.json",
    ),
)


def check(toolkit: Toolkit, model: Path) -> None:
    """Checks that a toolkit and its model are there.

    Raises:
        CannotSpeakError: they aren't.
    """
    if find_spec(toolkit.module) is None:
        raise CannotSpeakError(f"{toolkit.title} is not installed; pip install 'vocos-plugins[{toolkit.name}]'")
    if not model.is_dir():
        raise CannotSpeakError(f"there is no model of {toolkit.title} in {model}; recipes/tts/README.md trains one")
    if toolkit.needs_espeak and shutil.which("espeak-ng") is None:
        raise CannotSpeakError(f"{toolkit.title} reads text by espeak-ng; install the system's package espeak-ng")


def speak(toolkit: Toolkit, job: Job) -> Result:
    """Runs a job in a fresh process of the toolkit; what it prints goes to ``log.txt`` in the job's folder.

    Raises:
        CannotSpeakError: the toolkit or its model isn't there, or the process failed.
    """
    check(toolkit, Path(job.model))
    out = Path(job.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / RESULT).unlink(missing_ok=True)
    (out / "job.json").write_text(json.dumps(asdict(job), ensure_ascii=False), encoding="utf-8")
    script = RECIPE / "pipelines" / f"{toolkit.name}_pipeline.py"
    with (out / LOG).open("w", encoding="utf-8") as log:
        command = [sys.executable, str(script), str(out / "job.json")]
        code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode  # noqa: S603
    if code:
        last = (out / LOG).read_text(encoding="utf-8").strip().rpartition("\n")[2]
        raise CannotSpeakError(f"{toolkit.title} failed: {last}; {out / LOG} has everything")
    return read_result(out)
