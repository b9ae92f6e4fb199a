"""Reads weights from every kind of file that Coqui TTS loads or that its trainer writes."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
from torch import Tensor

from vocos_plugins.storage.safe_files import CheckpointError, read_pickle, read_weights
from vocos_plugins.storage.weights import check_tensors

# Names of parts in Coqui TTS's GANs (TTS/vocoder/models/gan.py), and of the average, which only Vocos has.
GENERATOR = "model_g."
AVERAGE = "model_average."
DISCRIMINATORS = "model_d."


def read_generator(address: str) -> dict[str, Tensor]:
    """Reads the generator's weights only; see `read_checkpoint`."""
    return read_checkpoint(address)[0]


def read_checkpoint(address: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Reads the generator's weights under the names of a Vocos checkpoint, and the discriminators', on the CPU.

    From a file of the trainer, the generator is the averaged one. No code in the file is run.

    Args:
        address: a path, or an address that fsspec knows, such as ``s3://``. The file is ``.safetensors``; or ``.pth``,
            with or without ``{"model": ...}`` around the weights, of a generator alone or of a whole GAN.

    Raises:
        CheckpointError: the file is missing, damaged, of another kind, or would run code.
    """
    if "://" in address:
        with _copy(address) as path:
            return _read(path)
    return _read(Path(address))


@contextlib.contextmanager
def _copy(address: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(urlsplit(address).path).name
        with fsspec.open(address, "rb") as remote:
            path.write_bytes(remote.read())
        yield path


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    content = read_weights(path) if path.suffix == ".safetensors" else read_pickle(path)
    # The trainer writes the weights next to its own state (trainer/io.py, coqui-tts-trainer 0.4).
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]
    if not (isinstance(content, Mapping) and content and all(isinstance(each, Tensor) for each in content.values())):
        raise CheckpointError(f"{path}: expected the weights of a generator or a GAN, under 'model' or bare")
    check_tensors(content, str(path))
    average, generator, discriminators = (
        {key.removeprefix(prefix): value for key, value in content.items() if key.startswith(prefix)}
        for prefix in (AVERAGE, GENERATOR, DISCRIMINATORS)
    )
    # Bare weights, without any prefix, are those of a generator.
    return average or generator or dict(content), discriminators
