"""``vocos certify``: measures what precisions cost, and writes it beside the weights and nowhere else."""

from __future__ import annotations

import shutil

import pytest
import yaml

from vocos_plugins import Vocos
from vocos_plugins.inference.certificate import CERTIFICATE, PRECISIONS, fingerprint, read_certificate
from vocos_plugins.inference.fast.onednn import has_bfloat16, has_int8
from vocos_plugins.mel.speech import CLIPS
from vocos_plugins.storage.find import BUNDLED

RECORDINGS = CLIPS[0].path.parent
CAN = {"bfloat16": has_bfloat16(), "int8": has_int8()}


@pytest.fixture
def bundled(tmp_path):
    """A copy of a bundled checkpoint without its certificate."""
    directory = tmp_path / "checkpoint"
    shutil.copytree(BUNDLED / "vocos-mel-16khz-small", directory)
    config = yaml.safe_load((directory / "config.yaml").read_text())
    del config["provenance"][CERTIFICATE]
    (directory / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return directory


def test_a_directory_gets_its_certificate(run, bundled) -> None:
    """Four recordings are enough; the weights' file and the rest of the configuration stay as they are."""
    before = {path.name: path.read_bytes() for path in bundled.iterdir()}
    output = run("certify", bundled, "--data", RECORDINGS).output
    vocos = Vocos.from_pretrained(bundled)
    certificate = read_certificate(vocos)
    assert (certificate.fingerprint, certificate.recordings) == (fingerprint(vocos), 4)
    assert set(certificate.costs) == {name for name in PRECISIONS if CAN[name]}
    for name, cost in certificate.costs.items():
        assert -0.1 < cost.pesq_loss < 0.1
        assert 5 < cost.signal_to_error_db < 60
        row = next(line for line in output.splitlines() if line.startswith(name))
        assert row.endswith("yes" if cost.is_small else "no")
    for name in PRECISIONS:
        assert CAN[name] or f"{name} was not measured: this processor has no" in output
    after = {path.name: path.read_bytes() for path in bundled.iterdir()}
    changed = [yaml.safe_load(files.pop("config.yaml")) for files in (before, after)]
    assert before == after
    del changed[1]["provenance"][CERTIFICATE]
    assert changed[0] == changed[1]


def test_names_are_written_elsewhere(run, tmp_path) -> None:
    """A bundled model is not a directory of the user's; a file that can't be read is named, and the rest is used."""
    refused = run("certify", "vocos-mel-16khz-small", "--data", RECORDINGS, code=2)
    assert (
        "vocos-mel-16khz-small is not a directory that vocos-plugins wrote; name one to write by --out"
        in refused.output
    )
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    shutil.copy(CLIPS[0].path, recordings)
    (recordings / "damaged.wav").write_bytes(b"RIFF")
    done = run("certify", "vocos-mel-16khz-small", "--data", recordings, "--out", tmp_path / "out", code=1)
    assert f"failed: {recordings / 'damaged.wav'}" in done.output
    assert "Too few recordings to be used: 1, expected at least 4." in done.output
    assert read_certificate(Vocos.from_pretrained(tmp_path / "out")).recordings == 1


def test_nothing_to_measure(run, tmp_path) -> None:
    """A missing source, and recordings of which none can be read."""
    missing = run("certify", "vocos-mel-16khz-small", "--data", tmp_path / "none", "--out", tmp_path / "out", code=2)
    assert "none: no such file or folder" in missing.output
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "list.txt").write_text("a.wav\n")
    unusable = run(
        "certify", "vocos-mel-16khz-small", "--data", tmp_path / "list.txt", "--out", tmp_path / "out", code=2
    )
    assert "none of 1 recordings could be used" in unusable.output
    assert not (tmp_path / "out").exists()
