"""The end of ``vocos train``: a certificate, measured on the validation recordings."""

from __future__ import annotations

import shutil
import warnings

import pytest
import yaml
from typer.testing import CliRunner

from vocos_plugins import Vocos
from vocos_plugins.apps.cli.app import app
from vocos_plugins.inference.certificate import CERTIFICATE, keeps_quality, read_certificate
from vocos_plugins.inference.fast.onednn import has_bfloat16, has_int8
from vocos_plugins.mel.speech import CLIPS

pytestmark = pytest.mark.filterwarnings("ignore")  # of Lightning and TensorBoard


def run_command(mapping, tmp_path) -> str:
    """Runs ``vocos train`` on a configuration, and returns what it prints."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(mapping))
    result = CliRunner().invoke(app, ["train", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    return result.output


def test_measured_on_the_validation_recordings(make_mapping, tmp_path) -> None:
    """The costs are printed and stored; the same command again leaves the finished run as it is."""
    (tmp_path / "validation").mkdir()
    for clip in CLIPS[:2]:
        shutil.copy(clip.path, tmp_path / "validation")
    mapping = make_mapping(run__max_steps=2, data__validation=[str(tmp_path / "validation")])
    output = run_command(mapping, tmp_path)
    config = tmp_path / "run" / "model" / "config.yaml"
    vocos = Vocos.from_pretrained(config.parent)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        certificate = read_certificate(vocos)
        assert not keeps_quality(vocos)["int8"]
    assert certificate.recordings == 2
    for name, can in (("bfloat16", has_bfloat16()), ("int8", has_int8())):
        assert (name in certificate.costs) == can
        assert name in output
    assert "Too few recordings to be used: 2, expected at least 4." in output
    written = config.read_bytes()
    assert "Certified before." in run_command(mapping, tmp_path)
    assert config.read_bytes() == written


def test_without_validation_recordings(make_mapping, tmp_path) -> None:
    """It says how to get one later."""
    output = run_command(make_mapping(run__max_steps=2), tmp_path)
    assert "Not certified for 8 bits, which `vocos certify` does later: there are no recordings" in output
    assert CERTIFICATE not in Vocos.from_pretrained(tmp_path / "run" / "model").provenance
