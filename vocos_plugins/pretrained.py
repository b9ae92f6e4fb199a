"""Loads and saves models: directories, bundled checkpoints and repositories of the Hugging Face hub."""

from __future__ import annotations

import difflib
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml

from .cards import CheckpointCard, find_card
from .checkpoint_directory import build, load_directory, read_config, save_pretrained
from .checkpoint_files import CONFIG_FILE, WEIGHTS_FILE, CheckpointError, read_weights
from .convert import convert_checkpoint
from .hub import HubOptions, download, is_repo_id, upload
from .model import Vocos

__all__ = [
    "CheckpointError",
    "bundled_names",
    "convert_checkpoint",
    "load_pretrained",
    "local_directory",
    "push_to_hub",
    "save_pretrained",
]

BUNDLED = Path(__file__).parent / "checkpoints"
LICENCE_ID = re.compile(r"[a-z0-9][a-z0-9.+-]*")


def bundled_names() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(path.parent.name for path in BUNDLED.glob(f"*/{CONFIG_FILE}"))


def local_directory(name_or_path: str | Path) -> Path:
    """Where a checkpoint lies: an existing directory, else a bundled name's; of a repository, nowhere."""
    path = Path(name_or_path).expanduser()
    return BUNDLED / path if not path.is_dir() and str(name_or_path) in bundled_names() else path


def load_pretrained(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Vocos:
    """What `Vocos.from_pretrained` documents: an existing directory, else a bundled name, else a repository.

    Raises:
        CheckpointError: nothing there by that name, or a file that is damaged, unsafe or doesn't fit.
    """
    name = str(name_or_path)
    path = local_directory(name_or_path)
    if path.is_dir():
        return load_directory(path)
    if path.exists():
        raise CheckpointError(
            f"{name} is a file; pass the directory that holds {CONFIG_FILE} and {WEIGHTS_FILE}. "
            "A training checkpoint becomes such a directory with convert_checkpoint"
        )
    if not is_repo_id(name):
        raise CheckpointError(_unknown(name))
    return _load_from_hub(name, HubOptions(revision, cache_dir, local_files_only, token))


def push_to_hub(model: Vocos, repo_id: str, *, private: bool = False, token: str | bool | None = None) -> str:
    """Saves to a repository of the hub with a short model card; gives the commit's address.

    Raises:
        CheckpointError: the name has not the form ``organisation/name``, or the hub refused.
    """
    if not is_repo_id(repo_id):
        raise CheckpointError(f"{repo_id!r} is no repository name: expected 'organisation/name'")
    with tempfile.TemporaryDirectory() as directory:
        save_pretrained(model, directory)
        (Path(directory) / "README.md").write_text(_model_card(model, repo_id), encoding="utf-8")
        return upload(repo_id, Path(directory), private=private, token=token)


def _load_from_hub(repo_id: str, options: HubOptions) -> Vocos:
    card = find_card(repo_id)
    if card is not None and card.refusal is not None:
        raise CheckpointError(f"{repo_id} can't be loaded: {card.refusal}")
    config_path, weights_path = download(repo_id, options, card)
    config, provenance = read_config(config_path, None if card is None else card.mel)
    provenance = provenance or _provenance(repo_id, options, card)
    return build(config, read_weights(weights_path), provenance, f"{repo_id}/{weights_path.name}")


def _provenance(repo_id: str, options: HubOptions, card: CheckpointCard | None) -> dict[str, Any]:
    revision = options.revision or (card.revision if card else None)
    known = {"origin": repo_id, "revision": revision, "licence": card.licence if card else None}
    return {key: value for key, value in known.items() if value is not None}


def _unknown(name: str) -> str:
    from .plugins import checkpoint_cards

    bundled = bundled_names()
    known = [*bundled, *(card.name for card in checkpoint_cards().values() if card.refusal is None)]
    by_last_part = {other.rsplit("/", 1)[-1].lower(): other for other in known}
    close = difflib.get_close_matches(name.rsplit("/", 1)[-1].lower(), by_last_part, n=4, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(by_last_part[match]) for match in close)}?" if close else ""
    return (
        f"{name!r} is no checkpoint.{hint} Accepted are a directory that holds {CONFIG_FILE} and {WEIGHTS_FILE}, "
        f"a bundled name ({', '.join(bundled) or 'none in this installation'}), "
        "or 'organisation/name' on the Hugging Face hub"
    )


def _model_card(model: Vocos, repo_id: str) -> str:
    licence = str(model.provenance.get("licence") or model.provenance.get("license") or "").lower()
    front_matter: dict[str, Any] = {"library_name": "vocos-plugins", "tags": ["vocos", "vocoder", "text-to-speech"]}
    if licence:
        front_matter["license"] = licence if LICENCE_ID.fullmatch(licence) else "other"
    return (
        f"---\n{yaml.safe_dump(front_matter)}---\n\n# {repo_id.rsplit('/', 1)[-1]}\n\n"
        f"A Vocos vocoder at {model.sample_rate} Hz.\n\n"
        "```python\nfrom vocos_plugins import Vocos\n\n"
        f'vocos = Vocos.from_pretrained("{repo_id}")\n```\n'
    )
