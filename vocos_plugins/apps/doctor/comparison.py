"""Comparison of a text-to-speech model's features with a vocoder's, field by field."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from typing import Literal

import torch

from ...config import EncodecCodes, Features
from ...mel.alignment import Alignment, Kind, MelMismatch, MelMismatchWarning, align
from ...mel.convention import MelConvention
from ...mel.difference import differences, meaning, top_frequency
from ...mel.estimate import ErrorEstimate, describe_bands
from ...mel.projection import known_bands
from ...plugins import ExportedVocoder
from .resolve import Endpoint

FieldState = Literal["equal", "negligible", "convertible", "lossy", "fatal"]

EXIT_CODES: dict[Kind | Literal["refused"], int] = {
    "identity": 0,
    "pointwise": 0,
    "framing": 0,
    "lossy": 1,
    "refused": 2,
}
CODE_EFFECTS = {
    "equal": None,
    "negligible": "nothing at a bandwidth that both have",
    "fatal": "the codes have another meaning",
}


@dataclass(frozen=True, kw_only=True)
class FieldComparison:
    """One field of a comparison, with both its values.

    Attributes:
        field: a field of `MelConvention` or of `EncodecCodes`; ``features`` if only one of the two has a mel.
        tts, vocoder: its values, with defaults spelled out.
        state: ``equal``; ``negligible``, ``convertible`` or ``lossy`` as in `mel.difference`; ``fatal`` if it is the
            reason why the vocoder can't take the features at all.
        effect: how an ignored difference sounds, or why it is fatal; None if the values are equal.
    """

    field: str
    tts: object
    vocoder: object
    state: FieldState
    effect: str | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The result of `compare`.

    Attributes:
        tts, vocoder: the text-to-speech model and the vocoder.
        fields: every field with both values.
        kind: the kind of the `Alignment` from one mel to the other, or ``refused``.
        unknown: if it is refused, the vocoder's bands for which the TTS mel has no information.
        alignment: the conversion of the mel; None if it is refused, or if the features are codes.
        converts: whether the vocoder is an exported one that does this conversion by itself; False if it was exported
            for other mels; None if it is no exported one.
    """

    tts: Endpoint
    vocoder: Endpoint
    fields: tuple[FieldComparison, ...]
    kind: Kind | Literal["refused"]
    unknown: tuple[int, ...] = ()
    alignment: Alignment | None = None
    converts: bool | None = None

    @property
    def error(self) -> ErrorEstimate | None:
        """The error of a lossy alignment; None for an exact one."""
        return None if self.alignment is None else self.alignment.error

    @property
    def exit_code(self) -> int:
        """The exit code of `vocos doctor`: 0 compatible, 1 compatible but lossy, 2 incompatible."""
        return EXIT_CODES[self.kind]


def compare(tts: Endpoint, vocoder: Endpoint) -> Comparison:
    """Compares a text-to-speech model's features with those that a vocoder takes.

    An exported vocoder is compared by the model inside, to whose mel it converts.
    """
    exported, vocoder = vocoder.exported, vocoder.inside()
    if tts.convention is None or vocoder.convention is None:
        return _compare_codes(tts, vocoder)
    converts = None if exported is None else _is_for(exported, tts.convention)
    # What the exported one was made for differs from the TTS's mel at most by a normalization that the toolkit undoes.
    source = exported.source if exported is not None and converts else tts.convention
    alignment = try_align(source, vocoder.convention)
    if alignment is not None:
        fields = _fields(tts.convention, vocoder.convention, {})
        return Comparison(
            tts=tts, vocoder=vocoder, fields=fields, kind=alignment.kind, alignment=alignment, converts=converts
        )
    unknown = torch.nonzero(~known_bands(tts.convention, vocoder.convention))[:, 0].tolist()
    fatal = _fatal(tts.convention, vocoder.convention, unknown)
    fields = _fields(tts.convention, vocoder.convention, fatal)
    return Comparison(
        tts=tts, vocoder=vocoder, fields=fields, kind="refused", unknown=tuple(unknown), converts=converts
    )


def _is_for(exported: ExportedVocoder, mel: MelConvention) -> bool:
    """Whether an exported vocoder was made for a text-to-speech model's mel."""
    received = dataclasses.replace(mel, normalization=None) if exported.undoes_normalization else mel
    alignment = try_align(received, exported.source)
    return alignment is not None and alignment.kind == "identity"


def try_align(source: MelConvention, target: MelConvention) -> Alignment | None:
    """Returns the alignment without its warning; None if it is refused."""
    with warnings.catch_warnings():
        # The comparison itself states the loss.
        warnings.simplefilter("ignore", MelMismatchWarning)
        try:
            return align(source, target)
        except MelMismatch:
            return None


def _fields(source: MelConvention, target: MelConvention, fatal: dict[str, str]) -> tuple[FieldComparison, ...]:
    by_field = {difference.field: difference for difference in differences(source, target)}
    rows = []
    for field in dataclasses.fields(MelConvention):
        name = field.name
        # Not compared: equal conventions may have different names.
        if name == "name":
            continue
        state: FieldState = "equal"
        effect = None
        if name in fatal:
            state, effect = "fatal", fatal[name]
        elif name in by_field:
            state, effect = by_field[name].severity, by_field[name].effect
        row = FieldComparison(
            field=name, tts=meaning(source, name), vocoder=meaning(target, name), state=state, effect=effect
        )
        rows.append(row)
    return tuple(rows)


def _fatal(source: MelConvention, target: MelConvention, unknown: list[int]) -> dict[str, str]:
    """Returns the fields that leave too many of the target's bands unknown, with the reason."""
    below = [band for band in unknown if _is_below(band, source, target)]
    above = [band for band in unknown if band not in below]
    fatal = {}
    if below:
        fatal["f_min"] = f"the TTS mel has no information for the vocoder's {describe_bands(tuple(below))}"
    if above:
        reason = f"the TTS mel has no information for the vocoder's {describe_bands(tuple(above))}"
        fatal["f_max"] = reason
        # A mel that reaches its Nyquist frequency ends there because of its sample rate.
        if top_frequency(source) == source.sample_rate / 2:
            fatal["sample_rate"] = reason
    return fatal


def _is_below(band: int, source: MelConvention, target: MelConvention) -> bool:
    # Unknown bands lie outside the source's range: comparing their centre with its middle shows at which end.
    peak = float(target.filterbank()[:, band].argmax()) * target.sample_rate / target.n_fft
    return peak < (source.f_min + top_frequency(source)) / 2


def _compare_codes(tts: Endpoint, vocoder: Endpoint) -> Comparison:
    """Compares features of which at least one are EnCodec codes; only a vocoder of the same codes can decode them."""
    fields: tuple[FieldComparison, ...]
    if isinstance(tts.features, EncodecCodes) and isinstance(vocoder.features, EncodecCodes):
        fields = tuple(
            _code_field(field.name, tts.features, vocoder.features) for field in dataclasses.fields(EncodecCodes)
        )
    else:
        reason = "EnCodec features and mels can't be converted to each other"
        source, target = _describe(tts.features), _describe(vocoder.features)
        fields = (FieldComparison(field="features", tts=source, vocoder=target, state="fatal", effect=reason),)
    kind: Literal["identity", "refused"] = "refused" if any(row.state == "fatal" for row in fields) else "identity"
    return Comparison(tts=tts, vocoder=vocoder, fields=fields, kind=kind)


def _code_field(name: str, source: EncodecCodes, target: EncodecCodes) -> FieldComparison:
    tts, vocoder = getattr(source, name), getattr(target, name)
    state: FieldState = (
        "equal" if tts == vocoder else "negligible" if name in ("bandwidths", "n_codebooks") else "fatal"
    )
    return FieldComparison(field=name, tts=tts, vocoder=vocoder, state=state, effect=CODE_EFFECTS[state])


def _describe(features: Features) -> str:
    return "EnCodec codes" if isinstance(features, EncodecCodes) else "a mel"
