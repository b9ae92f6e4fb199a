"""Downloads from and uploads to the Hugging Face hub; `huggingface_hub` is imported only here, when needed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple, NoReturn

from .cards import CheckpointCard
from .safe_files import CONFIG_FILE, LEGACY_WEIGHTS_FILE, WEIGHTS_FILE, CheckpointError

REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
CHUNK_BYTES = 1 << 20


class HubOptions(NamedTuple):
    """Download options, as in ``huggingface_hub.hf_hub_download``."""

    revision: str | None = None
    cache_dir: str | Path | None = None
    local_files_only: bool = False
    token: str | bool | None = None


def is_repo_id(name: str) -> bool:
    """Whether a name has the form ``organisation/name``."""
    return REPO_ID.fullmatch(name) is not None


def download(repo_id: str, options: HubOptions, card: CheckpointCard | None) -> tuple[Path | None, Path]:
    """Fetches a repository's configuration and weights, or finds them in the cache.

    Args:
        repo_id: ``organisation/name``.
        options: the user's options; without a revision, the card's is used.
        card: known facts about the repository; size and hash are checked at the card's revision.

    Returns:
        the paths of ``config.yaml``, None for a repository that has none, and of the weights.

    Raises:
        CheckpointError: a file can't be downloaded, or is not the one that the card describes.
    """
    # A revision that the user chooses is not the one whose size and hash the card has.
    pinned = card is not None and card.revision is not None and options.revision in (None, card.revision)
    if card is not None and pinned:
        options = options._replace(revision=card.revision)
    has_config = card is None or card.config is None
    config = _fetch(repo_id, CONFIG_FILE, options) if has_config else None
    if card is not None and card.file is not None and (pinned or not has_config):
        weights = _fetch(repo_id, card.file, options)
        if pinned:
            _check_identity(weights, card)
        return config, weights
    return config, _fetch_weights(repo_id, options)


def upload(repo_id: str, directory: Path, *, private: bool, token: str | bool | None) -> str:
    """Uploads a directory as one commit and returns its URL. The repository is created if it does not exist.

    Raises:
        CheckpointError: the hub refused the upload or can't be reached.
    """
    # Slow to import, and local checkpoints need none of it.
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=repo_id, folder_path=directory, commit_message="Upload a Vocos model")
    except Exception as error:  # as in _fetch
        raise CheckpointError(
            f"{repo_id} could not be pushed: {type(error).__name__}: {error}. Pushing needs a connection and a token "
            "with write access: pass it, or run `hf auth login`"
        ) from error
    return str(commit.commit_url)


def _fetch_weights(repo_id: str, options: HubOptions) -> Path:
    from huggingface_hub.errors import EntryNotFoundError

    # safetensors first: if a repository has both, the pickle is not even requested.
    for name in (WEIGHTS_FILE, LEGACY_WEIGHTS_FILE):
        try:
            return _fetch(repo_id, name, options)
        except CheckpointError as error:
            # "Not in this repository" and, without a connection, "not in the cache".
            if not isinstance(error.__cause__, EntryNotFoundError):
                raise
            last = error
    raise CheckpointError(f"{repo_id}: found neither {WEIGHTS_FILE} nor {LEGACY_WEIGHTS_FILE}; {last}") from last


def _fetch(repo_id: str, filename: str, options: HubOptions) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(
            hf_hub_download(
                repo_id,
                filename,
                revision=options.revision,
                cache_dir=options.cache_dir,
                local_files_only=options.local_files_only,
                token=options.token,
            )
        )
    except Exception as error:  # the HTTP library below, and so its errors, differ between versions
        _explain(f"{repo_id}/{filename}", options.revision, error)


def _explain(what: str, revision: str | None, error: Exception) -> NoReturn:
    from huggingface_hub import errors

    at = f" at revision {revision!r}" if revision else ""
    # Subclasses first: a gated repository is a RepositoryNotFoundError too, and a missing cache entry an
    # EntryNotFoundError.
    match error:
        case errors.GatedRepoError():
            reason = "the repository is gated: accept its terms on its page, then pass a token or run `hf auth login`"
        case errors.RepositoryNotFoundError():
            reason = (
                "there is no such directory here and no such repository on the Hugging Face hub; check the spelling, "
                "and pass a token if it is private"
            )
        case errors.RevisionNotFoundError():
            reason = "the repository has no such branch, tag or commit"
        case errors.LocalEntryNotFoundError():
            reason = (
                "it is not in the local cache, and the hub can't be reached (no connection, HF_HUB_OFFLINE or "
                "local_files_only); download it once with a connection, or pass a directory that holds it"
            )
        case errors.EntryNotFoundError():
            reason = "the repository has no such file"
        case _:
            reason = f"{type(error).__name__}: {error}"
    raise CheckpointError(f"{what}{at}: {reason}") from error


def _check_identity(path: Path, card: CheckpointCard) -> None:
    where = f"{card.name}/{card.file} at revision {card.revision}"
    advice = f"delete {path} and download it again; if the error remains, the file is not the one that was published"
    size = path.stat().st_size
    if card.size_bytes is not None and size != card.size_bytes:
        raise CheckpointError(f"{where} has {size} bytes, expected {card.size_bytes}; {advice}")
    if card.sha256 is not None and (digest := _sha256(path)) != card.sha256:
        raise CheckpointError(f"{where} has SHA-256 {digest}, expected {card.sha256}; {advice}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
