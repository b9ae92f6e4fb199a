"""Two mel conventions side by side: which fields differ, whether that can be undone, and what it sounds like if not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .convention import MelConvention

Severity = Literal["negligible", "convertible", "lossy"]

# Of every field that can differ: whether it can be undone, and what is heard where it is ignored.
EFFECTS: dict[str, tuple[Severity, str]] = {
    "sample_rate": ("lossy", "pitch and speed are wrong by the ratio"),
    "hop_length": ("lossy", "speech is too fast or too slow by the ratio"),
    "n_fft": ("lossy", "harmonics are blurred or too sharp, and the level is off"),
    "win_length": ("lossy", "harmonics are blurred or too sharp, and the level is off"),
    "n_mels": ("lossy", "the vocoder can't take the bands at all"),
    "f_min": ("lossy", "every band means another frequency: robotic, pitch unclear"),
    "f_max": ("lossy", "every band means another frequency: robotic, metallic, or dull"),
    "mel_scale": ("lossy", "every band means another frequency: robotic and very quiet"),
    "power": ("lossy", "levels are doubled or halved: loud parts crackle or vanish"),
    "window": ("lossy", "slightly rough"),
    "pre_emphasis": ("lossy", "thin and sharp, or dull"),
    "mel_norm": ("convertible", "very loud or very quiet, more so in the upper bands"),
    "log": ("convertible", "flat and robotic, or noise"),
    "log_gain": ("convertible", "noise"),
    "guard": ("convertible", "a faint hiss or gaps in quiet parts"),
    "guard_value": ("convertible", "a faint hiss or gaps in quiet parts"),
    "normalization": ("convertible", "very quiet, flat and robotic, or noise"),
    "framing": ("convertible", "half a hop late or early, and slightly rough"),
    "periodic": ("negligible", "nothing audible: log mels move by 0.001 on average"),
    "pad_mode": ("negligible", "nothing but the first and last frames"),
    "magnitude_eps": ("negligible", "nothing but the noise floor"),
    "pad_value": ("negligible", "nothing, where lengths are passed; else a click at the end of shorter items"),
}
GUARD_FIELDS = ("log_gain", "guard", "guard_value")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A field in which two conventions differ.

    Attributes:
        field: of `MelConvention`.
        source, target: its values.
        severity: ``negligible`` can't be undone and needn't be; ``convertible`` is undone exactly; ``lossy``
            approximately.
        effect: what is heard where a vocoder is fed without alignment.
    """

    field: str
    source: object
    target: object
    severity: Severity
    effect: str

    def __str__(self) -> str:
        return f"{self.field}: {self.source} against {self.target} ({self.effect})"


def differences(source: MelConvention, target: MelConvention) -> tuple[Difference, ...]:
    """The fields in which two conventions differ in meaning, the gravest first.

    ``f_max=None`` equals the Nyquist frequency, and what a linear mel says of its logarithm means nothing.
    """
    found = []
    for name, (severity, effect) in EFFECTS.items():
        mine, other = meaning(source, name), meaning(target, name)
        if mine != other:
            found.append(Difference(field=name, source=mine, target=other, severity=severity, effect=effect))
    return tuple(found)


def meaning(convention: MelConvention, field: str) -> object:
    """A field's value with what it stands for spelled out."""
    if field == "f_max":
        return top_frequency(convention)
    if field in GUARD_FIELDS and convention.log is None:
        return None
    return getattr(convention, field)


def top_frequency(convention: MelConvention) -> float:
    """Upper edge of the highest band in Hz."""
    return convention.sample_rate / 2 if convention.f_max is None else float(convention.f_max)
