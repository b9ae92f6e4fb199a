"""Finds a checkpoint by name: a directory, one that ships with the package, or a repository on the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..config.suggestions import suggestion
from .cards import CheckpointCard, pick_card
from .checkpoint import Checkpoint, read_config, read_directory
from .hub import HubOptions, download, is_repo_id
from .safe_files import CONFIG_FILE, WEIGHTS_FILE, CheckpointError, read_weights

BUNDLED = Path(__file__).parent / "checkpoints"

# Returns None for a path that holds no exported vocoder.
ExportReader = Callable[[Path], Checkpoint | None]
# The published checkpoints that are known, by name. A function: finding plugins takes time, and only the hub needs it.
Cards = Callable[[], Mapping[str, CheckpointCard]]


def bundled_names() -> list[str]:
    """Returns the names of the checkpoints that ship with the package."""
    return sorted(path.parent.name for path in BUNDLED.glob(f"*/{CONFIG_FILE}"))


def local_directory(name_or_path: str | Path) -> Path:
    """Returns the directory of a local checkpoint: an existing directory first, then a bundled name."""
    path = Path(os.path.expanduser(name_or_path))
    # A folder in the working directory is what the user sees, so it takes precedence over a bundled name.
    return BUNDLED / path if not path.is_dir() and str(name_or_path) in bundled_names() else path


def load_checkpoint(
    name_or_path: str | Path, options: HubOptions, cards: Cards, read_export: ExportReader
) -> Checkpoint:
    """Loads the checkpoint of a name: an existing directory, else a bundled name, else a repository.

    Args:
        name_or_path: see above.
        options: for the hub.
        cards: returns the published checkpoints that are known.
        read_export: reads the model from a path to which a toolkit's vocoder was exported.

    Raises:
        CheckpointError: nothing is there by that name, or a file is damaged or unsafe.
    """
    name, path = str(name_or_path), local_directory(name_or_path)
    if path.exists() and not (path / CONFIG_FILE).is_file() and (exported := read_export(path)) is not None:
        return exported
    if path.is_dir():
        return read_directory(path)
    if path.exists():
        raise CheckpointError(
            f"{name} is a file; pass the directory that holds {CONFIG_FILE} and {WEIGHTS_FILE}. "
            "`vocos convert` turns a training checkpoint into such a directory"
        )
    # A mistyped path must not become a request to a server: only `organisation/name` is looked up there.
    if not is_repo_id(name):
        raise CheckpointError(_unknown(name, cards()))
    return _load_from_hub(name, options, pick_card(name, cards()))


def _load_from_hub(repo_id: str, options: HubOptions, card: CheckpointCard | None) -> Checkpoint:
    if card is not None and card.refusal is not None:
        raise CheckpointError(f"{repo_id} can't be loaded: {card.refusal}")
    config_path, weights_path = download(repo_id, options, card)
    provenance: dict[str, Any] = {}
    if config_path is None:
        assert card is not None and card.config is not None  # noqa: S101, PT018
        config = card.config
    else:
        config, provenance = read_config(config_path, None if card is None else card.mel)
    # The reference's configurations hold no provenance.
    provenance = provenance or _provenance(repo_id, options, card)
    return Checkpoint(config, read_weights(weights_path), provenance, f"{repo_id}/{weights_path.name}")


def _provenance(repo_id: str, options: HubOptions, card: CheckpointCard | None) -> dict[str, Any]:
    revision = options.revision or (card.revision if card else None)
    known = {"origin": repo_id, "revision": revision, "licence": card.licence if card else None}
    return {key: value for key, value in known.items() if value is not None}


def _unknown(name: str, cards: Mapping[str, CheckpointCard]) -> str:
    bundled = bundled_names()
    known = [*bundled, *(card.name for card in cards.values() if card.refusal is None)]
    hint = suggestion(name, known, limit=4)
    problem = f"{name!r} is not a checkpoint" + (f"; {hint}" if hint else ".")
    return (
        f"{problem} Expected a directory that holds {CONFIG_FILE} and {WEIGHTS_FILE}, "
        f"a bundled name ({', '.join(bundled) or 'none in this installation'}), "
        "or 'organisation/name' on the Hugging Face hub"
    )
