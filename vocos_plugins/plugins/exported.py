"""Vocoders that `vocos export` wrote for a toolkit, as they are found on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ..config import VocosConfig
from ..mel.convention import MelConvention
from ..storage.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class ExportedVocoder:
    """A Vocos in a toolkit's own kind of checkpoint. It converts the mels that it takes to the model's.

    Attributes:
        source: the mel that it was exported for.
        config: the model inside; its features are the mel that `source` is converted to.
        load_weights: reads the model's weights; raises `CheckpointError`.
        provenance: origin of the weights.
        undoes_normalization: the toolkit undoes a text-to-speech model's normalization before it calls the vocoder, so
            that `source` has none.
    """

    source: MelConvention
    config: VocosConfig
    load_weights: Callable[[], Mapping[str, Tensor]]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    undoes_normalization: bool = False

    def load(self, name: str) -> Checkpoint:
        """Returns the model inside, under this name in messages.

        Raises:
            CheckpointError: the weights are missing, damaged or unsafe.
        """
        return Checkpoint(self.config, self.load_weights(), self.provenance, name)


ExportReader = Callable[[Path], ExportedVocoder | None]


def read_export(adapter: object, path: Path) -> ExportedVocoder | None:
    """Returns the vocoder that a toolkit adapter's `export` wrote to a path; None if there is none.

    The method is optional: an adapter without it has no exports that differ from the toolkit's other files.
    """
    reader: ExportReader | None = getattr(adapter, "read_export", None)
    return None if reader is None else reader(path)
