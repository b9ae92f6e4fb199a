"""The verdict on a comparison, and whether the remedies work."""

from __future__ import annotations

import dataclasses
import shlex

import pytest

from helpers.paths import ROOT
from vocos_plugins import Vocos, align
from vocos_plugins.apps.doctor import compare, remedies, resolve_endpoint, verdict
from vocos_plugins.apps.doctor.best_checkpoint import MARGIN, best_checkpoint, known_checkpoints
from vocos_plugins.config import EncodecCodes
from vocos_plugins.mel import MelSpectrogram
from vocos_plugins.plugins import mel_conventions
from vocos_plugins.storage.find import bundled_names

BUNDLED = "vocos-mel-22khz-small"


def pair(tts, vocoder):
    return compare(resolve_endpoint(tts), resolve_endpoint(vocoder))


def what(comparison):
    return [remedy.what for remedy in remedies(comparison)]


def commands(comparison):
    return [remedy.command for remedy in remedies(comparison)]


@pytest.mark.parametrize(
    ("tts", "vocoder", "sentence"),
    [
        ("speechbrain-ljspeech", BUNDLED, "Compatible: no conversion is needed."),
        ("hifigan-22khz", "langtech-22khz", "Compatible: the differences are inaudible."),
        ("f5-tts-vocos", "vocos-24khz", "Compatible: exact after conversion of guard_value."),
        ("coqui-default", "univnet", "Compatible, but lossy: mean error "),
        ("hifigan-22khz", BUNDLED, "Compatible: exact after a half-hop shift."),
        (
            "nemo-hifigan-dataset-22khz",
            "nemo-fastpitch-22khz-full-band",
            "Compatible: exact after a half-hop shift and conversion of mel_norm and guard_value.",
        ),
    ],
)
def test_the_sentence(tts, vocoder, sentence):
    """Each kind has its sentence, which names what is converted."""
    assert verdict(pair(tts, vocoder)).startswith(sentence)


def test_clipping_is_mentioned(coqui_config):
    """A normalization that clips loses information before the conversion."""
    clipped = pair(str(coqui_config(signal_norm=True, log_func="np.log10", spec_gain=20)), BUNDLED)
    expected = "guard_value and normalization (except for values that the TTS's own normalization clipped)"
    assert expected in verdict(clipped)
    unclipped = pair(str(coqui_config(signal_norm=True, clip_norm=False)), BUNDLED)
    assert "clipped" not in verdict(unclipped)


def test_a_loss_is_measured_and_unknown_bands_named():
    """The verdict has the alignment's own error and unknown bands."""
    comparison = pair("coqui-ljspeech", "vocos-24khz")
    error = comparison.alignment.error
    assert f"{error.mean:.2f} nepers" in verdict(comparison)
    assert "no information for bands 87 to 99" in verdict(comparison)
    assert error.unknown == tuple(range(87, 100))


def test_a_pair_without_conversion_has_no_remedies():
    """Nothing has to be done if the mel isn't converted."""
    assert remedies(pair("speechbrain-ljspeech", BUNDLED)) == ()


def test_an_exact_pair_is_fixed_by_naming_the_source(coqui_config, tmp_path):
    """There is a command for files and code for the toolkit; a path with a space is quoted for the shell."""
    folder = tmp_path / "my models"
    folder.mkdir()
    path = str(coqui_config().rename(folder / "config.json"))
    shell, python = commands(pair(path, BUNDLED))
    assert shlex.split(shell) == ["vocos", "decode", "MELS", "OUT", "--model", BUNDLED, "--source", path]
    assert f'source = resolve_endpoint("{path}").convention\nvocoder = adapt(vocos, "coqui", source=source)' in python


def test_the_python_advice_runs(noise):
    """The printed code decodes a mel of the convention."""
    python = commands(pair("coqui-ljspeech", BUNDLED))[-1]
    scope = {"mel": noise(1, 80, 20) - 5}
    exec(python, scope)  # noqa: S102 - our own advice
    source = mel_conventions()["coqui-ljspeech"]
    assert scope["audio"].equal(Vocos.from_pretrained(BUNDLED).decode(scope["mel"], source=source))


def test_the_advice_for_another_program_s_vocoder_runs(coqui_config, noise):
    """The vocoder gets the converted mel; if the framing differs, its audio is trimmed."""
    path = str(coqui_config())
    advice = commands(pair("speechbrain-ljspeech", path))[-1]
    scope = {"mel": noise(1, 80, 20) - 5}
    exec(advice, scope)  # noqa: S102 - our own advice
    alignment = align(mel_conventions()["speechbrain-ljspeech"], resolve_endpoint(path).convention)
    assert scope["mel"].equal(alignment(noise(1, 80, 20) - 5))
    advice = commands(pair("hifigan-22khz", path))[-1]
    scope = {"mel": noise(1, 80, 20) - 5, "vocoder": lambda mel: mel[:, 0].repeat_interleave(256, dim=1)}
    exec(advice, scope)  # noqa: S102 - our own advice
    assert scope["audio"].shape == (1, 20 * 256)


def test_a_convention_is_decoded_by_a_checkpoint_of_it():
    """The remedy names a known checkpoint of the convention."""
    assert f"--model {BUNDLED} --source coqui-ljspeech" in commands(pair("coqui-ljspeech", "vocos-22khz"))[0]


def test_a_checkpoint_that_fits_exactly_comes_before_a_loss():
    """An exact checkpoint is the first remedy, and training isn't advised."""
    comparison = pair("coqui-ljspeech", "charactr/vocos-mel-24khz")
    assert what(comparison)[0] == f"Use {BUNDLED}, which fits exactly"
    assert commands(comparison)[0].endswith(f"--model {BUNDLED} --source coqui-ljspeech")
    assert not any("vocos train" in command for command in commands(comparison))
    assert what(comparison)[1].startswith("Or accept the lossy conversion")


def test_fine_tuning_where_no_checkpoint_fits_better():
    """Fine-tuning starts from the user's vocoder, with the recipe of the TTS's rate."""
    comparison = pair("coqui-default", BUNDLED)
    assert commands(comparison)[0].startswith("vocos train ")
    assert "recipes/lightning/vocos-mel-22khz.yaml" in what(comparison)[0]
    assert f"run.init_from to {BUNDLED}" in what(comparison)[0]


def test_the_recipes_that_are_advised_are_there():
    """Each advised recipe is a file of the repository and has the sample rate that it is advised for."""
    from vocos_plugins.apps.doctor.verdict import RECIPES

    folder = ROOT / "recipes" / "lightning"
    for rate, name in RECIPES.items():
        assert resolve_endpoint(str(folder / f"{name}.yaml")).features.sample_rate == rate


@pytest.mark.parametrize(("sample_rate", "ways"), [(8000, ["decode", "train"]), (4000, ["train"])])
def test_a_refused_mel_has_remedies(coqui_config, sample_rate, ways):
    """Another checkpoint is advised if one takes the mel, and training; never the incompatible vocoder."""
    sizes = {"fft_size": 512, "win_length": 512, "hop_length": 128}
    narrow = str(coqui_config(sample_rate=sample_rate, mel_fmax=None, **sizes))
    comparison = pair(narrow, "charactr/vocos-mel-24khz")
    assert "Incompatible: the TTS mel has no information for bands" in verdict(comparison)
    assert [command.split()[1] for command in commands(comparison)] == ways
    assert not any("--model charactr/vocos-mel-24khz" in command for command in commands(comparison))
    assert "vocos-mel-16khz.yaml" in what(comparison)[-1]


def test_a_mel_for_a_vocoder_of_codes(make_endpoint):
    """A checkpoint that takes mels is advised instead."""
    comparison = compare(resolve_endpoint("vocos-24khz"), make_endpoint(EncodecCodes()))
    assert verdict(comparison) == "Incompatible: the TTS produces a mel, the vocoder takes EnCodec codes."
    assert commands(comparison) == ["vocos decode MELS OUT --model charactr/vocos-mel-24khz"]


def test_codes_for_a_vocoder_of_mels(make_endpoint):
    """The checkpoint of these codes is advised; for other codes, training."""
    comparison = compare(make_endpoint(EncodecCodes()), resolve_endpoint(BUNDLED))
    assert verdict(comparison) == "Incompatible: the TTS produces EnCodec codes, the vocoder takes a mel."
    assert "charactr/vocos-encodec-24khz" in commands(comparison)[0]
    others = compare(make_endpoint(EncodecCodes(sample_rate=48000, bandwidths=(3.0,))), make_endpoint(EncodecCodes()))
    assert verdict(others) == "Incompatible: the codes differ."
    assert commands(others) == ["vocos train recipes/lightning/vocos-encodec.yaml --out runs/mine"]


def test_the_best_checkpoint_is_the_one_of_least_loss():
    """No other known checkpoint has a smaller error, by the alignments' own measure."""
    source = mel_conventions()["speecht5"]
    with pytest.warns():
        alignments = {known.name: align(source, known.mel) for known in known_checkpoints()}
    checkpoint, alignment = best_checkpoint(source)
    share = {name: len(each.error.unknown) / each.target.n_mels for name, each in alignments.items()}
    assert share[checkpoint.name] == min(share.values())
    rivals = [each.error.mean for name, each in alignments.items() if share[name] == share[checkpoint.name]]
    assert min(rivals) >= MARGIN * alignment.error.mean
    assert best_checkpoint(source, alignment) is None


def test_a_checkpoint_that_is_hardly_better_is_not_advised():
    """The bundled model's mel and the published one with the other framing differ by a hundredth of the error."""
    known = {checkpoint.name: checkpoint.mel for checkpoint in known_checkpoints()}
    source = dataclasses.replace(mel_conventions()["vocos-22khz"], sample_rate=48000, n_fft=2048, win_length=2048)
    with pytest.warns():
        bundled, other = (align(source, known[name]) for name in (BUNDLED, "BSC-LT/vocos-mel-22khz"))
    assert bundled.error.mean != other.error.mean
    for alignment in (bundled, other):
        assert best_checkpoint(source, alignment) is None


def test_known_checkpoints_can_be_loaded():
    """Checkpoints that are refused or whose mel is unknown are not advised; bundled ones come first."""
    names = [known.name for known in known_checkpoints()]
    assert names[:2] == bundled_names() == ["vocos-mel-16khz-small", BUNDLED]
    assert not {"wetdog/vocos-mel-24khz-onnx", "charactr/vocos-encodec-24khz"} & set(names)
    assert "charactr/vocos-mel-24khz" in names


def test_an_exact_verdict_holds(noise):
    """An exact alignment returns the vocoder's own mel of the same sound, to float32's rounding through logarithms."""
    tts, vocoder = (mel_conventions()[name] for name in ("f5-tts-vocos", "vocos-24khz"))
    comparison = pair("f5-tts-vocos", "vocos-24khz")
    audio = noise(1, 8000)  # loud enough that no guard matters
    aligned = comparison.alignment(MelSpectrogram(tts)(audio))
    assert (aligned - MelSpectrogram(vocoder)(audio)).abs().max() < 1e-4
    assert dataclasses.astuple(comparison.fields[0])[1:3] == (24000, 24000)
