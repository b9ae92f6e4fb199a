"""The known checkpoint that fits a mel best."""

from __future__ import annotations

from dataclasses import dataclass

from ...mel.alignment import Alignment
from ...mel.convention import MelConvention
from ...plugins import checkpoint_cards
from ...storage.checkpoint import read_config
from ...storage.find import BUNDLED, bundled_names
from ...storage.safe_files import CONFIG_FILE
from .comparison import try_align

EXACT = ("identity", "pointwise", "framing")  # in order of preference: the least conversion first
MARGIN = 0.9  # an error counts as smaller if it is below this fraction of the other; less of a difference is inaudible


@dataclass(frozen=True, kw_only=True)
class KnownCheckpoint:
    """A checkpoint whose mel is known, with the name that `Vocos.from_pretrained` takes."""

    name: str
    mel: MelConvention


def known_checkpoints() -> list[KnownCheckpoint]:
    """Returns the bundled checkpoints, then the published ones whose mel is known."""
    checkpoints = []
    for name in bundled_names():
        features = read_config(BUNDLED / name / CONFIG_FILE)[0].features
        if isinstance(features, MelConvention):
            checkpoints.append(KnownCheckpoint(name=name, mel=features))
    for card in checkpoint_cards().values():
        if card.mel is not None and card.refusal is None:
            checkpoints.append(KnownCheckpoint(name=card.name, mel=card.mel))
    return checkpoints


def best_checkpoint(source: MelConvention, than: Alignment | None = None) -> tuple[KnownCheckpoint, Alignment] | None:
    """Returns the known checkpoint that takes a mel with the least error, and the alignment to it.

    Args:
        source: the mel.
        than: an alignment that the checkpoint's must surpass, such as the one to the user's own vocoder.

    Returns:
        the checkpoint and its alignment; None if no checkpoint takes the mel, or none is better than `than`.
    """
    best = None
    for checkpoint in known_checkpoints():
        alignment = try_align(source, checkpoint.mel)
        # Of equally good ones the first is kept: a bundled one needs no download.
        if alignment is not None and (than is None or _beats(alignment, than)):
            best, than = (checkpoint, alignment), alignment
    return best


def _beats(alignment: Alignment, other: Alignment) -> bool:
    """Returns whether an alignment is better: exact, or with fewer unknown bands, or with a smaller mean error."""
    # Only lossy alignments have an error. An exact one beats them, and the one with less conversion beats another.
    if alignment.error is None or other.error is None:
        return _steps(alignment) < _steps(other)
    # A band that must be guessed costs more than any error in known ones, so the share of such bands decides first.
    unknown = len(alignment.error.unknown) / alignment.target.n_mels
    others = len(other.error.unknown) / other.target.n_mels
    return unknown < others or (unknown == others and alignment.error.mean < MARGIN * other.error.mean)


def _steps(alignment: Alignment) -> int:
    return EXACT.index(alignment.kind) if alignment.kind in EXACT else len(EXACT)
