"""Comparison of two mel conventions: which fields differ, whether that can be undone, and how it sounds if it isn't."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .convention import MelConvention

Severity = Literal["negligible", "convertible", "lossy"]

# For each field: whether a difference can be undone, and the audible effect of ignoring it. Differences are reported
# in this order, so the severest come first.
EFFECTS: dict[str, tuple[Severity, str]] = {
    "sample_rate": ("lossy", "pitch and speed are wrong by the ratio of the rates"),
    "hop_length": ("lossy", "speech is too fast or too slow by the ratio of the hops"),
    "n_fft": ("lossy", "harmonics are blurred or too sharp, and the level is off"),
    "win_length": ("lossy", "harmonics are blurred or too sharp, and the level is off"),
    "n_mels": ("lossy", "the vocoder cannot take the bands at all"),
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
    "periodic": ("negligible", "nothing audible: log mels change by 0.001 on average"),
    "pad_mode": ("negligible", "only the first and last frames change"),
    "magnitude_eps": ("negligible", "only the noise floor changes"),
    "pad_value": ("negligible", "nothing if lengths are passed; otherwise a click at the end of shorter items"),
}
GUARD_FIELDS = ("log_gain", "guard", "guard_value")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A field in which two conventions differ.

    Attributes:
        field: name of the field in `MelConvention`.
        source, target: its values.
        severity: ``negligible`` differences stay, as they don't matter; ``convertible`` ones are undone exactly;
            ``lossy`` ones approximately.
        effect: the audible effect of decoding the mel without alignment.
    """

    field: str
    source: object
    target: object
    severity: Severity
    effect: str

    def __str__(self) -> str:
        return f"{self.field}: {self.source} against {self.target} ({self.effect})"


def differences(source: MelConvention, target: MelConvention) -> tuple[Difference, ...]:
    """Returns the fields in which two conventions differ in meaning, the most severe first.

    ``f_max=None`` equals the Nyquist frequency, and a linear mel's guard and log gain are ignored.
    """
    differing = []
    for name, (severity, effect) in EFFECTS.items():
        at_source, at_target = meaning(source, name), meaning(target, name)
        if at_source != at_target:
            differing.append(
                Difference(field=name, source=at_source, target=at_target, severity=severity, effect=effect)
            )
    return tuple(differing)


def meaning(convention: MelConvention, field: str) -> object:
    """Returns a field's value with defaults resolved, so that values of equal meaning compare equal."""
    if field == "f_max":
        return top_frequency(convention)
    if field in GUARD_FIELDS and convention.log is None:
        return None
    return getattr(convention, field)


def top_frequency(convention: MelConvention) -> float:
    """Returns the upper edge of the highest band in Hz."""
    return convention.sample_rate / 2 if convention.f_max is None else float(convention.f_max)
