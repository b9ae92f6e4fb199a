"""Writes an evaluation: ``results.md``, ``results.json`` and ``report.html``."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import torch

from ..inference.processor import processor_name
from ..mel import MelConvention
from ..model import Vocos
from ..storage.atomic import write_text
from .evaluate import PAGE_CLIPS, Evaluation
from .page import render
from .systems import N_ITER, describe
from .tables import as_data, markdown

REPORT_NAME = "report.html"
TABLE_NAME = "results.md"
DATA_NAME = "results.json"


def write_evaluation(evaluation: Evaluation, out: Path, facts: Mapping[str, str]) -> list[Path]:
    """Writes the table, the data and, if there is a clip to play, the page; returns their paths.

    Args:
        evaluation: the results of a run.
        out: folder, created if it doesn't exist. Each file is written atomically.
        facts: facts about the models and the machine, by heading.

    Raises:
        OSError: a file can't be written.
    """
    texts = {TABLE_NAME: markdown(evaluation), DATA_NAME: json.dumps(as_data(evaluation), indent=2) + "\n"}
    if evaluation.clip_results:
        n_files = len(evaluation.files)
        title = f"Vocos: {_counted(n_files, 'predicted mel' if evaluation.predicted else 'clip')} compared"
        texts[REPORT_NAME] = render(evaluation, title=title, intro=_intro(evaluation), facts=facts)
    return [write_text(out / name, text) for name, text in texts.items()]


def facts_of(models: Mapping[str, Vocos]) -> dict[str, str]:
    """Returns facts about the models and the machine by heading; with several models, headings name the model."""
    facts = {}
    for name, vocos in models.items():
        parameters = list(vocos.parameters())
        own = {
            "Model": name,
            "Mel convention": vocos.mel.name or describe(vocos.mel) if vocos.mel is not None else "none",
            "Parameters": f"{sum(parameter.numel() for parameter in parameters) / 1e6:.2f} million",
            **{f"Trained: {key}": _as_text(value) for key, value in vocos.provenance.items()},
        }
        facts.update(own if len(models) == 1 else {f"{name}: {key}": value for key, value in own.items()})
    n_threads = torch.get_num_threads()
    device = next(next(iter(models.values())).parameters()).device
    processor = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    return {
        **facts,
        "Machine": f"{processor}, {platform.system()}; PyTorch on {n_threads} CPU thread{'s' if n_threads > 1 else ''}",
        "PyTorch": f"{torch.__version__}, Python {platform.python_version()}",
    }


def note_on_top_band(mel: MelConvention) -> str:
    """Returns a note as HTML if a mel ends below half the sample rate, else an empty text."""
    if mel.f_max is None or mel.f_max >= mel.sample_rate / 2:
        return ""
    return f" The mel ends at {mel.f_max / 1000:g} kHz: Vocos guesses everything above."


def _intro(evaluation: Evaluation) -> str:
    mels = dict.fromkeys(system.mel for system in evaluation.systems)
    described = "; ".join(escape(describe(mel)) for mel in mels)
    n_files, n_shown = len(evaluation.files), len(evaluation.clip_results)
    shown = "" if n_shown == n_files else f" {n_shown} of them are played here (at most {PAGE_CLIPS}, spread evenly)."
    if evaluation.predicted:
        return (
            f"<p>{_counted(n_files, 'mel spectrogram')} ({described}) that an acoustic model predicted, turned into "
            f"sound by Griffin-Lim ({N_ITER} iterations, no training) and by each model; where there is a recording, "
            "so is its own mel, which shows what the vocoder could do. Predicted speech is never the recording's "
            f"waveform, so measures against it stay low: listen first, then read the numbers.{shown}</p>"
        )
    top = note_on_top_band(next(iter(mels))) if len(mels) == 1 else ""
    return (
        f"<p>{_counted(n_files, 'clip')}, each turned into a mel spectrogram ({described}) and back "
        f"into sound, by Griffin-Lim ({N_ITER} iterations, no training) and by each model. They got only the mel. "
        "PESQ flatters Griffin-Lim, which keeps magnitudes and guesses phases: listen first, then read the "
        f"numbers.{top}{shown}</p>"
    )


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _as_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_as_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        between = "\n" if any(isinstance(item, Mapping) for item in value) else ", "
        return between.join(_as_text(item) for item in value)
    return str(value)
