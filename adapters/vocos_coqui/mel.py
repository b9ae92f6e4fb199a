"""Mel conventions of Coqui TTS (0.28), and how to read them from its configurations.

All but VITS's are computed by ``TTS/utils/audio/processor.py`` from an ``audio`` block (``BaseAudioConfig``): a
centred STFT, magnitudes, Slaney's filterbank and ``spec_gain * log(max(1e-8, mel))``, then normalized.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from vocos_plugins.mel import ConventionError, LevelNormalization, MeanStdNormalization, MelConvention
from vocos_plugins.mel.shown import shown

from .audio_fields import DEFAULTS, IN_MILLISECONDS, OLD_FFT, flag, frame, number, read_fields, whole
from .config_files import find_config, parse_config
from .outputs import check_has_mel, has_no_mel
from .statistics import load_statistics

LOGS = {"np.log": "natural", "np.log10": "log10"}
# TTS/utils/audio/numpy_transforms.py, amp_to_db.
GUARD = 1e-8

# BaseAudioConfig() unchanged; the recipes glow_tts, univnet, multiband_melgan, wavegrad and hifigan.
COQUI_DEFAULT = MelConvention(
    name="coqui-default",
    sample_rate=22050,
    n_fft=1024,
    win_length=1024,
    hop_length=256,
    n_mels=80,
    mel_scale="slaney",
    mel_norm="slaney",
    log="log10",
    log_gain=20.0,
    guard_value=GUARD,
    normalization=LevelNormalization(ref_level=20.0, min_level=-100.0, max_norm=4.0, symmetric=True, clip=True),
)
# recipes/ljspeech/{tacotron2-DDC,tacotron2-DCA,fast_pitch,fast_speech,fastspeech2,speedy_speech,overflow,
# neuralhmm_tts}, vctk/{fast_pitch,fast_speech,speedy_speech,tacotron2*}, thorsten_DE/{tacotron2-DDC,speedy_speech}.
COQUI_LJSPEECH = dataclasses.replace(
    COQUI_DEFAULT, name="coqui-ljspeech", f_max=8000.0, log="natural", log_gain=1.0, normalization=None
)
# recipes/blizzard2013/tacotron2-Capacitron/train_capacitron_t2.py.
COQUI_CAPACITRON = dataclasses.replace(
    COQUI_DEFAULT, name="coqui-capacitron", sample_rate=24000, f_min=80.0, f_max=12000.0, log_gain=25.0
)
# TTS/utils/audio/torch_transforms.py, wav_to_mel: VITS's loss at the audio block of recipes/ljspeech/vits_tts.
COQUI_VITS = dataclasses.replace(
    COQUI_LJSPEECH, name="coqui-vits", f_max=None, framing="same", magnitude_eps=1e-6, guard_value=1e-5
)

CONVENTIONS: tuple[MelConvention, ...] = (COQUI_DEFAULT, COQUI_LJSPEECH, COQUI_CAPACITRON, COQUI_VITS)
DEFAULT = COQUI_LJSPEECH

# Fields that distinguish Coqui TTS's `audio` block from other programs'; each file that it writes has all of the first
# ones, and files of its first versions and of Mozilla TTS have the others.
MARKS = {"log_func", "spec_gain", "signal_norm", "symmetric_norm", "do_amp_to_db_mel", "stft_pad_mode", "stats_path"}
MARKS |= {OLD_FFT, *IN_MILLISECONDS, "min_level_db", "ref_level_db"}


def read_convention(path: Path, *, normalized: bool = True) -> MelConvention | None:
    """Reads the convention of a Coqui TTS model or vocoder.

    Args:
        path: its ``config.json`` (comments are allowed, as in Coqui TTS), .yml or .yaml, or the directory with it.
            The file of ``stats_path`` is looked for relative to it, and by its name next to it.
        normalized: False for the mel that a vocoder receives, once Coqui TTS has undone the normalization; its
            statistics are not needed then.

    Returns:
        None if this isn't a configuration of Coqui TTS, or can't be parsed.

    Raises:
        ConventionError: it is one, but of a model without a mel; or as raised by `from_coqui` and `load_statistics`.
    """
    file = find_config(path)
    config = None if file is None else parse_config(file)
    if file is None or config is None:
        return None
    audio = config.get("audio")
    if not isinstance(audio, dict) or not (MARKS & audio.keys() or has_no_mel(config)):
        return None
    try:
        check_has_mel(config)
        if not normalized:
            return from_coqui({**audio, "signal_norm": False})
        return from_coqui(audio, _statistics_of(audio, file))
    except ConventionError as error:
        raise ConventionError(f"{file}: {error}") from error


def from_coqui(audio_config: Any, statistics: MeanStdNormalization | None = None) -> MelConvention:
    """Returns the convention that Coqui TTS's ``AudioProcessor`` computes.

    Args:
        audio_config: a ``BaseAudioConfig``, a dictionary of its fields, read as `audio_fields.read_fields` does
            (missing ones have its defaults), or a whole configuration with such an ``audio``.
        statistics: used in place of the file that ``stats_path`` names. Without ``signal_norm`` both are ignored.

    Raises:
        ConventionError: a field has no equivalent, and the message names it; or the model has no mel.
    """
    values = read_fields(_audio_of(audio_config))
    if values["stft_pad_mode"] not in ("reflect", "constant"):
        raise ConventionError(f"stft_pad_mode must be 'reflect' or 'constant', got {shown(values['stft_pad_mode'])}")
    if str(values["log_func"]) not in LOGS:
        raise ConventionError(f"log_func must be one of {', '.join(LOGS)}, got {shown(values['log_func'])}")
    win_length, hop_length = frame(values)
    in_decibels = flag(values, "do_amp_to_db_mel")
    try:
        convention = MelConvention(
            name="coqui",
            sample_rate=whole(values, "sample_rate"),
            n_fft=whole(values, "fft_size"),
            win_length=win_length,
            hop_length=hop_length,
            n_mels=whole(values, "num_mels"),
            f_min=number(values, "mel_fmin"),
            f_max=None if values["mel_fmax"] is None else number(values, "mel_fmax"),
            mel_scale="slaney",
            mel_norm="slaney",
            pad_mode=values["stft_pad_mode"],
            log=LOGS[values["log_func"]] if in_decibels else None,  # type: ignore[arg-type]
            log_gain=number(values, "spec_gain") if in_decibels else 1.0,
            guard_value=GUARD,
            pre_emphasis=number(values, "preemphasis"),
            normalization=_normalization(values, statistics),
        )
    except ConventionError:
        raise
    except (ValueError, OverflowError) as error:
        raise ConventionError(f"audio block: {error}") from error
    return next((known for known in CONVENTIONS if known == convention), convention)


def _audio_of(config: Any) -> Any:
    """Returns the ``audio`` of a whole configuration, if its model has a mel; a block alone as it is."""
    audio = config.get("audio", config) if isinstance(config, Mapping) else getattr(config, "audio", config)
    if audio is not config:
        check_has_mel(config)
    return audio


def _normalization(
    values: Mapping[str, Any], statistics: MeanStdNormalization | None
) -> LevelNormalization | MeanStdNormalization | None:
    if not flag(values, "signal_norm"):
        return None
    if statistics is not None:
        return statistics
    if stats_path := values["stats_path"]:
        if not isinstance(stats_path, (str, Path)):
            raise ConventionError(f"stats_path must be a path, got {shown(stats_path)}")
        return load_statistics(stats_path)
    return LevelNormalization(
        ref_level=number(values, "ref_level_db"),
        min_level=number(values, "min_level_db"),
        max_norm=number(values, "max_norm"),
        symmetric=flag(values, "symmetric_norm"),
        clip=flag(values, "clip_norm"),
    )


def _statistics_of(audio: Mapping[str, Any], config: Path) -> MeanStdNormalization | None:
    """Loads the statistics of ``stats_path``; a released model names a path on another machine, and ships the file."""
    stats_path = audio.get("stats_path")
    if not (stats_path and isinstance(stats_path, str) and audio.get("signal_norm", DEFAULTS["signal_norm"])):
        return None
    # A Windows path has either kind of separator.
    named, shipped = config.parent / stats_path, config.with_name(PureWindowsPath(stats_path).name)
    if not named.exists() and not shipped.exists():
        raise ConventionError(
            f"statistics {stats_path} can't be read: no such file on this machine; put the model's {shipped.name} "
            f"beside {config.name}, where it is looked for"
        )
    return load_statistics(named if named.exists() else shipped)
