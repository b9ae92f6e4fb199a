"""The examples in the README of the package ``vocos`` 0.1.0, run with this package.

Only the import is changed: ``from vocos import Vocos`` becomes ``from vocos_plugins import Vocos``. The hub is the
stand-in, with random weights, also for EnCodec. The results are compared with those of the package itself.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import re
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
import soxr
import torch
from torch import Tensor, nn

from vocos_plugins.config import VocosConfig
from vocos_plugins.mel.known import VOCOS_24KHZ
from vocos_plugins.network.encodec_loading import HUB_NAME, rename_weights
from vocos_plugins.plugins.catalogue import find_card

README = importlib.metadata.metadata("vocos").get_payload()
DECODE_MEL, RESYNTHESIZE_MEL, DECODE_CODES, RESYNTHESIZE_CODES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
MEL, ENCODEC = "charactr/vocos-mel-24khz", "charactr/vocos-encodec-24khz"
SAME_WEIGHTS = 1e-5  # relative; float32 sums in another order
# The client has no torchaudio. This stand-in reads and resamples as the examples need.
TORCHAUDIO = """
import importlib.machinery, os, types, numpy, soundfile, soxr
def load(path):
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(audio.T.copy()), rate
def resample(audio, orig_freq, new_freq):
    return torch.from_numpy(numpy.ascontiguousarray(soxr.resample(audio.T.numpy(), orig_freq, new_freq).T))
sys.modules["torchaudio"] = types.ModuleType("torchaudio")
sys.modules["torchaudio"].__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)  # transformers looks for it
sys.modules["torchaudio"].load = load
sys.modules["torchaudio"].functional = types.SimpleNamespace(resample=resample)
YOUR_AUDIO_FILE = os.environ["OUT"] + "/recording.wav"
torch.manual_seed(0)
"""
# The random weights don't have the size and hash of the published ones.
UNPINNED = """
import dataclasses
from vocos_plugins.storage import cards
cards.CARDS = tuple(dataclasses.replace(card, sha256=None, size_bytes=None) for card in cards.CARDS)
"""
# Imports that the examples take over from those before them.
IMPORTS = "import torch, torchaudio\nfrom vocos import Vocos\n"


@pytest.fixture(scope="module")
def references(make_config, make_reference, randomize) -> dict[str, tuple[nn.Module, VocosConfig]]:
    """Small models of the reference package; the EnCodec inside has codebooks, which the model shares."""
    encodec_config = make_config("encodec-24khz", "adanorm", "istft", "same")
    encodec = randomize(make_reference(encodec_config))
    generator = torch.Generator().manual_seed(0)
    layers = encodec.feature_extractor.encodec.quantizer.vq.layers
    for layer in layers:
        layer._codebook.embed.copy_(torch.randn(layer._codebook.embed.shape, generator=generator))
    encodec.feature_extractor.codebook_weights.data.copy_(torch.cat([layer.codebook for layer in layers[:16]]))
    small = make_config()
    head = dataclasses.replace(small.head, n_fft=1024, hop_length=256)
    mel_config = VocosConfig(features=VOCOS_24KHZ, backbone=small.backbone, head=head)
    return {MEL: (randomize(make_reference(mel_config)), mel_config), ENCODEC: (encodec, encodec_config)}


@pytest.fixture
def follow(hub, client, package, references, tmp_path) -> Callable[..., Tensor]:
    """Runs examples one after the other; returns the value of ``name`` after the last one."""
    from transformers import EncodecConfig, EncodecModel

    for repository, (model, config) in references.items():
        card = find_card(repository)
        hub.add(repository, package(model, config), card.revision or "main")
    codec = EncodecModel(EncodecConfig())
    codec.load_state_dict(rename_weights(references[ENCODEC][0].feature_extractor.encodec.state_dict()))
    codec.save_pretrained(tmp_path / "encodec")
    files = {path.name: path.read_bytes() for path in (tmp_path / "encodec").iterdir()}
    for revision in ("main", "c" * 40):  # transformers asks which commit main is, and the stand-in says this one
        hub.add(HUB_NAME, files, revision)
    stereo = 0.3 * np.sin(np.arange(44100)[:, None] ** 1.4 / np.array([30, 50]))
    soundfile.write(tmp_path / "recording.wav", stereo, 44100)

    def run(*examples: str, name: str) -> Tensor:
        code = "".join(examples).replace("from vocos import", "from vocos_plugins import")
        save = f"torch.save({name}, os.environ['OUT'] + '/output.pt')\nresult = 0"
        client(f"{UNPINNED}{TORCHAUDIO}{code}\n{save}")
        return torch.load(tmp_path / "output.pt")

    return run


@pytest.fixture
def recording(tmp_path, follow) -> Tensor:
    """The recording as the examples pass it to the model: mono at 24 kHz."""
    audio, rate = soundfile.read(tmp_path / "recording.wav", dtype="float32")
    return torch.from_numpy(soxr.resample(audio.mean(axis=1), rate, 24000))[None]


def test_there_are_four() -> None:
    """The pattern above finds all four; the last one uses what the third defines."""
    assert "codes_to_features" in DECODE_CODES
    assert "bandwidth_id=bandwidth_id" in RESYNTHESIZE_CODES


def test_reconstruct_audio_from_a_mel(follow, references, relative_error) -> None:
    """The same audio for noise in place of a mel."""
    output = follow(DECODE_MEL, name="[mel, audio]")
    assert relative_error(output[1], references[MEL][0].decode(output[0])) < SAME_WEIGHTS


def test_copy_synthesis_of_a_mel(follow, recording, references, relative_error) -> None:
    """The same audio for a stereo file at another rate."""
    output = follow(DECODE_MEL, RESYNTHESIZE_MEL, name="y_hat")
    assert relative_error(output, references[MEL][0](recording)) < SAME_WEIGHTS


def test_reconstruct_audio_from_encodec_tokens(follow, references, relative_error, hub) -> None:
    """The same audio for random tokens at 6 kb/s; EnCodec itself isn't fetched."""
    output = follow(IMPORTS, DECODE_CODES, name="[audio_tokens, audio]")
    assert not any(HUB_NAME in path for _, path, _ in hub.requests)
    reference = references[ENCODEC][0]
    features = reference.codes_to_features(output[0])
    assert relative_error(output[1], reference.decode(features, bandwidth_id=torch.tensor([2]))) < SAME_WEIGHTS


def test_copy_synthesis_of_encodec_tokens(follow, recording, references, relative_error, hub) -> None:
    """The same audio with EnCodec, which is fetched from the hub in transformers' form."""
    output = follow(IMPORTS, DECODE_CODES, RESYNTHESIZE_CODES, name="y_hat")
    expected = references[ENCODEC][0](recording, bandwidth_id=torch.tensor([2]))
    assert relative_error(output, expected) < SAME_WEIGHTS
    assert any(HUB_NAME in path for _, path, _ in hub.requests)
