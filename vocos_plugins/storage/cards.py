"""Facts about published checkpoints that their own files do not state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..config import ISTFT, ConvNeXt, VocosConfig
from ..mel.convention import MelConvention
from ..mel.known import LANGTECH_22KHZ, VOCOS_24KHZ


@dataclass(frozen=True, kw_only=True)
class CheckpointCard:
    """Facts about a published checkpoint; None where one is not known.

    Attributes:
        name: repository on the Hugging Face hub.
        revision: the commit that the other facts describe; loaded unless the user asks for another.
        file: the weights file at that commit.
        size_bytes, sha256: size and hash of that file, checked when that commit is loaded.
        mel: overrides the repository's configuration, which can leave parts of the convention to its own code.
        config: the architecture, for a repository without ``config.yaml``; `file` is then its weights.
        licence: SPDX identifier.
        origin: who trained it.
        notes: what a user should know.
        refusal: why it can't be loaded, and what to load instead.
    """

    name: str
    revision: str | None = None
    file: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    mel: MelConvention | None = None
    config: VocosConfig | None = None
    licence: str | None = None
    origin: str = ""
    notes: str = ""
    refusal: str | None = None


# KdaiP/StableTTS, vocoders/vocos/config.py and utils/audio.py.
STABLE_TTS = VocosConfig(
    features=MelConvention(
        name="stabletts-44khz",
        sample_rate=44100,
        n_fft=2048,
        win_length=2048,
        hop_length=512,
        n_mels=128,
        mel_scale="slaney",
        mel_norm="slaney",
        magnitude_eps=1e-6,
        guard_value=1e-5,
        framing="same",
    ),
    backbone=ConvNeXt(dim=768, intermediate_dim=2048, num_layers=12),
    head=ISTFT(n_fft=2048, hop_length=512, framing="same"),
)

# Of codecs that have a Vocos inside.
_OWN_CODES = "it decodes codes of its own by layers that Vocos has not: use its own package"
_LANGTECH_NOTES = "Written for the fork langtech-bsc/vocos, whose log mel is clipped at 1e-5 in its code."

CARDS = (
    CheckpointCard(
        name="charactr/vocos-mel-24khz",
        revision="0feb3fdd929bcd6649e0e7c5a688cf7dd012ef21",
        file="pytorch_model.bin",
        size_bytes=54_365_991,
        sha256="97ec976ad1fd67a33ab2682d29c0ac7df85234fae875aefcc5fb215681a91b2a",
        mel=VOCOS_24KHZ,
        licence="MIT",
        origin="the authors of the paper",
        notes="The paper's mel model. Its mel is the paper's own, not that of the HiFi-GAN family.",
    ),
    CheckpointCard(
        name="charactr/vocos-encodec-24khz",
        licence="MIT",
        origin="the authors of the paper",
        notes="Decodes EnCodec 24 kHz codes at 1.5, 3, 6 or 12 kb/s; the codebooks are inside.",
    ),
    CheckpointCard(
        name="BSC-LT/vocos-mel-22khz",
        mel=LANGTECH_22KHZ,
        licence="Apache-2.0",
        origin="Barcelona Supercomputing Center, language technologies",
        notes=_LANGTECH_NOTES,
    ),
    CheckpointCard(
        name="BSC-LT/vocos-mel-22khz-cat",
        mel=LANGTECH_22KHZ,
        licence="Apache-2.0",
        origin="Barcelona Supercomputing Center, language technologies",
        notes=_LANGTECH_NOTES,
    ),
    CheckpointCard(
        name="projecte-aina/alvocat-vocos-22khz",
        origin="Projecte AINA",
        notes="Related to BSC-LT/vocos-mel-22khz. Nothing else has been verified: its own configuration decides. It "
        "was once under CC BY-NC; a later copy names Apache-2.0.",
    ),
    CheckpointCard(
        name="patriotyk/vocos-mel-hifigan-compat-44100khz",
        licence="MIT",
        origin="patriotyk",
        notes=f"44.1 kHz speech in Ukrainian. {_LANGTECH_NOTES} Its own configuration sets the bands, which end at 8 "
        "kHz.",
    ),
    CheckpointCard(
        name="BSC-LT/wavenext-mel",
        mel=LANGTECH_22KHZ,
        licence="Apache-2.0",
        origin="Barcelona Supercomputing Center, language technologies",
        notes="WaveNeXt: two linear layers in place of the inverse FFT.",
    ),
    CheckpointCard(
        name="BSC-LT/wavenext-encodec",
        licence="Apache-2.0",
        origin="Barcelona Supercomputing Center, language technologies",
        notes="WaveNeXt on EnCodec codes. Its configuration is that of a training.",
    ),
    CheckpointCard(
        name="lucasnewman/vocos-mel-24khz",
        mel=VOCOS_24KHZ,
        licence="MIT",
        origin="the authors of the paper, copied by lucasnewman",
        notes="charactr/vocos-mel-24khz as safetensors.",
    ),
    CheckpointCard(
        name="kittn/vocos-mel-48khz-alpha1",
        licence="MIT",
        origin="kittn",
        notes="48 kHz, 128 bands.",
    ),
    CheckpointCard(
        name="mesolitica/malaysian-vocos-mel-24khz",
        origin="Mesolitica",
        notes="Speech in Malay. Two revisions differ in size; each has its own configuration.",
    ),
    CheckpointCard(
        name="ZhangRC/vocos-audioset-32khz",
        origin="ZhangRC",
        notes="32 kHz, 128 bands, trained on AudioSet: sounds of all kinds.",
    ),
    CheckpointCard(
        name="KdaiP/StableTTS1.1",
        file="vocoders/vocos.pt",
        config=STABLE_TTS,
        licence="MIT",
        origin="KdaiP",
        notes="The vocoder of StableTTS, 44.1 kHz, 128 bands. The repository has no configuration: it is that of its "
        "code, whose licence is named here.",
    ),
    CheckpointCard(
        name="warisqr007/StreamingVocos",
        origin="warisqr007",
        refusal="its convolutions are causal, and ours look ahead: use its own code, or `vocos.streaming()` of another "
        "model",
    ),
    *(
        CheckpointCard(name=name, origin=name.split("/")[0], refusal=_OWN_CODES)
        for name in ("novateur/WavTokenizer", "neuphonic/neucodec", "HKUSTAudio/xcodec2", "m-a-p/xcodec_mini_infer")
    ),
    CheckpointCard(
        name="wetdog/vocos-mel-24khz-onnx",
        origin="wetdog",
        refusal="it is an ONNX graph that ends before the inverse STFT; load 'charactr/vocos-mel-24khz' instead",
    ),
)


def pick_card(name: str, cards: Mapping[str, CheckpointCard]) -> CheckpointCard | None:
    """Returns the card of a repository, None if there is none. The hub ignores case, and so does this."""
    return next((card for card in cards.values() if card.name.lower() == name.lower()), None)
