"""The verdict on a comparison in one sentence, and remedies."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from ...config import EncodecCodes
from ...mel.convention import LevelNormalization, MelConvention
from ...mel.estimate import describe_bands
from .best_checkpoint import best_checkpoint
from .comparison import Comparison
from .resolve import Endpoint

ENCODEC_CHECKPOINT = "charactr/vocos-encodec-24khz"
# Training configurations to start from, by sample rate.
RECIPES = {
    16000: "vocos-mel-16khz",
    22050: "vocos-mel-22khz",
    24000: "vocos",
    44100: "vocos-mel-44khz",
    48000: "vocos-mel-48khz",
}


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """Something that makes a pair compatible.

    Attributes:
        what: what the command does.
        command: a shell command or lines of Python, to be copied.
    """

    what: str
    command: str


def verdict(comparison: Comparison) -> str:
    """Returns in one sentence whether the two are compatible."""
    if comparison.converts is not None and comparison.kind != "refused":
        return _verdict_on_export(comparison)
    match comparison.kind:
        case "identity":
            differ = any(row.state != "equal" for row in comparison.fields)
            return "Compatible: the differences are inaudible." if differ else "Compatible: no conversion is needed."
        case "lossy":
            return f"Compatible, but lossy: mean error {comparison.error}."
        case "refused":
            return f"Incompatible: {_refusal(comparison)}."
        case "framing":
            converted = _list([name for name in _converted(comparison) if name != "framing"])
            also = f" and conversion of {converted}" if converted else ""
            return f"Compatible: exact after a half-hop shift{also}{_clipped(comparison)}."
    return f"Compatible: exact after conversion of {_list(_converted(comparison))}{_clipped(comparison)}."


def remedies(comparison: Comparison) -> tuple[Remedy, ...]:
    """Returns what makes the pair compatible, the best way first; empty if nothing has to be done."""
    if comparison.converts is not None and comparison.kind != "refused":
        return _remedies_for_export(comparison)
    match comparison.kind:
        case "identity":
            return ()
        case "lossy":
            return (*_other_checkpoint(comparison), *_convert(comparison, "Or accept the lossy conversion"))
        case "refused":
            return _instead(comparison)
    return _convert(comparison, "Convert")


def _verdict_on_export(comparison: Comparison) -> str:
    error = comparison.error
    if not comparison.converts:
        how = "exactly" if error is None else f"lossily, with a mean error of {error}"
        return f"It was exported for other mels. Compatible once it is exported for this TTS: it then converts {how}."
    if error is not None:
        return f"Compatible, but lossy: the export converts the mel by itself, mean error {error}."
    if all(row.state == "equal" for row in comparison.fields):
        return "Compatible: no conversion is needed."
    return f"Compatible: the export converts the mel by itself, exactly{_clipped(comparison)}."


def _remedies_for_export(comparison: Comparison) -> tuple[Remedy, ...]:
    better = () if comparison.error is None else _other_checkpoint(comparison)
    if comparison.converts:
        return better
    command = _export(comparison, comparison.vocoder.model)
    return (*better, Remedy(what="Export it again for this TTS, to a new OUT", command=command))


def _refusal(comparison: Comparison) -> str:
    tts, vocoder = comparison.tts.convention, comparison.vocoder.convention
    if tts is not None and vocoder is not None:
        bands = describe_bands(comparison.unknown)
        return f"the TTS mel has no information for {bands} of the vocoder's {vocoder.n_mels}"
    if tts is None and vocoder is None:
        return "the codes differ"
    if vocoder is None:
        return "the TTS produces a mel, the vocoder takes EnCodec codes"
    return "the TTS produces EnCodec codes, the vocoder takes a mel"


def _converted(comparison: Comparison) -> list[str]:
    return [row.field for row in comparison.fields if row.state == "convertible"]


def _clipped(comparison: Comparison) -> str:
    normalization = None if comparison.tts.convention is None else comparison.tts.convention.normalization
    clips = isinstance(normalization, LevelNormalization) and normalization.clip
    return " (except for values that the TTS's own normalization clipped)" if clips else ""


def _list(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _convert(comparison: Comparison, what: str) -> tuple[Remedy, ...]:
    """Returns how to convert: in a Vocos model, which does it by itself, or by hand before another vocoder."""
    tts, vocoder = comparison.tts, comparison.vocoder
    # A convention is no model: a known checkpoint that takes exactly this mel stands in for it.
    model = vocoder.model or (_checkpoint_of(vocoder.convention) if vocoder.kind == "convention" else None)
    if model is None:
        return (Remedy(what=f"{what}, in Python, before the vocoder", command=_in_front(comparison)),)
    on_files = Remedy(what=f"{what}, on the command line", command=_decode(model, tts))
    # json.dumps quotes for Python, whose string literals include JSON's; the shell's commands use shlex.
    load = (f"vocos = Vocos.from_pretrained({json.dumps(model)})", f"source = {_convention(tts)}")
    if tts.toolkit is None:
        script = _script("Vocos", *load, "audio = vocos.decode(mel, source=source)")
        return (on_files, Remedy(what="In Python", command=script))
    script = _script("Vocos, adapt", *load, f'vocoder = adapt(vocos, "{tts.toolkit}", source=source)')
    return (on_files, Remedy(what=f"In Python, a vocoder for {tts.toolkit}", command=script))


def _in_front(comparison: Comparison) -> str:
    ends = (f"source = {_convention(comparison.tts)}", f"target = {_convention(comparison.vocoder)}")
    # Only a shift changes the number of samples, which is why the audio must be trimmed then.
    if comparison.kind != "framing":
        return _script("align", *ends, "mel = align(source, target)(mel)")
    trimmed = "audio = alignment.trim(vocoder(alignment(mel)), mel.shape[-1])"
    return _script("align", *ends, "alignment = align(source, target)", trimmed)


def _other_checkpoint(comparison: Comparison) -> tuple[Remedy, ...]:
    """Returns a known checkpoint that fits better, if there is one, and training unless that one fits exactly."""
    source = comparison.tts.convention
    if source is None:
        return ()
    better = best_checkpoint(source, comparison.alignment)
    if better is None:
        return (_train(source, comparison.vocoder),)
    checkpoint, alignment = better
    how = "exactly" if alignment.error is None else f"better: mean error {alignment.error}"
    command = _decode(checkpoint.name, None if alignment.kind == "identity" else comparison.tts)
    if comparison.converts is not None:
        command = _export(comparison, checkpoint.name)
    other = Remedy(what=f"Use {checkpoint.name}, which fits {how}", command=command)
    return (other,) if alignment.error is None else (other, _train(source, comparison.vocoder))


def _instead(comparison: Comparison) -> tuple[Remedy, ...]:
    if comparison.tts.convention is not None:
        return _other_checkpoint(comparison)
    # The defaults are the codes of EnCodec's 24 kHz model.
    if comparison.tts.features == EncodecCodes():
        what = f"Use {ENCODEC_CHECKPOINT}, which decodes these codes"
        command = f'vocos = Vocos.from_pretrained("{ENCODEC_CHECKPOINT}")'
        return (Remedy(what=what, command=command),)
    command = "vocos train recipes/lightning/vocos-encodec.yaml --out runs/mine"
    return (Remedy(what="Train a vocoder for these codes", command=command),)


def _checkpoint_of(convention: MelConvention | None) -> str | None:
    best = None if convention is None else best_checkpoint(convention)
    return best[0].name if best is not None and best[1].kind == "identity" else None


def _decode(model: str, source: Endpoint | None) -> str:
    options = "" if source is None else f" --source {shlex.quote(source.name)}"
    return f"vocos decode MELS OUT --model {shlex.quote(model)}{options}"


def _export(comparison: Comparison, model: str | None) -> str:
    """Returns the command that exports a model for the TTS, to the toolkit of the vocoder."""
    names = map(shlex.quote, (model or "MODEL", comparison.tts.name))
    return f"vocos export {comparison.vocoder.toolkit} OUT --model {' --tts '.join(names)}"


def _train(source: MelConvention, vocoder: Endpoint) -> Remedy:
    recipe = RECIPES[min(RECIPES, key=lambda rate: abs(rate - source.sample_rate))]
    tunes = vocoder.model is not None and vocoder.convention is not None
    what = (
        f"{'Fine-tune the' if tunes else 'Train a'} vocoder: in a copy of recipes/lightning/{recipe}.yaml, set "
        "model.features to the TTS column of this table, model.head's n_fft, hop_length and framing likewise"
        f"{f', run.init_from to {vocoder.model}' if tunes else ''}, then"
    )
    return Remedy(what=what, command="vocos train COPY.yaml --out runs/mine")


def _script(names: str, *lines: str) -> str:
    """Returns lines of Python with the imports that they need."""
    imports = (f"from vocos_plugins import {names}", "from vocos_plugins.apps.doctor import resolve_endpoint")
    return "\n".join((*imports, *lines))


def _convention(endpoint: Endpoint) -> str:
    return f"resolve_endpoint({json.dumps(endpoint.name)}).convention"
