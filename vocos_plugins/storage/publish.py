"""Publishes a checkpoint as a repository on the Hugging Face hub, with a short model card."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import yaml

from .checkpoint import Checkpoint, write_checkpoint
from .hub import is_repo_id, upload
from .safe_files import CheckpointError

LICENCE_ID = re.compile(r"[a-z0-9][a-z0-9.+-]*")


def push_checkpoint(
    checkpoint: Checkpoint, repo_id: str, *, private: bool = False, token: str | bool | None = None
) -> str:
    """Uploads a checkpoint to a repository, which is made if it does not exist, and returns the commit's URL.

    Raises:
        CheckpointError: the name is not of the form ``organisation/name``, or the hub refused.
    """
    if not is_repo_id(repo_id):
        raise CheckpointError(f"{repo_id!r} is not a repository name: expected 'organisation/name'")
    with tempfile.TemporaryDirectory() as directory:
        write_checkpoint(checkpoint, directory)
        (Path(directory) / "README.md").write_text(_model_card(checkpoint, repo_id), encoding="utf-8")
        return upload(repo_id, Path(directory), private=private, token=token)


def _model_card(checkpoint: Checkpoint, repo_id: str) -> str:
    provenance = checkpoint.provenance
    licence = str(provenance.get("licence") or provenance.get("license") or "").lower()
    front_matter: dict[str, Any] = {"library_name": "vocos-plugins", "tags": ["vocos", "vocoder", "text-to-speech"]}
    if licence:
        # The Hugging Face hub knows licences by lower-case identifiers; it calls all others `other`.
        front_matter["license"] = licence if LICENCE_ID.fullmatch(licence) else "other"
    return (
        f"---\n{yaml.safe_dump(front_matter)}---\n\n# {repo_id.rsplit('/', 1)[-1]}\n\n"
        f"A Vocos vocoder at {checkpoint.config.sample_rate} Hz.\n\n"
        "```python\nfrom vocos_plugins import Vocos\n\n"
        f'vocos = Vocos.from_pretrained("{repo_id}")\n```\n'
    )
