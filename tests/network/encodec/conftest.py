"""EnCodecs of the published sizes with random weights: the published weights can't be downloaded in tests."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vocos_plugins import Vocos
from vocos_plugins.network.encodec_encoder import read_codebooks
from vocos_plugins.network.encodec_loading import rename_weights


@pytest.fixture(scope="session")
def fill_codebooks() -> Callable[[nn.Module], nn.Module]:
    """Fills the codebooks of an EnCodec built from a configuration: they are zeros, and all codes would be 0."""

    def fill(codec: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            noise = torch.randn(1, 1, 96000, generator=generator) * torch.linspace(0, 9, 96000).sin()
            left = codec.encoder(noise)[0].T
            for key, book in codec.named_buffers():
                if key.endswith("embed"):
                    # Entries near what is left to quantize, so that many are in use.
                    which = torch.randint(len(left), (len(book),), generator=generator)
                    book.copy_(left[which] * torch.rand(len(book), 1, generator=generator))
                    left = left - book[torch.cdist(left, book).argmin(dim=1)]
        return codec.eval()

    return fill


@pytest.fixture(scope="session")
def package_codec(fill_codebooks) -> Any:
    """The 24 kHz model of the package ``encodec``."""
    from encodec import EncodecModel

    torch.manual_seed(0)
    return fill_codebooks(EncodecModel.encodec_model_24khz(pretrained=False))


@pytest.fixture(scope="session")
def transformers_codec(package_codec) -> Any:
    """Transformers' model with the same weights."""
    from transformers import EncodecConfig, EncodecModel

    codec = EncodecModel(EncodecConfig())
    codec.load_state_dict(rename_weights(package_codec.state_dict()), strict=True)
    return codec.eval()


@pytest.fixture(scope="session")
def directory(transformers_codec, tmp_path_factory) -> Path:
    """The directory to which transformers saves that model."""
    path = tmp_path_factory.mktemp("encodec")
    transformers_codec.save_pretrained(path)
    return path


@pytest.fixture
def checkpoint(package_codec, tmp_path, monkeypatch) -> Path:
    """The weights in a file like that of the package ``encodec``, its name ending with the start of its hash."""
    torch.save(package_codec.state_dict(), tmp_path / "weights")
    digest = hashlib.sha256((tmp_path / "weights").read_bytes()).hexdigest()
    path = (tmp_path / "weights").rename(tmp_path / f"encodec_24khz-{digest[:8]}.th")
    monkeypatch.setattr("vocos_plugins.network.encodec_loading.CHECKPOINT", path.name)
    monkeypatch.setattr("vocos_plugins.network.encodec_loading.CHECKPOINT_URL", path.as_uri())
    return path


@pytest.fixture
def uninstall(monkeypatch, tmp_path) -> Callable[..., None]:
    """Makes packages look as if they weren't installed, and torch's cache empty."""

    def hide(*names: str) -> None:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)

    return hide


@pytest.fixture
def model(make_model, package_codec) -> Vocos:
    """A small Vocos for the published EnCodec's codes, with this one's codebooks."""
    vocos = make_model("encodec-24khz", "adanorm", "istft", "same")
    with torch.no_grad():
        vocos.feature_extractor.codebook_weights.copy_(read_codebooks(package_codec)[:16].flatten(0, 1))
    return vocos


@pytest.fixture
def speech(noise) -> Tensor:
    """Half a second of noise with a rise and fall, ``(2, 12000)``."""
    return 0.3 * noise(2, 12000) * torch.linspace(0, 3, 12000).sin()
