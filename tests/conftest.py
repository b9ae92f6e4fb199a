"""Small models, signals and the reference package, for all tests.

Helpers are fixtures that return functions, since test modules can't import each other.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, IMDCTCos, IMDCTSymExp, ResNet, VocosConfig, WaveNeXt
from vocos_plugins.mel.speech import CLIP_FOLDER

# Tensors here are small: waiting for a second thread on a busy machine takes ten times as long as the work.
torch.set_num_threads(1)

# What is compared with an independent implementation is compared in float32, in this process and those that tests
# start; tests/inference is about the other precisions, and tests of adapters and commands that only listen don't mind.
os.environ["VOCOS_PLUGINS_PRECISION"] = "float32"
# numba's cache: of two processes that fill one at the same time with functions of two types, each can find the other's
# under the type of its own, and crashes, as does everyone after it. librosa is compiled by numba.
NUMBA_CACHE = tempfile.TemporaryDirectory(prefix="vocos-plugins-numba-")
os.environ["NUMBA_CACHE_DIR"] = NUMBA_CACHE.name

# What is remembered between processes stays out of the user's cache.
os.environ["VOCOS_PLUGINS_CACHE"] = str(Path(tempfile.gettempdir(), "vocos-plugins-tests"))

TACOTRON2 = """
model: !new:speechbrain.lobes.models.Tacotron2.Tacotron2
  symbols_embedding_dim: 16
  encoder_embedding_dim: 16
  attention_rnn_dim: 16
  decoder_rnn_dim: 16
  prenet_dim: 16
  postnet_embedding_dim: 16
  attention_dim: 16
  max_decoder_steps: 40
modules:
  model: !ref <model>
text_to_sequence: !name:speechbrain.utils.text_to_sequence.text_to_sequence
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    model: !ref <model>
"""
SAVE_TACOTRON2 = """
import sys
import torch
from speechbrain.lobes.models.Tacotron2 import Tacotron2

sizes = ("symbols_embedding_dim", "encoder_embedding_dim", "attention_rnn_dim", "decoder_rnn_dim", "prenet_dim")
torch.manual_seed(0)
model = Tacotron2(**dict.fromkeys((*sizes, "postnet_embedding_dim", "attention_dim"), 16))
torch.save(model.state_dict(), sys.argv[1])
"""


SLOW = frozenset(Path(__file__).with_name("slow.txt").read_text().splitlines())


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks the tests of slow.txt."""
    if not SLOW.isdisjoint((item.nodeid, item.nodeid.partition("[")[0])):
        item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuses to run if pytest-xdist lost its groups, as it does with pytest 9.2."""
    if not getattr(config.option, "loadgroup", False):  # set by pytest-xdist in its workers
        return
    lost = [item.nodeid for item in items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid]
    if lost:
        raise pytest.UsageError(f"{lost[0]} is not in its xdist group; install the pytest of constraints.txt")


HOP = 16
SIZES = {"dim": 16, "intermediate_dim": 32, "num_layers": 2}
BACKBONES = {
    "convnext": ConvNeXt(**SIZES),
    "adanorm": ConvNeXt(**SIZES, adanorm_num_embeddings=4),
    "resnet": ResNet(dim=16, num_blocks=2),
}
ENCODEC = EncodecCodes(
    sample_rate=16000, hop_length=HOP, bandwidths=(4, 8, 12, 16), n_codebooks=4, codebook_size=16, codebook_dim=12
)


@pytest.fixture(scope="session")
def make_config() -> Callable[..., VocosConfig]:
    """A configuration of a few thousand parameters from the names of its parts."""

    def make(
        features: str = "mel", backbone: str = "convnext", head: str = "istft", framing: str = "center"
    ) -> VocosConfig:
        mel = MelConvention(
            sample_rate=16000, n_fft=64, win_length=64, hop_length=HOP, n_mels=12, framing=framing, guard_value=1e-7
        )
        source = {"mel": mel, "encodec": ENCODEC, "encodec-24khz": EncodecCodes()}[features]
        hop = source.hop_length
        heads = {
            "istft": ISTFT(n_fft=4 * hop, hop_length=hop, framing=framing),
            "prior": ISTFT(n_fft=4 * hop, hop_length=hop, framing=framing, amplitude_prior=features == "mel"),
            "refined": ISTFT(n_fft=4 * hop, hop_length=hop, framing=framing, refinement_steps=2, contrast=1.1),
            "upsampled": ISTFT(
                n_fft=8 * hop,
                hop_length=2 * hop,
                framing=framing,
                amplitude_prior=features == "mel",
                refinement_steps=1,
                contrast=1.1,
                upsample=2,
            ),
            "imdct-symexp": IMDCTSymExp(frame_length=2 * hop, framing=framing),
            "imdct-cos": IMDCTCos(frame_length=2 * hop, framing=framing),
            "wavenext": WaveNeXt(n_fft=4 * hop, hop_length=hop),
        }
        return VocosConfig(features=source, backbone=BACKBONES[backbone], head=heads[head])

    return make


@pytest.fixture(scope="session")
def randomize() -> Callable[[nn.Module], nn.Module]:
    """Gives every parameter seeded random values, also gains and shifts: a fresh model's ones and zeros hide errors."""

    def fill(module: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                fan_in = parameter[0].numel() if parameter.dim() > 1 and "codebook" not in name else 1
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / max(fan_in, 1) ** 0.5)
        return module.eval()

    return fill


@pytest.fixture(scope="session")
def make_model(make_config, randomize) -> Callable[..., Vocos]:
    """A small model with random parameters, from the names of its parts."""
    return lambda *parts, seed=0: randomize(Vocos(make_config(*parts)), seed)


@pytest.fixture(scope="session")
def noise() -> Callable[..., Tensor]:
    """Seeded normal noise of a shape."""
    return lambda *shape, seed=1, dtype=torch.float32: torch.randn(
        shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).to(dtype)


@pytest.fixture(scope="session")
def chirp() -> Callable[..., Tensor]:
    """A sweep from 0 Hz to the Nyquist frequency, ``(1, N)``, with the given peak."""
    return lambda n_samples, peak=0.5: (
        peak * torch.sin(torch.pi / 2 * torch.arange(n_samples, dtype=torch.float64) ** 2 / n_samples)[None].float()
    )


@pytest.fixture(scope="session")
def make_signal() -> Callable[[str, int], NDArray[np.float64]]:
    """A shipped clip, clipped speech, silence or an impulse at a sample rate: two seconds at most, ``(N,)``."""

    @functools.cache
    def speech(clip: str, sample_rate: int) -> NDArray[np.float64]:
        samples, original_rate = soundfile.read(CLIP_FOLDER / f"{clip}.flac")
        return soxr.resample(samples, original_rate, sample_rate)[: 2 * sample_rate]

    def make(name: str, sample_rate: int) -> NDArray[np.float64]:
        if name == "silence":
            return np.zeros(sample_rate // 2)
        if name == "impulse":
            return np.eye(1, sample_rate // 2, sample_rate // 4)[0]
        if name == "clipped":
            return np.clip(10 * speech("arctic-1", sample_rate), -1, 1)
        return speech(name, sample_rate)

    return make


@pytest.fixture(scope="session")
def relative_error() -> Callable[[Tensor, Tensor], float]:
    """Largest difference over the largest value expected; infinite where shapes differ."""

    def measure(found: Tensor, expected: Tensor) -> float:
        if found.shape != expected.shape:
            return float("inf")
        return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-30)) if found.numel() else 0.0

    return measure


@pytest.fixture(scope="session")
def make_reference() -> Callable[[VocosConfig], nn.Module]:
    """The PyPI package ``vocos`` 0.1.0 built as one of our configurations says."""
    import encodec
    import scipy.signal
    import vocos
    from vocos.feature_extractors import EncodecFeatures, MelSpectrogramFeatures
    from vocos.heads import IMDCTCosHead, IMDCTSymExpHead, ISTFTHead
    from vocos.models import VocosBackbone, VocosResNetBackbone

    @functools.cache
    def encodec_features() -> nn.Module:
        build = encodec.EncodecModel.encodec_model_24khz
        with pytest.MonkeyPatch.context() as patch:
            # The constructor downloads pretrained weights; its codebooks get random numbers instead.
            patch.setattr(encodec.EncodecModel, "encodec_model_24khz", lambda **_: build(pretrained=False))
            return EncodecFeatures()

    def features(config: VocosConfig) -> nn.Module:
        mel = config.features
        if isinstance(mel, EncodecCodes):
            return encodec_features()
        return MelSpectrogramFeatures(mel.sample_rate, mel.n_fft, mel.hop_length, mel.n_mels, mel.framing)

    def backbone(config: VocosConfig) -> nn.Module:
        part = config.backbone
        if isinstance(part, ResNet):
            return VocosResNetBackbone(config.n_features, part.dim, part.num_blocks, part.layer_scale_init_value)
        return VocosBackbone(
            config.n_features,
            part.dim,
            part.intermediate_dim,
            part.num_layers,
            part.layer_scale_init_value,
            part.adanorm_num_embeddings,
        )

    def head(config: VocosConfig) -> nn.Module:
        part, dim = config.head, config.backbone.dim
        with pytest.MonkeyPatch.context() as patch:
            # scipy moved this window to scipy.signal.windows after the package was published.
            patch.setattr(scipy.signal, "cosine", scipy.signal.windows.cosine, raising=False)
            if isinstance(part, ISTFT):
                return ISTFTHead(dim, part.n_fft, part.hop_length, part.framing)
            if isinstance(part, IMDCTSymExp):
                return IMDCTSymExpHead(dim, part.frame_length, part.framing, part.sample_rate, part.clip_audio)
            return IMDCTCosHead(dim, part.frame_length, part.framing, part.clip_audio)

    return lambda config: vocos.Vocos(features(config), backbone(config), head(config)).eval()


@pytest.fixture(scope="session")
def espeak() -> None:
    """Needs espeak-ng. CI must have it; elsewhere these tests are skipped without it."""
    if shutil.which("espeak-ng") is None:
        reason = "needs espeak-ng (Debian: apt-get install espeak-ng)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def published_tacotron2(tmp_path_factory) -> Path:
    """The folder of a tiny one with random weights, as SpeechBrain publishes them."""
    folder = tmp_path_factory.mktemp("tacotron2")
    (folder / "hyperparams.yaml").write_text(TACOTRON2)
    # In another process: Hypothesis looks at all imported modules, and SpeechBrain's lazy ones raise errors then.
    subprocess.run([sys.executable, "-c", SAVE_TACOTRON2, str(folder / "model.ckpt")], check=True)
    return folder


@pytest.fixture(scope="session")
def markdown() -> ModuleType:
    """tests/docs/markdown.py, which runs the code in pages."""
    spec = importlib.util.spec_from_file_location("markdown_pages", Path(__file__).parent / "docs" / "markdown.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
