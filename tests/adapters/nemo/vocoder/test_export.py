"""Writing a ``.nemo`` file: for which mels, and atomically."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
import torch
import yaml
from vocos_nemo.export import export
from vocos_nemo.mel import read_convention

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.config import EncodecCodes
from vocos_plugins.mel import ConventionError, MelMismatch, MelMismatchWarning

pytestmark = pytest.mark.xdist_group("nemo")


@pytest.fixture
def restore(nemo):
    """Returns a function that restores a model from a file with NeMo's own class."""
    return lambda path: nemo.HifiGanModel.restore_from(str(path))


def stored_block(path):
    """Returns the preprocessor in a ``.nemo`` file."""
    with tarfile.open(path) as tar:
        return yaml.safe_load(tar.extractfile("./model_config.yaml"))["preprocessor"]


def test_the_default_is_fastpitch(vocoder, bundled, make_mel, restore, tmp_path):
    """NeMo restores the bundled model for English FastPitch's mels, with the audio that it has here."""
    target = tmp_path / "new" / "vocos.nemo"
    export(bundled, target)
    assert list(target.parent.iterdir()) == [target]
    assert read_convention(target).name == "nemo-fastpitch-22khz"
    model, mel = restore(target), make_mel()
    expected = vocoder.wrap(bundled).convert_spectrogram_to_audio(spec=mel)
    assert torch.equal(model.convert_spectrogram_to_audio(spec=mel), expected)
    assert model.generator.vocos.mel == bundled.mel
    assert model.generator.vocos.provenance["licence"] == "MIT"
    inside = Vocos.from_pretrained(target, precision="float32")
    assert (inside.config, inside.provenance) == (bundled.config, bundled.provenance)
    assert torch.equal(inside.state_dict()["head.out.weight"], bundled.state_dict()["head.out.weight"])
    export(bundled, target)  # its own file may be replaced


def test_for_a_convention(make_vocos, restore, conventions_by_name, tmp_path):
    """The mel can be passed as a convention."""
    export(make_vocos(), tmp_path / "vocos.nemo", tts=conventions_by_name["nemo-hifigan-22khz"])
    assert restore(tmp_path / "vocos.nemo").generator.source.name == "nemo-hifigan-22khz"


def test_for_a_model(make_vocos, fastpitch, restore, tmp_path):
    """The mel can be read from a text-to-speech model's file, whose preprocessor is kept unchanged."""
    fastpitch.save_to(str(tmp_path / "fastpitch.nemo"))
    export(make_vocos(), tmp_path / "vocos.nemo", tts=tmp_path / "fastpitch.nemo", strict=True)
    block = stored_block(tmp_path / "vocos.nemo")
    assert block == stored_block(tmp_path / "fastpitch.nemo")
    assert block["features"] == 80
    assert restore(tmp_path / "vocos.nemo").generator.source.name == "nemo-fastpitch-22khz"


def test_for_a_recipe(make_vocos, recipes, restore, write, tmp_path):
    """The mel can be read from a configuration file, whose interpolations are resolved."""
    path = write(recipes["nemo-fastpitch-22khz"], "fastpitch.yaml")
    export(make_vocos(), tmp_path / "vocos.nemo", tts=path)
    assert stored_block(tmp_path / "vocos.nemo")["n_window_stride"] == 256
    assert restore(tmp_path / "vocos.nemo").generator.source.name == "nemo-fastpitch-22khz"


def test_for_an_old_recipe(make_vocos, restore, recipe_options, write, tmp_path):
    """A block of ``cls`` and ``params``, with a class that NeMo has moved since, is written as NeMo has it today."""
    options = recipe_options("nemo-hifigan-22khz")
    target = options.pop("_target_")
    old = {"cls": target.replace(".parts.preprocessing.", ".parts."), "params": options}
    path = write(yaml.safe_dump({"model": {"preprocessor": old}}), "old.yaml")
    export(make_vocos(), tmp_path / "vocos.nemo", tts=path)
    assert stored_block(tmp_path / "vocos.nemo") == {**options, "_target_": target}
    assert restore(tmp_path / "vocos.nemo").generator.source.name == "nemo-hifigan-22khz"


def test_with_a_loss(make_vocos, recipes, restore, write, tmp_path):
    """A lossy conversion is warned of, or refused if strict before anything is written."""
    path = write(recipes["nemo-fastpitch-22khz-full-band"], "fastpitch.yaml")
    vocos = make_vocos(f_max=7600.0)
    with pytest.raises(MelMismatch, match="strict=True"):
        export(vocos, tmp_path / "vocos.nemo", tts=path, strict=True)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.warns(MelMismatchWarning, match="nemo-fastpitch-22khz-full-band"):
        export(vocos, tmp_path / "vocos.nemo", tts=path)
    assert restore(tmp_path / "vocos.nemo").generator.alignment.kind == "lossy"


PREVIOUS = Path(__file__).parents[3] / "golden" / "previous" / "vocos.nemo"


@pytest.mark.parametrize("before", [None, PREVIOUS.read_bytes()], ids=["new", "replaced"])
def test_whole_or_not_at_all(before, make_vocos, tmp_path, monkeypatch):
    """If writing fails half-way, the former file is kept, and nothing else."""
    from nemo.core.connectors.save_restore_connector import SaveRestoreConnector

    def fail(filename, source_dir):
        with open(filename, "wb") as half:
            half.write(b"half a model")
        raise OSError("no space left on device")

    target = tmp_path / "vocos.nemo"
    if before is not None:
        target.write_bytes(before)
    with monkeypatch.context() as patch:
        patch.setattr(SaveRestoreConnector, "_make_nemo_file_from_folder", staticmethod(fail))
        with pytest.raises(OSError, match="no space left"):
            export(make_vocos(), target)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == ({"vocos.nemo": before} if before else {})
    export(make_vocos(), target)
    assert tarfile.is_tarfile(target)


def test_refusals(make_vocos, make_model, write, tmp_path):
    """Names that NeMo wouldn't recognize, sources that aren't NeMo's or are missing, and models without a mel fail."""
    with pytest.raises(ValueError, match=r"models by the suffix \.nemo, got .*vocos\.ckpt"):
        export(make_vocos(), tmp_path / "vocos.ckpt")
    other = write("audio: {sample_rate: 22050}", "config.yaml")
    for tts in (other, tmp_path / "nothing.nemo"):
        with pytest.raises(ConventionError, match=rf"no NeMo model or configuration at .*{tts.name}"):
            export(make_vocos(), tmp_path / "vocos.nemo", tts=tts)
    with pytest.raises(ConventionError, match="has no valid configuration"):
        export(make_vocos(), tmp_path / "vocos.nemo", tts=write("", "broken.nemo"))
    encodec = make_model("encodec", "adanorm", "istft", "same")
    assert isinstance(encodec.config.features, EncodecCodes)
    with pytest.raises(MelMismatch, match="EnCodec features and mels"):
        export(encodec, tmp_path / "vocos.nemo")
    htk = MelConvention(sample_rate=22050, n_fft=1024, win_length=1024, hop_length=256, n_mels=80)
    with pytest.raises(MelMismatch, match="NeMo's preprocessor can't compute"):
        export(make_vocos(), tmp_path / "vocos.nemo", tts=htk)
    assert not (tmp_path / "vocos.nemo").exists()
