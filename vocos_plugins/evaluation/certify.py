"""Measures what each precision costs a model's sound, for its certificate."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from ..inference.backend import Backend, Precision
from ..inference.certificate import CERTIFICATE, MIN_RECORDINGS, Certificate, Cost, fingerprint
from ..inference.fast.onednn import has_bfloat16, has_int8
from ..model import Vocos
from ..storage.audio import read_mono
from ..storage.checkpoint import write_provenance
from .evaluate import Failure, Progress, spread
from .measures import MEASURES, Measure

MAX_RECORDINGS = 24
MAX_SECONDS = 10.0  # of each recording
EXACT = "float32"

Scores = dict[str, dict[str, float]]  # by precision and measure


@dataclass(frozen=True, kw_only=True)
class Certification:
    """The outcome of `certify`.

    Attributes:
        certificate: which the model has by then.
        scores: means over recordings, by precision and then by measure; float32 is one of them.
        failures: recordings that could not be used.
        left_out: the precisions that this machine can't compute in, with the reason.
    """

    certificate: Certificate
    scores: Mapping[str, Mapping[str, float]]
    failures: Sequence[Failure]
    left_out: Mapping[str, str]

    @property
    def too_few(self) -> str:
        """A sentence, if there were too few recordings for the certificate to be used; otherwise empty."""
        count = self.certificate.recordings
        if count >= MIN_RECORDINGS:
            return ""
        return f"Too few recordings to be used: {count}, expected at least {MIN_RECORDINGS}."

    def __str__(self) -> str:
        costs = ", ".join(f"{name} costs {cost.pesq_loss:.3f} PESQ" for name, cost in self.certificate.costs.items())
        return " ".join(filter(None, [f"Certified: {costs or 'nothing was measured'}.", self.too_few]))


def certify(vocos: Vocos, recordings: Sequence[Path], progress: Progress | None = None) -> Certification:
    """Measures bfloat16 and 8 bits against float32 by copy-synthesis, and gives the model its certificate.

    Args:
        vocos: a mel model with a ConvNeXt backbone, on the CPU. Its backend stays as it is.
        recordings: of which up to 24, spread evenly, are used, each up to its tenth second. Best ones that the model
            wasn't trained on.
        progress: receives the progress.

    Raises:
        ValueError: the model takes EnCodec codes, PESQ isn't installed, or no recording could be used.
    """
    if vocos.mel is None:
        raise ValueError("the model takes EnCodec codes; a certificate needs a model that takes mels")
    if not recordings:
        raise ValueError("there are no recordings to measure it on")
    measures = _measures()
    backends, left_out = _backends()
    chosen = [recordings[index] for index in sorted(spread(len(recordings), MAX_RECORDINGS))]
    taken, failures = _score_all(vocos, chosen, backends, measures, progress)
    if not taken:
        named = "".join(f"; {failure.file}: {failure.error}" for failure in failures[:5])
        raise ValueError(f"none of {len(chosen)} recordings could be used{named}")
    scores = {
        name: {key: statistics.mean(scores[name][key] for scores in taken) for key in taken[0][name]}
        for name in backends
    }
    costs = {name: _cost(scores[EXACT], scores[name]) for name in backends if name != EXACT}
    certificate = Certificate(fingerprint=fingerprint(vocos), recordings=len(taken), costs=costs)
    vocos.provenance = {**vocos.provenance, CERTIFICATE: certificate.to_dict()}
    return Certification(certificate=certificate, scores=scores, failures=failures, left_out=left_out)


def certify_trained(directory: Path, recordings: Sequence[Path]) -> str:
    """Certifies the model of a finished training on its validation recordings, and writes that into its directory.

    Args:
        directory: of a checkpoint in this package's form; if it has a certificate, it stays as it is.
        recordings: as for `certify`.

    Returns:
        a sentence for the user on the outcome.
    """
    vocos = Vocos.from_pretrained(directory, precision="float32")
    if CERTIFICATE in vocos.provenance:
        return "Certified before."
    try:
        done = certify(vocos, recordings)
    except ValueError as error:
        return f"Not certified for 8 bits, which `vocos certify` does later: {error}."
    write_provenance(vocos.provenance, directory)
    return str(done)


def _measures() -> list[Measure]:
    measures = {measure.name: measure for measure in MEASURES if measure.name in ("pesq", "distillmos")}
    installed = [measure for measure in measures.values() if all(map(find_spec, measure.packages))]
    if measures["pesq"] not in installed:
        raise ValueError(f"PESQ isn't installed: pip install {measures['pesq'].install}")
    return installed


def _backends() -> tuple[dict[str, Backend], dict[str, str]]:
    """Returns a backend for each precision, and why the others don't run here; float32 comes first."""
    reasons = {
        EXACT: "",
        "bfloat16": "" if has_bfloat16() else "no bfloat16 instructions",
        "int8": "" if has_int8() else "no 8-bit dot products (VNNI)",
    }
    backends = {name: Backend(cast(Precision, name)) for name, reason in reasons.items() if not reason}
    return backends, {name: reason for name, reason in reasons.items() if reason}


def _score_all(
    vocos: Vocos,
    recordings: Sequence[Path],
    backends: Mapping[str, Backend],
    measures: Sequence[Measure],
    progress: Progress | None,
) -> tuple[list[Scores], list[Failure]]:
    """Returns the scores of each recording that could be used, and why others couldn't."""
    taken, failures = [], []
    for path in recordings:
        if progress is not None:
            progress.show(path.name)
        try:
            recording = read_mono(path, vocos.sample_rate)[:, : round(MAX_SECONDS * vocos.sample_rate)]
            taken.append(score_precisions(vocos, recording, backends, measures))
        except Exception as error:  # whatever a file makes a library raise
            failures.append(Failure(file=str(path), system="", error=" ".join(str(error).split())))
        if progress is not None:
            progress.advance()
    return taken, failures


def score_precisions(
    vocos: Vocos, recording: Tensor, backends: Mapping[str, Backend], measures: Sequence[Measure]
) -> Scores:
    """Vocodes a recording ``(1, N)`` with each backend, the first of which is the exact one.

    Returns:
        scores by backend and measure; all but the first have ``signal_to_error_db`` too.

    Raises:
        ValueError: a measure has no value.
    """
    scores: Scores = {}
    exact: Tensor | None = None
    own = vocos.backend
    try:
        for name, backend in backends.items():
            vocos.backend = backend
            audio = vocos(recording, length=recording.shape[1])
            exact = audio if exact is None else exact
            scores[name] = {} if audio is exact else {"signal_to_error_db": _decibels(exact, audio)}
            for measure in measures:
                score = measure(recording[0].numpy(), audio[0].numpy(), vocos.sample_rate)
                if score.value is None:
                    raise ValueError(f"{measure.title}: {score.reason}")
                scores[name][measure.name] = score.value
    finally:
        vocos.backend = own
    return scores


def _cost(exact: Mapping[str, float], scores: Mapping[str, float]) -> Cost:
    lost = {key: round(exact[key] - scores[key], 4) for key in exact}
    return Cost(
        pesq_loss=lost["pesq"],
        distillmos_loss=lost.get("distillmos"),
        signal_to_error_db=round(scores["signal_to_error_db"], 1),
    )


def _decibels(exact: Tensor, audio: Tensor) -> float:
    error = (audio - exact).square().sum().clamp_min(1e-20)
    return float(10 * torch.log10(exact.square().sum() / error))
