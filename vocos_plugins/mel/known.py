"""Mel conventions of projects without an adapter here, each with the file that defines it.

Toolkits with an adapter (SpeechBrain, NeMo, Coqui TTS) keep theirs in ``vocos_<toolkit>/mel.py``.
`vocos_plugins.plugins.mel_conventions` collects both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .convention import MeanStdNormalization, MelConvention


@dataclass(frozen=True, kw_only=True)
class KnownConvention:
    """A convention and its source.

    Attributes:
        mel: the convention.
        source: repository and file that define it.
        notes: what to know before using it.
    """

    mel: MelConvention
    source: str
    notes: str = ""


VOCOS_24KHZ = MelConvention(
    name="vocos-24khz",
    sample_rate=24000,
    n_fft=1024,
    win_length=1024,
    hop_length=256,
    n_mels=100,
    guard_value=1e-7,
)
HIFIGAN_22KHZ = MelConvention(
    name="hifigan-22khz",
    sample_rate=22050,
    n_fft=1024,
    win_length=1024,
    hop_length=256,
    n_mels=80,
    f_max=8000.0,
    mel_scale="slaney",
    mel_norm="slaney",
    framing="same",
    magnitude_eps=1e-9,
    guard_value=1e-5,
)
LANGTECH_22KHZ = replace(HIFIGAN_22KHZ, name="langtech-22khz", magnitude_eps=0.0)
VOCOS_22KHZ = replace(LANGTECH_22KHZ, name="vocos-22khz", framing="center")

_BIGVGAN_24KHZ = replace(HIFIGAN_22KHZ, name="bigvgan-24khz-100band", sample_rate=24000, n_mels=100, f_max=None)
_COSYVOICE_2 = replace(
    HIFIGAN_22KHZ, name="cosyvoice-2", sample_rate=24000, n_fft=1920, win_length=1920, hop_length=480
)
_PARALLEL_WAVEGAN_LJSPEECH = replace(
    HIFIGAN_22KHZ,
    name="parallel-wavegan-ljspeech",
    f_min=80.0,
    f_max=7600.0,
    framing="center",
    magnitude_eps=0.0,
    log="log10",
    guard_value=1e-10,
)
_PARALLEL_WAVEGAN_LIBRITTS = replace(
    _PARALLEL_WAVEGAN_LJSPEECH,
    name="parallel-wavegan-libritts",
    sample_rate=24000,
    n_fft=2048,
    win_length=1200,
    hop_length=300,
)
# ESPnet computes sqrt(max(re^2 + im^2, 1e-10)). Adding under the root instead differs only near an amplitude of 1e-5.
_ESPNET_LJSPEECH = replace(_PARALLEL_WAVEGAN_LJSPEECH, name="espnet-ljspeech", magnitude_eps=1e-10, pad_value=0.0)
_ESPNET_LIBRITTS = replace(_PARALLEL_WAVEGAN_LIBRITTS, name="espnet-libritts", magnitude_eps=1e-10, pad_value=0.0)


def _matcha(name: str, mean: float, std: float) -> MelConvention:
    return replace(HIFIGAN_22KHZ, name=name, normalization=MeanStdNormalization(mean=mean, std=std))


_PARALLEL_WAVEGAN = "kan-bayashi/ParallelWaveGAN: parallel_wavegan/bin/preprocess.py"
_COSYVOICE = "FunAudioLLM/CosyVoice: third_party/Matcha-TTS/matcha/utils/audio.py"
_MATCHA_NOTES = "The normalized mel of its data sets. Matcha undoes this before its vocoder: hifigan-22khz."
_RAW_NOTES = "Before mean-variance normalization; for stored mels, add the recipe's own statistics as normalization."
_ESPNET_NOTES = (
    f"{_RAW_NOTES} Near an amplitude of 1e-5 the floor is accurate to a factor of sqrt(2). transformers' "
    "FastSpeech2Conformer was converted without these statistics and returns normalized features."
)

KNOWN = (
    KnownConvention(
        mel=VOCOS_24KHZ,
        source="gemelo-ai/vocos: vocos/feature_extractors.py, vocos/modules.py (safe_log)",
        notes="The Vocos paper's mel. The filterbank is torchaudio's default: HTK scale, triangles of unit height.",
    ),
    KnownConvention(
        mel=VOCOS_22KHZ,
        source="vocos-plugins: vocos_plugins/storage/checkpoints/vocos-mel-22khz-small/config.yaml",
        notes="The mel of the bundled checkpoint vocos-mel-22khz-small.",
    ),
    KnownConvention(
        mel=LANGTECH_22KHZ,
        source="langtech-bsc/vocos, branch matcha: vocos/feature_extractors.py",
        notes="hifigan-22khz without the 1e-9 under the root.",
    ),
    KnownConvention(mel=HIFIGAN_22KHZ, source="jik876/hifi-gan: meldataset.py (mel_spectrogram), config_v1.json"),
    KnownConvention(
        mel=replace(HIFIGAN_22KHZ, name="bigvgan-22khz-80band"),
        source="NVIDIA/BigVGAN: meldataset.py, configs/bigvgan_22khz_80band.json",
        notes="Equal to hifigan-22khz. bigvgan_v2_22khz_80band_256x differs: its bands go up to 11025 Hz.",
    ),
    KnownConvention(
        mel=_BIGVGAN_24KHZ,
        source="NVIDIA/BigVGAN: meldataset.py, configs/bigvgan_v2_24khz_100band_256x.json",
        notes="Also F5-TTS with mel_spec_type bigvgan.",
    ),
    KnownConvention(
        mel=_matcha("matcha-tts-ljspeech", -5.536622, 2.116101),
        source="shivammehta25/Matcha-TTS: matcha/utils/audio.py, configs/data/ljspeech.yaml",
        notes=_MATCHA_NOTES,
    ),
    KnownConvention(
        mel=_matcha("matcha-tts-vctk", -6.630575, 2.482914),
        source="shivammehta25/Matcha-TTS: matcha/utils/audio.py, configs/data/vctk.yaml",
        notes=_MATCHA_NOTES,
    ),
    KnownConvention(
        mel=_matcha("matcha-tts-hifi-en", -6.38385, 2.541796),
        source="shivammehta25/Matcha-TTS: matcha/utils/audio.py, configs/data/hi-fi_en-US_female.yaml",
        notes=_MATCHA_NOTES,
    ),
    KnownConvention(
        mel=replace(VOCOS_24KHZ, name="f5-tts-vocos", guard_value=1e-5),
        source="SWivid/F5-TTS: src/f5_tts/model/modules.py (get_vocos_mel_spectrogram)",
        notes="vocos-24khz with a higher floor.",
    ),
    KnownConvention(
        mel=replace(VOCOS_24KHZ, name="chattts"),
        source="2noise/ChatTTS: ChatTTS/config/config.py (FeatureExtractorInitArgs)",
        notes="Equal to vocos-24khz: it uses that class.",
    ),
    KnownConvention(
        mel=_PARALLEL_WAVEGAN_LJSPEECH,
        source=f"{_PARALLEL_WAVEGAN}, egs/ljspeech/voc1/conf/hifigan.v1.yaml",
        notes=_RAW_NOTES,
    ),
    KnownConvention(
        mel=_PARALLEL_WAVEGAN_LIBRITTS,
        source=f"{_PARALLEL_WAVEGAN}, egs/libritts/voc1/conf/hifigan.v1.yaml",
        notes=_RAW_NOTES,
    ),
    KnownConvention(
        mel=_ESPNET_LJSPEECH,
        source="espnet/espnet: espnet2/tts/feats_extract/log_mel_fbank.py, egs2/ljspeech/tts1/run.sh",
        notes=_ESPNET_NOTES,
    ),
    KnownConvention(
        mel=_ESPNET_LIBRITTS,
        source="espnet/espnet: espnet2/tts/feats_extract/log_mel_fbank.py, egs2/libritts/tts1/run.sh",
        notes=_ESPNET_NOTES,
    ),
    KnownConvention(
        mel=replace(_BIGVGAN_24KHZ, name="tortoise-univnet", f_max=12000.0, framing="center", magnitude_eps=0.0),
        source="neonbjb/tortoise-tts: tortoise/utils/audio.py (wav_to_univnet_mel), tortoise/utils/stft.py",
        notes="The output of its diffusion model after denormalize_tacotron_mel has undone the map to [-1, 1].",
    ),
    KnownConvention(
        mel=replace(HIFIGAN_22KHZ, name="cosyvoice-1"),
        source=f"{_COSYVOICE}, examples/libritts/cosyvoice/conf/cosyvoice.yaml",
        notes="Equal to hifigan-22khz.",
    ),
    KnownConvention(
        mel=_COSYVOICE_2,
        source=f"{_COSYVOICE}, examples/libritts/cosyvoice2/conf/cosyvoice2.yaml",
    ),
    KnownConvention(
        mel=replace(_COSYVOICE_2, name="cosyvoice-3", f_max=None),
        source=f"{_COSYVOICE}, examples/libritts/cosyvoice3/conf/cosyvoice3.yaml",
    ),
    KnownConvention(
        mel=replace(_PARALLEL_WAVEGAN_LJSPEECH, name="speecht5", sample_rate=16000, pad_value=0.0),
        source="huggingface/transformers: models/speecht5/feature_extraction_speecht5.py",
        notes="SpeechT5HifiGan normalizes it with its own mean and scale.",
    ),
    KnownConvention(
        mel=replace(_BIGVGAN_24KHZ, name="univnet"),
        source="huggingface/transformers: models/univnet/feature_extraction_univnet.py",
        notes="With do_normalize off, as by default. Equal to bigvgan-24khz-100band.",
    ),
)

CONVENTIONS = tuple(known.mel for known in KNOWN)
