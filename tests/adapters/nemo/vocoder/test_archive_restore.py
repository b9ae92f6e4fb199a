"""``.nemo`` files of the vocoder: which classes restore them, what that allows, and the state after a failure."""

from __future__ import annotations

import tarfile

import pytest
import torch
from vocos_nemo.mel import read_convention

pytestmark = pytest.mark.xdist_group("nemo")

TARGET = "vocos_nemo.vocoder.VocosModel"
CLASSES = ["VocosModel", "Vocoder", "ModelPT", "HifiGanModel"]


@pytest.fixture(scope="module")
def small(vocoder, make_vocos):
    """Returns a small vocoder for FastPitch's mels."""
    return vocoder.wrap(make_vocos())


@pytest.fixture(scope="module")
def archive(small, tmp_path_factory):
    """Returns the small vocoder's file."""
    path = tmp_path_factory.mktemp("nemo") / "vocos.nemo"
    small.save_to(str(path))
    return path


@pytest.fixture
def find_class(nemo, vocoder):
    """Returns a class by name: `VocosModel`, or one of NeMo's."""
    from nemo.collections.tts.models.base import Vocoder

    classes = {"Vocoder": Vocoder, "VocosModel": vocoder.VocosModel}
    return lambda name: classes.get(name) or getattr(nemo, name)


@pytest.fixture
def repack(archive, tmp_path):
    """Returns a function that writes the file again with one member's content changed."""

    def write(member, change):
        unpacked, changed = tmp_path / "unpacked", tmp_path / "changed.nemo"
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        (unpacked / member).write_bytes(change((unpacked / member).read_bytes()))
        with tarfile.open(changed, "w") as tar:
            tar.add(unpacked, arcname=".")
        return changed

    return write


@pytest.mark.parametrize("name", CLASSES)
def test_restored_by(name, find_class, small, archive, vocoder, make_mel):
    """`VocosModel` and three of NeMo's classes restore the model, with bit-identical audio and its provenance."""
    model = find_class(name).restore_from(str(archive), map_location="cpu")
    assert type(model) is vocoder.VocosModel
    mel = make_mel()
    assert torch.equal(model.convert_spectrogram_to_audio(spec=mel), small.convert_spectrogram_to_audio(spec=mel))
    assert model.generator.vocos.config == small.generator.vocos.config
    assert model.generator.vocos.provenance == {"licence": "MIT", "steps": 3}
    assert model.cfg.target == TARGET


@pytest.mark.parametrize("name", CLASSES)
def test_from_the_hub(name, find_class, archive, small, vocoder, make_mel, tmp_path, monkeypatch):
    """`from_pretrained("org/name")` of all four finds ``name.nemo`` in the Hugging Face hub's local cache."""
    folder = tmp_path / "models--org--vocos"
    (folder / "snapshots" / "c0ffee").mkdir(parents=True)
    (folder / "snapshots" / "c0ffee" / "vocos.nemo").write_bytes(archive.read_bytes())
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("c0ffee")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = find_class(name).from_pretrained("org/vocos", map_location="cpu")
    assert type(model) is vocoder.VocosModel
    mel = make_mel()
    assert torch.equal(model.convert_spectrogram_to_audio(spec=mel), small.convert_spectrogram_to_audio(spec=mel))


@pytest.mark.parametrize("head", ["imdct-symexp", "wavenext"])
def test_other_architectures(head, vocoder, make_vocos, make_mel, tmp_path):
    """The whole configuration is in the file."""
    model = vocoder.wrap(make_vocos(head, "resnet", "same"))
    model.save_to(str(tmp_path / "other.nemo"))
    restored = vocoder.VocosModel.restore_from(str(tmp_path / "other.nemo"))
    mel = make_mel()
    assert torch.equal(restored.convert_spectrogram_to_audio(spec=mel), model.convert_spectrogram_to_audio(spec=mel))


def test_the_files_mel(archive):
    """The input mel can be read from the file without NeMo, as `vocos doctor` does."""
    assert read_convention(archive).name == "nemo-fastpitch-22khz"


def test_one_class_is_let_in(vocoder):
    """Importing the module allows exactly one class, once, and nothing else in it or that it imports."""
    from nemo.core.classes import common

    vocoder.register()
    vocoder.register()
    assert [path for path in common.ALLOWED_TARGET_PREFIXES if "vocos" in path] == [TARGET]
    assert common._is_target_allowed(TARGET)
    for path in (
        "vocos_nemo.vocoder.VocosGenerator",
        "vocos_nemo.vocoder.Vocos",
        "vocos_nemo.vocoder.torch.hub.load",
        "vocos_nemo.vocoder.wrap",
        "vocos_nemo.vocoder.VocosModel.restore_from",
        "vocos_nemo.vocoder.VocosModel.__init__.__globals__",
        "vocos_nemo.generator.VocosGenerator",
        "vocos_plugins.Vocos",
    ):
        assert not common._is_target_allowed(path), path


def test_other_versions_of_nemo(vocoder, monkeypatch):
    """A NeMo without a list of allowed classes needs no entry."""
    from nemo.core.classes import common

    monkeypatch.delattr(common, "ALLOWED_TARGET_PREFIXES")
    vocoder.register()
    assert not hasattr(common, "ALLOWED_TARGET_PREFIXES")


@pytest.mark.parametrize("name", CLASSES)
def test_without_the_entry(name, find_class, archive, nemo, monkeypatch):
    """Without the entry, as in a process that hasn't imported the module, NeMo refuses and names the class."""
    from nemo.core.classes import common

    allowed = [path for path in common.ALLOWED_TARGET_PREFIXES if path != TARGET]
    monkeypatch.setattr(common, "ALLOWED_TARGET_PREFIXES", allowed)
    with pytest.raises(common.UnsafeTargetError, match=rf"unsafe target '{TARGET}' is blocked"):
        find_class(name).restore_from(str(archive))
    # After a failure NeMo's own classes leave the state "a model is being restored" set; `VocosModel` resets it.
    assert nemo.ModelPT._is_model_being_restored() == (name != "VocosModel")
    nemo.ModelPT._set_model_restore_state(is_being_restored=False)


@pytest.mark.parametrize(
    ("member", "change", "message"),
    [
        (
            "model_config.yaml",
            lambda content: content.replace(b"kind: convnext", b"kind: waffle"),
            "unknown kind 'waffle'",
        ),
        ("model_config.yaml", lambda content: content.replace(TARGET.encode(), b"os.system"), "os.system"),
        ("model_config.yaml", lambda content: content.replace(b"dim: 16", b"dim: 24"), "size mismatch"),
        (
            "model_config.yaml",
            lambda content: content.replace(b"highfreq: 8000", b"highfreq: 900"),
            "has no information for",
        ),
        ("model_weights.ckpt", lambda content: content[:1000], None),
    ],
    ids=["configuration", "class", "shapes", "mel", "weights"],
)
def test_a_failed_restore(member, change, message, repack, vocoder, nemo):
    """A failed restore leaves NeMo's state unchanged, also while another model is being restored."""
    changed = repack(member, change)
    with pytest.raises(Exception, match=message):
        vocoder.VocosModel.restore_from(str(changed))
    assert not nemo.ModelPT._is_model_being_restored()
    nemo.ModelPT._set_model_restore_state(is_being_restored=True, folder="outer")
    with pytest.raises(Exception, match=message):
        vocoder.VocosModel.restore_from(str(changed))
    from nemo.utils.app_state import AppState

    assert (AppState().is_model_being_restored, AppState().nemo_file_folder) == (True, "outer")
    nemo.ModelPT._set_model_restore_state(is_being_restored=False)


def test_available_models(vocoder, nemo):
    """NVIDIA's catalogue is unchanged with `VocosModel` among the vocoders, which adds no models."""
    from nemo.collections.tts.models.base import Vocoder

    assert vocoder.VocosModel in Vocoder.__subclasses__()
    assert vocoder.VocosModel.list_available_models() == []
    names = [model.pretrained_model_name for model in Vocoder.list_available_models()]
    assert names == [model.pretrained_model_name for model in nemo.HifiGanModel.list_available_models()]
    with pytest.raises(FileNotFoundError, match="tts_en_hifigan was not found"):
        vocoder.VocosModel.from_pretrained("tts_en_hifigan")
