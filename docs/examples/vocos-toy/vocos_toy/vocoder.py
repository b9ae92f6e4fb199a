"""The vocoder: the only module here that imports toytalk."""

import toytalk
from torch import Tensor

from vocos_plugins import MelConvention, Vocos, align

from .plugin import TOYTALK


class ToyVocoder(toytalk.Vocoder):
    """Vocos with toytalk's interface and mel."""

    def __init__(self, vocos: Vocos, source: MelConvention) -> None:
        self.vocos = vocos
        self.source = source

    def to_samples(self, frames: Tensor) -> Tensor:
        """Turns frames ``(T, 80)`` into samples ``(N,)``."""
        return self.vocos.decode(frames.T[None], source=self.source)[0]


def wrap(vocos: Vocos, *, source: MelConvention | None = None, strict: bool = False) -> ToyVocoder:
    """Returns a vocoder for toytalk; a model that doesn't fit is refused here, not at the first word."""
    align(source or TOYTALK, vocos.mel, strict=strict)
    return ToyVocoder(vocos, source or TOYTALK)
