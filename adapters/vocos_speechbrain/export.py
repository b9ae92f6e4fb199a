"""Writes a directory that SpeechBrain's own ``HIFIGAN.from_hparams(source=...)`` loads."""

from __future__ import annotations

import contextlib
import io
import re
import textwrap
from pathlib import Path
from typing import Any

import torch
import yaml

from vocos_plugins import MelConvention, Vocos, __version__
from vocos_plugins.config import FEATURES
from vocos_plugins.config.mapping import write_part
from vocos_plugins.mel import ConventionError
from vocos_plugins.storage.safe_files import CheckpointError, write_files

from .generator import VocosGenerator
from .hyperparams import FILE_NAME
from .mel import DEFAULT, from_speechbrain, read_convention

WEIGHTS_FILE = "generator.ckpt"
GENERATOR = "vocos_speechbrain.generator.VocosGenerator"
# By its beginning a file is known as ours, which may be written over.
BEGINNING = "# A Vocos vocoder, written by vocos-plugins"
TEMPLATE = """\
{beginning} {version}: mels ({n_mels} bands, {sample_rate} Hz) to audio,
# {hop_length} samples a frame. It needs `pip install 'vocos-plugins[speechbrain]'`. Load it in place of a HiFi-GAN:
#
#     from speechbrain.inference.vocoders import HIFIGAN
#     vocoder = HIFIGAN.from_hparams(source="the directory of this file")
#     waveforms = vocoder.decode_batch(mels)  # (B, {n_mels}, T) to (B, 1, T * {hop_length})
#
# In a recipe, name the directory where it asks for the vocoder's source, and a savedir that no other vocoder used.

# The mels that it takes{unlike}
{mel}
generator: !new:{generator}
{arguments}
modules:
  generator: !ref <generator>

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    generator: !ref <generator>
  custom_hooks: # strict, where SpeechBrain itself only logs what is missing
    generator: !name:vocos_speechbrain.generator.load_checkpoint

# Where the weights come from, and under which licence
{provenance}"""


class _Dumper(yaml.SafeDumper):
    """Puts text in quotes that HyperPyYAML would take for a tuple or a number."""


_Dumper.add_implicit_resolver("!tuple", re.compile(r"^\(.*\)$"), ["("])
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def export(vocos: Vocos, target: Path, *, tts: Path | MelConvention | None = None, strict: bool = False) -> None:
    """Writes ``hyperparams.yaml`` and ``generator.ckpt``, both or neither.

    Args:
        vocos: a mel model.
        target: directory, made if it isn't there.
        tts: what the mels will come from: a model's directory or hyperparameter file, or their convention; the
            convention of SpeechBrain's LJSpeech models if it is left out. Mels of another convention than the model's
            own are aligned as they are decoded.
        strict: refuse mels that can be aligned only with a loss.

    Warns:
        MelMismatchWarning: they can be aligned only with a loss.

    Raises:
        MelMismatch: the mels can't be aligned with the model's, or ``strict`` forbids it.
        ConventionError: the mels of ``tts`` can't be told from its file.
        CheckpointError: the directory can't be written to or holds another model, which stays as it is; or the
            model's provenance holds more than text, numbers, lists and mappings.
    """
    generator = VocosGenerator(vocos, _convention(tts), strict)
    target = Path(target).expanduser()
    _check_target(target)
    weights = io.BytesIO()
    torch.save({key: value.detach().cpu().clone() for key, value in generator.state_dict().items()}, weights)
    write_files(target, {WEIGHTS_FILE: weights.getvalue(), FILE_NAME: _hyperparams(generator).encode()})


def _convention(tts: Path | MelConvention | None) -> MelConvention:
    if tts is None or isinstance(tts, MelConvention):
        return tts or DEFAULT
    convention = read_convention(Path(tts))
    if convention is None:
        raise ConventionError(f"{tts} is no hyperparameter file of SpeechBrain, nor a directory that holds {FILE_NAME}")
    return convention


def _check_target(target: Path) -> None:
    """Another model's files are not overwritten: TTS models, HiFi-GANs and training runs have files of these names."""
    with contextlib.suppress(OSError), (target / FILE_NAME).open("rb") as hyperparams:
        if hyperparams.read(len(BEGINNING)) == BEGINNING.encode():
            return
    for file in (target / FILE_NAME, target / WEIGHTS_FILE):
        if file.exists():
            raise CheckpointError(f"{file} is of another model, and stays; choose a new directory")


def _hyperparams(generator: VocosGenerator) -> str:
    mel = _recipe_fields(generator.source)
    known = _is_expressed(mel, generator.source)
    arguments: dict[str, Any] = {"vocos": generator.vocos.config.to_dict()}
    if not known or generator.source != generator.vocos.mel:
        arguments["source"] = write_part(generator.source, FEATURES)
    return TEMPLATE.format(
        beginning=BEGINNING,
        version=__version__,
        generator=GENERATOR,
        n_mels=generator.n_mels,
        sample_rate=generator.sample_rate,
        hop_length=generator.hop_length,
        unlike="" if known else "; the generator's `source` says what no name of the recipes' does",
        mel=_dump(mel if known else {key: mel[key] for key in ("sample_rate", "hop_length", "n_mel_channels")}),
        arguments=textwrap.indent(_dump(arguments), "  "),
        provenance=_dump({"provenance": generator.vocos.provenance}),
    )


def _recipe_fields(mel: MelConvention) -> dict[str, Any]:
    """A convention by the names that SpeechBrain's recipes have for its fields, as far as they go."""
    return {
        "sample_rate": mel.sample_rate,
        "hop_length": mel.hop_length,
        "win_length": mel.win_length,
        "n_mel_channels": mel.n_mels,
        "n_fft": mel.n_fft,
        "mel_fmin": mel.f_min,
        "mel_fmax": mel.f_max,
        "mel_normalized": False,
        "power": int(mel.power),
        "norm": mel.mel_norm,
        "mel_scale": mel.mel_scale,
        "dynamic_range_compression": mel.log is not None,
    }


def _is_expressed(fields: dict[str, Any], mel: MelConvention) -> bool:
    try:
        return from_speechbrain(fields) == mel
    except ConventionError:
        return False


def _dump(values: dict[str, Any]) -> str:
    try:
        return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    except yaml.YAMLError as error:
        raise CheckpointError(f"the provenance can't be written as YAML: {error}") from error
