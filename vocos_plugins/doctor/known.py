"""Which of the checkpoints that are known here fits a mel best."""

from __future__ import annotations

from dataclasses import dataclass

from ..mel.alignment import Alignment
from ..mel.convention import MelConvention
from ..plugins import checkpoint_cards
from ..storage.checkpoint import read_config
from ..storage.find import BUNDLED, bundled_names
from ..storage.safe_files import CONFIG_FILE
from .comparison import try_align

EXACT = ("identity", "pointwise", "framing")  # the less to do, the better
MARGIN = 0.9  # a mean error less than this part of another is better; nobody hears a smaller difference


@dataclass(frozen=True, kw_only=True)
class KnownCheckpoint:
    """A checkpoint of a known mel, by the name that `Vocos.from_pretrained` takes."""

    name: str
    mel: MelConvention


def known_checkpoints() -> list[KnownCheckpoint]:
    """Those that come with the package, then the published ones of which the mel is known."""
    found = []
    for name in bundled_names():
        features = read_config(BUNDLED / name / CONFIG_FILE)[0].features
        if isinstance(features, MelConvention):
            found.append(KnownCheckpoint(name=name, mel=features))
    for card in checkpoint_cards().values():
        if card.mel is not None and card.refusal is None:
            found.append(KnownCheckpoint(name=card.name, mel=card.mel))
    return found


def best_checkpoint(source: MelConvention, than: Alignment | None = None) -> tuple[KnownCheckpoint, Alignment] | None:
    """The known checkpoint that takes a mel with the least loss, and how; None if none fits better.

    Args:
        source: the mel.
        than: what there is already, and has to be surpassed.
    """
    best = None
    for checkpoint in known_checkpoints():
        alignment = try_align(source, checkpoint.mel)
        if alignment is not None and (than is None or _beats(alignment, than)):
            best, than = (checkpoint, alignment), alignment
    return best


def _beats(alignment: Alignment, other: Alignment) -> bool:
    """Whether less is lost: nothing at all, or fewer bands of which nothing is known, or a smaller mean error."""
    if alignment.error is None or other.error is None:
        return _steps(alignment) < _steps(other)
    unknown = len(alignment.error.unknown) / alignment.target.n_mels
    others = len(other.error.unknown) / other.target.n_mels
    return unknown < others or (unknown == others and alignment.error.mean < MARGIN * other.error.mean)


def _steps(alignment: Alignment) -> int:
    return EXACT.index(alignment.kind) if alignment.kind in EXACT else len(EXACT)
