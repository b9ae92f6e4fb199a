"""Small vocoders of SpeechBrain's mel, directories that hold them, mels, and fresh processes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from vocos_speechbrain.export import export
from vocos_speechbrain.mel import DEFAULT

from vocos_plugins import MelConvention, Vocos, align
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig
from vocos_plugins.mel import MelMismatchWarning

PHONEMES = ["M", "EH1", "R", "IY0", "HH", "AE1", "D", "AH0", "L", "spn", "-", " ", "."]
TACOTRON2 = {
    **dict.fromkeys(("symbols_embedding_dim", "encoder_embedding_dim", "attention_rnn_dim", "decoder_rnn_dim"), 16),
    **dict.fromkeys(("prenet_dim", "postnet_embedding_dim", "attention_dim"), 16),
    "max_decoder_steps": 40,
}
TRANSFORMER = {"num_layers": 1, "num_head": 2, "d_model": 16, "ffn_dim": 16, "k_dim": 16, "v_dim": 16, "dropout": 0.1}
ENCODER = {
    **{f"enc_{name}": value for name, value in TRANSFORMER.items()},
    "normalize_before": False,
    "ffn_type": "1dcnn",
    "ffn_cnn_kernel_size_list": [3, 1],
    "n_char": len(PHONEMES) + 3,
    "padding_idx": 0,
}
FASTSPEECH2 = {
    **ENCODER,
    **{f"dec_{name}": value for name, value in TRANSFORMER.items()},
    **dict.fromkeys(("dur_pred_kernel_size", "pitch_pred_kernel_size", "energy_pred_kernel_size"), 3),
    "variance_predictor_dropout": 0.1,
    "n_mels": 80,
    "postnet_embedding_dim": 16,
    "postnet_kernel_size": 5,
    "postnet_n_convolutions": 2,
    "postnet_dropout": 0.1,
}
ALIGNER = {"in_query_channels": 80, "in_key_channels": 16, "attn_channels": 8, "temperature": 0.0005}
LOG_FRAMES = 1.5  # log(frames + 1) of a phoneme, about, in a model with random weights: 3 frames

# Nothing may use a network: the variables stop the Hugging Face hub's client, the function everything else.
OFFLINE = """
import socket
def refuse(*args):
    raise OSError("a connection was asked for")
socket.socket.connect = socket.create_connection = refuse
"""


@pytest.fixture(scope="session")
def make_tiny(randomize) -> Callable[..., Vocos]:
    """Returns a vocoder of a few thousand random parameters, for SpeechBrain's mel with changed fields."""

    def make(seed: int = 0, *, prior: bool = False, **changes: object) -> Vocos:
        mel = dataclasses.replace(DEFAULT, name="tiny", **changes)
        config = VocosConfig(
            features=mel,
            backbone=ConvNeXt(dim=16, intermediate_dim=32, num_layers=2),
            head=ISTFT(n_fft=1024, hop_length=mel.hop_length, framing=mel.framing, amplitude_prior=prior),
        )
        return randomize(Vocos(config, {"licence": "MIT", "data": [{"source": "none: random weights"}]}), seed)

    return make


@pytest.fixture(scope="session")
def tiny(make_tiny) -> Vocos:
    """Returns the vocoder that most tests use."""
    return make_tiny()


@pytest.fixture(scope="session")
def exported(tiny, tmp_path_factory) -> Path:
    """Returns the small vocoder's exported directory, which tests must not write to."""
    directory = tmp_path_factory.mktemp("exported") / "vocos"
    export(tiny, directory)
    return directory


@pytest.fixture(scope="session")
def mel(noise) -> Tensor:
    """Returns mels at the levels of speech, ``(2, 80, 40)``."""
    return 2 * noise(2, 80, 40) - 5


@pytest.fixture(scope="session")
def held_decode() -> Callable[[Vocos, Tensor], Tensor]:
    """Decodes a centred mel with its last frame held, by the core: ``(B, T * hop_length)``."""
    return lambda vocos, mel: vocos.decode(torch.cat([mel, mel[..., -1:]], dim=-1))


@pytest.fixture(scope="session")
def at_16khz() -> MelConvention:
    """Returns the mel convention of SpeechBrain's LibriTTS recipes."""
    return dataclasses.replace(DEFAULT, name="16khz", sample_rate=16000)


@pytest.fixture(scope="session")
def accept_loss() -> Callable[[MelConvention, Vocos], None]:
    """Triggers the warning of a lossy mel conversion beforehand: a process warns of each pair once."""

    def accept(source: MelConvention, vocos: Vocos) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MelMismatchWarning)
            align(source, vocos.mel)

    return accept


@pytest.fixture(scope="session")
def lag() -> Callable[[Tensor, Tensor], int]:
    """Returns by how many samples audio ``(N,)`` is late: the shift at which the loudness correlates most."""

    def loudness(audio: Tensor) -> Tensor:
        smooth = F.conv1d(audio.square()[None], torch.hann_window(65)[None, None], padding=32)[0].sqrt()
        return smooth - smooth.mean()

    def measure(found: Tensor, expected: Tensor, reach: int = 2000) -> int:
        size = 1 << (len(expected) + reach).bit_length()
        spectra = torch.fft.rfft(loudness(found), size) * torch.fft.rfft(loudness(expected), size).conj()
        correlation = torch.fft.irfft(spectra, size)
        return int(torch.cat([correlation[-reach:], correlation[:reach]]).argmax()) - reach

    return measure


@pytest.fixture
def in_fresh_process(tmp_path) -> Callable[[str], str]:
    """Runs code as a user would, in a new process and an empty folder, offline; returns what it prints."""

    def run(code: str) -> str:
        folder = tmp_path / "elsewhere"
        folder.mkdir(exist_ok=True)
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", OFFLINE + code],
            cwd=folder,
            env={**os.environ, **offline},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


@pytest.fixture
def g2p(monkeypatch) -> None:
    """Stands in for the model that FastSpeech2 and MSTacotron2 download to turn words into phonemes: it spells."""
    from speechbrain.inference import TTS

    def spell(texts: str | list[str]) -> list[str] | list[list[str]]:
        if isinstance(texts, str):
            return [PHONEMES[ord(letter) % 9] if letter.isalpha() else " " for letter in texts if letter not in ".,"]
        return [[PHONEMES[ord(letter) % 9] for letter in text if letter.isalpha()] for text in texts]

    monkeypatch.setattr(TTS.GraphemeToPhoneme, "from_hparams", lambda *_, **__: spell)


class StopInTurn(nn.Module):
    """Stands in for a Tacotron2's random gate, which stops at random: stops one row after another, 9 frames apart."""

    step = 0

    def forward(self, hidden: Tensor) -> Tensor:
        self.step += 1
        stops = self.step >= 12 + 9 * torch.arange(len(hidden))
        self.step *= not stops.all()
        return torch.where(stops, 1.0, -1.0)[:, None]


@pytest.fixture
def tacotron2() -> nn.Module:
    """Returns SpeechBrain's inference object around a Tacotron2 with random weights."""
    from speechbrain.inference.TTS import Tacotron2
    from speechbrain.lobes.models.Tacotron2 import Tacotron2 as Model
    from speechbrain.utils.text_to_sequence import text_to_sequence

    torch.manual_seed(0)
    model = Model(**TACOTRON2)
    model.decoder.gate_layer = StopInTurn()
    return Tacotron2({"model": model}, {"model": model, "text_to_sequence": text_to_sequence}, {"device": "cpu"})


@pytest.fixture
def mstacotron2(g2p, monkeypatch, tmp_path) -> nn.Module:
    """Returns an MSTacotron2 whose speakers come from a table of one, or from a network with a constant output."""
    from speechbrain.inference import TTS
    from speechbrain.lobes.models.MSTacotron2 import Tacotron2 as Model
    from speechbrain.utils.parameter_transfer import Pretrainer

    class Encoder:
        def encode_batch(self, audio: Tensor) -> Tensor:
            return audio.new_ones(1, len(audio), 4)

    monkeypatch.setattr(TTS.EncoderClassifier, "from_hparams", lambda *_, **__: Encoder())
    speakers = {"gmm_n_components": 1, "gmm_means": torch.zeros(1, 4), "gmm_covariances": torch.eye(4)[None]}
    torch.save(speakers, tmp_path / "speakers.ckpt")
    torch.manual_seed(0)
    model = Model(spk_emb_size=4, **TACOTRON2)
    model.decoder.gate_layer = StopInTurn()
    hparams = {
        "model": model,
        "custom_mel_spec_encoder": False,
        "g2p": "",
        "spk_emb_encoder": "",
        "spk_emb_sample_rate": 16000,
        "random_speaker_sampler": "speakers.ckpt",
        "random_speaker_sampler_source": str(tmp_path),
        "pretrainer": Pretrainer(),
    }
    return TTS.MSTacotron2({"model": model}, hparams, {"device": "cpu"})


@pytest.fixture
def make_fastspeech2(g2p) -> Callable[[str], nn.Module]:
    """Returns ``FastSpeech2`` or ``FastSpeech2InternalAlignment`` with random weights and durations that aren't 0."""
    from speechbrain.dataio.encoder import TextEncoder
    from speechbrain.inference import TTS
    from speechbrain.lobes.models.FastSpeech2 import FastSpeech2, FastSpeech2WithAlignment, SPNPredictor

    def make(name: str = "FastSpeech2") -> nn.Module:
        torch.manual_seed(0)
        model = (
            FastSpeech2(**FASTSPEECH2) if name == "FastSpeech2" else FastSpeech2WithAlignment(**FASTSPEECH2, **ALIGNER)
        )
        nn.init.constant_(model.durPred.linear.w.bias, LOG_FRAMES)
        modules = {"model": model, "spn_predictor": SPNPredictor(**ENCODER)}
        hparams = {**modules, "modules": modules, "lexicon": PHONEMES, "input_encoder": TextEncoder()}
        return getattr(TTS, name)(modules, hparams, {"device": "cpu"})

    return make
