"""Every published checkpoint loads by its name, from the stand-in hub: its architecture with random weights.

Since the weights are random, the real file's size and hash can't match: where a card has them, the client replaces them
by those of the random file, and one test keeps them to see that the mismatch is refused.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
from collections.abc import Callable

import pytest
import safetensors.torch
import torch
import yaml
from torch import nn

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, VocosConfig, WaveNeXt
from vocos_plugins.storage.cards import CARDS, LANGTECH_22KHZ, STABLE_TTS, VOCOS_24KHZ, CheckpointCard

LARGE = ConvNeXt(dim=512, intermediate_dim=1536, num_layers=8)
FORK = VocosConfig(features=LANGTECH_22KHZ, backbone=LARGE, head=ISTFT(n_fft=1024, hop_length=256, framing="same"))
UKRAINIAN = dataclasses.replace(
    LANGTECH_22KHZ, name="", sample_rate=44100, n_fft=2048, win_length=2048, hop_length=512, f_max=8000.0
)


def _htk(sample_rate: int, n_fft: int, hop_length: int, n_mels: int) -> MelConvention:
    """A mel as the package's own class computes it."""
    return dataclasses.replace(
        VOCOS_24KHZ,
        name="",
        sample_rate=sample_rate,
        n_fft=n_fft,
        win_length=n_fft,
        hop_length=hop_length,
        n_mels=n_mels,
    )


CONFIGS = {
    "charactr/vocos-mel-24khz": VocosConfig(
        features=VOCOS_24KHZ, backbone=LARGE, head=ISTFT(n_fft=1024, hop_length=256)
    ),
    "charactr/vocos-encodec-24khz": VocosConfig(
        features=EncodecCodes(),
        backbone=ConvNeXt(dim=384, intermediate_dim=1152, num_layers=8, adanorm_num_embeddings=4),
        head=ISTFT(n_fft=1280, hop_length=320, framing="same"),
    ),
    "BSC-LT/vocos-mel-22khz": FORK,
    "BSC-LT/vocos-mel-22khz-cat": FORK,
    "projecte-aina/alvocat-vocos-22khz": FORK,
    "patriotyk/vocos-mel-hifigan-compat-44100khz": VocosConfig(
        features=UKRAINIAN, backbone=LARGE, head=ISTFT(n_fft=2048, hop_length=512, framing="same")
    ),
    "BSC-LT/wavenext-mel": VocosConfig(
        features=LANGTECH_22KHZ, backbone=LARGE, head=WaveNeXt(n_fft=1024, hop_length=256)
    ),
    "BSC-LT/wavenext-encodec": VocosConfig(
        features=EncodecCodes(),
        backbone=ConvNeXt(dim=384, intermediate_dim=1152, num_layers=8, adanorm_num_embeddings=4),
        head=WaveNeXt(n_fft=1280, hop_length=320),
    ),
    "lucasnewman/vocos-mel-24khz": VocosConfig(
        features=VOCOS_24KHZ, backbone=LARGE, head=ISTFT(n_fft=1024, hop_length=256)
    ),
    "kittn/vocos-mel-48khz-alpha1": VocosConfig(
        features=_htk(48000, 2048, 256, 128),
        backbone=ConvNeXt(dim=1024, intermediate_dim=2048, num_layers=8),
        head=ISTFT(n_fft=2048, hop_length=256),
    ),
    "mesolitica/malaysian-vocos-mel-24khz": VocosConfig(
        features=_htk(24000, 1024, 256, 100),
        backbone=ConvNeXt(dim=768, intermediate_dim=2304, num_layers=12),
        head=ISTFT(n_fft=1024, hop_length=256),
    ),
    "ZhangRC/vocos-audioset-32khz": VocosConfig(
        features=_htk(32000, 2048, 1024, 128), backbone=LARGE, head=ISTFT(n_fft=2048, hop_length=1024)
    ),
    "KdaiP/StableTTS1.1": STABLE_TTS,
}
NAMES = [card.name for card in CARDS if card.refusal is None]
# The same float32 weights through the same layers.
TOLERANCE = 1e-5


@pytest.fixture(scope="session")
def build(make_reference, randomize) -> Callable[[VocosConfig], nn.Module]:
    """Builds the reference package's model, for a fork's configuration with the fork's mel."""

    @functools.lru_cache(maxsize=1)
    def make(config: VocosConfig) -> nn.Module:
        import torchaudio

        if isinstance(config.head, WaveNeXt):  # the reference package has no such head
            return randomize(Vocos(config))
        model = randomize(make_reference(config))
        mel = config.features
        if not isinstance(mel, EncodecCodes) and mel.mel_norm is not None:
            model.feature_extractor.mel_spec = torchaudio.transforms.MelSpectrogram(
                mel.sample_rate,
                mel.n_fft,
                hop_length=mel.hop_length,
                n_mels=mel.n_mels,
                f_min=mel.f_min,
                f_max=mel.f_max,
                norm=mel.mel_norm,
                mel_scale=mel.mel_scale,
                power=1,
            )
        return model

    return make


def revision_of(card: CheckpointCard) -> str:
    return card.revision or "main"


def patch_card(files: dict[str, bytes]) -> str:
    """Returns code that replaces each card's hash by that of this repository's random weights."""
    weights = next(content for name, content in files.items() if name != "config.yaml")
    digest = hashlib.sha256(weights).hexdigest()
    return f"""
import dataclasses
from vocos_plugins.storage import cards
cards.CARDS = tuple(
    dataclasses.replace(card, sha256={digest!r}, size_bytes={len(weights)}) if card.sha256 else card
    for card in cards.CARDS
)
"""


def as_published(name: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """Returns files in the layout of a repository: most have the package's own."""
    weights = torch.load(io.BytesIO(files["pytorch_model.bin"]), weights_only=True)
    if name.startswith("lucasnewman/"):
        return {"config.yaml": files["config.yaml"], "model.safetensors": safetensors.torch.save(weights)}
    if name == "BSC-LT/wavenext-encodec":
        training = {"seed_everything": 1, "model": {"init_args": yaml.safe_load(files["config.yaml"])}}
        return {**files, "config.yaml": yaml.safe_dump(training).encode()}
    if name == "KdaiP/StableTTS1.1":
        own = {key: value for key, value in weights.items() if key.startswith(("backbone.", "head."))}
        buffer = io.BytesIO()
        torch.save(own, buffer)
        return {"vocoders/vocos.pt": buffer.getvalue()}
    return files


def test_every_name_is_covered() -> None:
    """A new card needs its architecture above."""
    assert set(CONFIGS) == set(NAMES)


@pytest.mark.parametrize("card", [card for card in CARDS if card.refusal is None], ids=lambda card: card.name)
def test_loads_by_its_name(card, hub, client, build, package, noise, relative_error, tmp_path) -> None:
    """The name alone loads the right revision and mel, and returns the reference's audio."""
    config = CONFIGS[card.name]
    reference = build(config)
    files = as_published(card.name, package(reference, config))
    hub.add(card.name, files, revision_of(card))
    features = noise(1, config.n_features, 7)
    torch.save(features, tmp_path / "features.pt")
    answer = client(
        patch_card(files)
        + f"""
import os
model = Vocos.from_pretrained({card.name!r})
features = torch.load(os.environ["OUT"] + "/features.pt")
audio = model.decode(features, bandwidth_id=2 if model.config.n_bandwidths else None)
torch.save(audio, os.environ["OUT"] + "/audio.pt")
result = [model.config.to_dict(), model.provenance]
"""
    )
    assert VocosConfig.from_dict(answer[0]) == config
    known = {"origin": card.name, "revision": card.revision, "licence": card.licence}
    assert answer[1] == {key: value for key, value in known.items() if value is not None}
    bandwidth_id = torch.tensor([2]) if config.n_bandwidths else None
    expected = reference.decode(features, bandwidth_id=bandwidth_id)
    assert relative_error(torch.load(tmp_path / "audio.pt"), expected) < TOLERANCE


def test_a_file_that_is_not_the_card_s_is_refused(hub, client, make_config, make_reference, package) -> None:
    """Other content at the pinned commit is refused by size and by hash; another revision is not compared."""
    name = "charactr/vocos-mel-24khz"
    card = next(card for card in CARDS if card.name == name)
    config = CONFIGS[name]
    small = dataclasses.replace(config, backbone=ConvNeXt(dim=8, intermediate_dim=8, num_layers=1))
    files = package(make_reference(small), small)
    hub.add(name, files, revision_of(card))
    hub.add(name, files, "main")
    by_size, by_hash, own = client(
        f"""
        import dataclasses
        from vocos_plugins.storage import cards
        by_size = attempt({name!r})
        cards.CARDS = tuple(dataclasses.replace(card, size_bytes=None) for card in cards.CARDS)
        result = [by_size, attempt({name!r}), attempt({name!r}, revision="main")]
        """
    )
    assert f"has {len(files['pytorch_model.bin'])} bytes, expected 54365991" in by_size
    assert hashlib.sha256(files["pytorch_model.bin"]).hexdigest() in by_hash
    assert str(card.sha256) in by_hash
    assert own == {"origin": name, "revision": "main", "licence": "MIT"}


def test_a_card_s_mel_guards_against_other_weights(hub, client, build, package) -> None:
    """Weights of another mel under a card's name are refused: their filterbank contradicts the card."""
    name = "BSC-LT/vocos-mel-22khz"
    small = dataclasses.replace(FORK, backbone=ConvNeXt(dim=8, intermediate_dim=8, num_layers=1))
    other = dataclasses.replace(small, features=dataclasses.replace(LANGTECH_22KHZ, f_max=11025.0))
    hub.add(name, package(build(other), other))
    assert "stored filterbank does not match the configuration" in client(f"result = attempt({name!r})")
