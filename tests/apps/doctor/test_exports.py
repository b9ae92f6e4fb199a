"""The doctor on vocoders that `vocos export` wrote: it compares the model inside, to whose mel they convert."""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings

import pytest
import torch

from helpers.paths import ROOT
from vocos_plugins import MelConvention, Vocos, align
from vocos_plugins.apps.doctor import EndpointError, compare, remedies, resolve_endpoint, verdict
from vocos_plugins.apps.doctor.report import comparison_report
from vocos_plugins.mel import MelMismatchWarning
from vocos_plugins.plugins import mel_conventions, toolkit_adapters
from vocos_plugins.storage.safe_files import CheckpointError

# Written by an earlier version, for the usual mel of each toolkit; the model inside takes vocos-22khz.
PREVIOUS = ROOT / "tests" / "golden" / "previous"
EXPORTS = {"coqui": ("coqui", "coqui-ljspeech"), "nemo": ("vocos.nemo", "nemo-fastpitch-22khz")}
EXPORTS["speechbrain"] = ("speechbrain", "speechbrain-ljspeech")
INSIDE = "vocos-22khz"


@pytest.fixture(scope="module")
def small():
    """The small model of the earlier version."""
    return Vocos.from_pretrained(PREVIOUS / "checkpoint", precision="float32")


@pytest.fixture
def export(small, tmp_path):
    """Exports the small model for a mel, and returns its endpoint."""

    def write(toolkit: str, tts: MelConvention):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MelMismatchWarning)
            toolkit_adapters()[toolkit].export(small, tmp_path / toolkit, tts=tts)
        return resolve_endpoint(str(tmp_path / toolkit))

    return write


@pytest.mark.parametrize("toolkit", EXPORTS)
def test_an_export_is_recognized(toolkit):
    """As mels it stands for those that it was exported for, as a vocoder for the mel of the model inside."""
    name, tts = EXPORTS[toolkit]
    endpoint = resolve_endpoint(str(PREVIOUS / name))
    assert (endpoint.kind, endpoint.toolkit) == (f"{toolkit} export", toolkit)
    assert endpoint.convention == mel_conventions()[tts]
    assert endpoint.inside().convention == mel_conventions()[INSIDE]
    comparison = compare(resolve_endpoint(tts), endpoint)
    assert (comparison.exit_code, comparison.converts, remedies(comparison)) == (0, True, ())
    report = comparison_report(comparison)
    assert report["vocoder"]["convention"]["name"] == INSIDE
    assert report["vocoder"]["exported_for"]["name"] in {tts, INSIDE}
    assert report["converts_by_itself"]


@pytest.mark.parametrize("toolkit", EXPORTS)
def test_an_export_is_a_checkpoint(toolkit, tmp_path):
    """`Vocos.from_pretrained` loads the model inside, without the toolkit, and refuses a damaged one."""
    source = PREVIOUS / EXPORTS[toolkit][0]
    vocos = Vocos.from_pretrained(source, precision="float32")
    expected = Vocos.from_pretrained(PREVIOUS / "checkpoint", precision="float32")
    assert vocos.config == expected.config
    for key, weight in expected.state_dict().items():
        torch.testing.assert_close(vocos.state_dict()[key], weight, rtol=0, atol=0)
    copy = tmp_path / source.name
    shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    largest = max(copy.iterdir() if copy.is_dir() else [copy], key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match=copy.name):
        Vocos.from_pretrained(copy)


@pytest.mark.parametrize("toolkit", ["coqui", "speechbrain"])
def test_a_lossy_export(toolkit, export):
    """The exit code is 1, with the error of the export's own warning, and no advice to convert once more."""
    tts = dataclasses.replace(mel_conventions()["coqui-default"], name="")
    endpoint = export(toolkit, tts)
    comparison = compare(dataclasses.replace(resolve_endpoint("coqui-default"), features=tts), endpoint)
    assert (comparison.exit_code, comparison.converts) == (1, True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MelMismatchWarning)
        assert comparison.error.mean == align(endpoint.convention, mel_conventions()[INSIDE]).error.mean
    assert "lossy: the export converts the mel by itself, mean error 0." in verdict(comparison)
    commands = [remedy.command for remedy in remedies(comparison)]
    assert commands
    assert not any("vocos decode" in command or "adapt(" in command for command in commands)


def test_a_mel_that_the_hyperparameters_cannot_name(export):
    """SpeechBrain's recipes have no names for every field; the generator's own arguments say them."""
    tts = mel_conventions()["hifigan-22khz"]
    endpoint = export("speechbrain", tts)
    assert endpoint.convention == tts
    comparison = compare(resolve_endpoint("hifigan-22khz"), endpoint)
    assert (comparison.kind, comparison.converts) == ("framing", True)


@pytest.mark.parametrize(("tts", "code", "how"), [("hifigan-22khz", 0, "exactly"), ("vocos-24khz", 1, "lossily")])
def test_an_export_for_other_mels(tts, code, how):
    """It would read a wrong mel: the remedy is another export, to a place of its own."""
    path = PREVIOUS / "coqui"
    comparison = compare(resolve_endpoint(tts), resolve_endpoint(str(path)))
    assert (comparison.exit_code, comparison.converts) == (code, False)
    assert verdict(comparison).startswith("It was exported for other mels.")
    assert how in verdict(comparison)
    assert f"vocos export coqui OUT --model {path} --tts {tts}" in [each.command for each in remedies(comparison)]


def test_another_program_s_vocos(tmp_path):
    """A model of that name without Coqui TTS's audio block is no export."""
    (tmp_path / "config.json").write_text(json.dumps({"model": "vocos", "audio": {"sample_rate": 24000}}))
    with pytest.raises(EndpointError, match="no reader knows the directory"):
        resolve_endpoint(str(tmp_path))


def test_a_damaged_export(tmp_path):
    """The error names the file and the part that is wrong."""
    config = json.loads((PREVIOUS / "coqui" / "config.json").read_text())
    config["model_args"]["backbone"]["dim"] = "wide"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(EndpointError, match=r"config\.json: model_args: backbone\.dim: expected int, got 'wide'"):
        resolve_endpoint(str(tmp_path))
