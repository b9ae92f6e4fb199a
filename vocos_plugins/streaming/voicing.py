"""What a head makes of hidden states as they come, each frame once: also one that is a guess yet."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from ..config import ISTFT, Head
from ..heads import IMDCTHead, ISTFTHead, WaveNeXtHead
from ..spectral import istft_frames
from .refinement import Pass

AnyHead = ISTFTHead | IMDCTHead | WaveNeXtHead


class Voicing:
    """A head's `frames`.

    Attributes:
        look_ahead: frames by which those that it gives are behind hidden states.
    """

    look_ahead = 0

    def __init__(self, head: AnyHead) -> None:
        self.head = head
        self.n_real = self.n_given = 0

    def __call__(self, hidden: Tensor, features: Tensor, n_real: int, last: bool) -> Tensor | None:
        """Goes on with hidden states.

        Args:
            hidden: ``(B, n, dim)``; the first ``n_real`` of them are no guesses, and follow those of the last call.
            features: of the same frames, ``(B, C, n)``.
            n_real: see above.
            last: no more will come.

        Returns:
            The frames that were not given before, ``(B, length, n)``, or None.
        """
        skipped = self._skip(n_real, hidden.shape[1])
        if skipped >= hidden.shape[1]:
            return None
        return self.head.frames(hidden[:, skipped:], features[:, :, skipped:])

    def _skip(self, n_real: int, n: int) -> int:
        """How many of the next ``n`` frames were given before, as guesses; from now on, all of them were."""
        skipped = self.n_given - self.n_real
        self.n_given = max(self.n_given, self.n_real + n)
        self.n_real += n_real
        return skipped


class RefinedVoicing(Voicing):
    """The frames of an ISTFT head that refines its spectrum."""

    def __init__(self, head: ISTFTHead, batch: int) -> None:
        super().__init__(head)
        self.window, self.n_fft = head.istft.window, head.options.n_fft
        self.spectrum = head.spectrum
        self.passes = [Pass(head.options, self.window, batch) for _ in range(head.options.refinement_steps)]
        self.look_ahead = sum(each.reach for each in self.passes)

    def __call__(self, hidden: Tensor, features: Tensor, n_real: int, last: bool) -> Tensor | None:
        if hidden.shape[1] == 0:
            return None
        spectrum = self.spectrum(hidden, features)
        magnitude, before = spectrum.abs(), None
        for each in self.passes:
            spectrum, magnitude, before, n_real = each(spectrum, magnitude, before, n_real, last)
            if spectrum.shape[2] == 0:
                return None
        skipped = self._skip(n_real, spectrum.shape[2])
        if skipped >= spectrum.shape[2]:
            return None
        return istft_frames(spectrum[:, :, skipped:], self.window, self.n_fft)


def voice(head: AnyHead, options: Head, batch: int) -> Voicing:
    """What gives the frames of a head for ``batch`` rows, from the first one on."""
    if isinstance(options, ISTFT) and options.refinement_steps:
        return RefinedVoicing(cast(ISTFTHead, head), batch)
    return Voicing(head)
