"""Conventions from ``.nemo`` archives: NeMo's own, damaged and hostile ones."""

from __future__ import annotations

import io
import tarfile

import pytest
import yaml
from vocos_nemo.mel import DEFAULT, from_nemo, read_convention

from vocos_plugins.mel import ConventionError
from vocos_plugins.storage.limits import MAX_CONFIG_BYTES

pytestmark = pytest.mark.xdist_group("nemo")

TARGET = "_target_: nemo.collections.asr.parts.preprocessing.features.FilterbankFeatures"


@pytest.fixture
def archive(tmp_path):
    """Writes a tar archive of members: name to content, or to a `TarInfo`'s changes for a link or a folder."""

    def make(members, mode="w", name="model.nemo"):
        path = tmp_path / name
        with tarfile.open(path, mode) as tar:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                if isinstance(content, str):
                    info.size = len(content.encode())
                    tar.addfile(info, io.BytesIO(content.encode()))
                else:
                    info.type, info.linkname = content
                    tar.addfile(info)
        return path

    return make


@pytest.fixture
def saved_model(nemo, recipe_config, tmp_path):
    """Returns a ``.nemo`` file of a small HiFi-GAN, saved by NeMo, and the model."""
    config = recipe_config("nemo-hifigan-22khz")
    config.model.generator = {
        "_target_": "nemo.collections.tts.modules.hifigan_modules.Generator",
        "resblock": 1,
        "upsample_rates": [16, 16],
        "upsample_kernel_sizes": [32, 32],
        "upsample_initial_channel": 4,
        "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1, 1, 1]],
    }
    config.model.debug = True  # small discriminators
    config.model.train_ds = {"dataset": {"_target_": "nemo.collections.tts.data.dataset.VocoderDataset"}}
    # Otherwise the constructor needs the training data.
    nemo.ModelPT._set_model_restore_state(is_being_restored=True)
    try:
        model = nemo.HifiGanModel(cfg=config.model)
    finally:
        nemo.ModelPT._set_model_restore_state(is_being_restored=False)
    model.save_to(str(tmp_path / "hifigan.nemo"))
    return tmp_path / "hifigan.nemo", model


def test_model_saved_by_nemo(saved_model, tmp_path):
    """NeMo's file, its unpacked folder and the model's configuration are read, without unpacking."""
    path, model = saved_model
    assert read_convention(path).name == "nemo-hifigan-22khz"
    assert from_nemo(model.cfg).name == from_nemo(model.cfg.preprocessor).name == "nemo-hifigan-22khz"
    assert list(tmp_path.iterdir()) == [path]
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    assert read_convention(tmp_path / "unpacked").name == "nemo-hifigan-22khz"
    with pytest.raises(ConventionError, match=r"got a HifiGanModel; a model has it as model\.cfg\.preprocessor"):
        from_nemo(model)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("member", ["model_config.yaml", "./model_config.yaml"])
@pytest.mark.parametrize("name", ["nemo-fastpitch-44khz", "nemo-hifigan-dataset-22khz"])
def test_archives_of_both_families(name, member, mode, recipe_options, archive):
    """Plain and gzipped archives are read, with the old and the new configuration name, behind other members."""
    config = yaml.safe_dump({"preprocessor": recipe_options(name), "sample_rate": 22050})
    path = archive({"model_weights.ckpt": "0" * 10_000, "sub/model_config.yaml": "{}", member: config}, mode)
    assert read_convention(path).name == name


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"model_weights.ckpt": ""}, "the archive has no model_config.yaml"),
        ({"../model_config.yaml": TARGET, "/model_config.yaml": TARGET}, "the archive has no model_config.yaml"),
        ({"model_config.yaml": (tarfile.SYMTYPE, "/etc/hostname")}, "the archive has no model_config.yaml"),
        ({"secret": TARGET, "model_config.yaml": (tarfile.LNKTYPE, "secret")}, "the archive has no model_config.yaml"),
        ({"model_config.yaml": (tarfile.DIRTYPE, "")}, "the archive has no model_config.yaml"),
        (
            {"model_config.yaml": "#" * (MAX_CONFIG_BYTES + 1)},
            f"model_config.yaml has more than {MAX_CONFIG_BYTES} bytes",
        ),
        ({"model_config.yaml": "a: ["}, "has no valid configuration: .*while parsing"),
        ({"model_config.yaml": "- 1"}, "expected a mapping, got"),
        ({"model_config.yaml": "a: !!python/object/apply:os.getcwd []"}, "could not determine a constructor"),
        ({"model_config.yaml": "a: !!timestamp x"}, "has no valid configuration"),
        ({"model_config.yaml": "target: nemo.collections.tts.models.AudioCodecModel"}, "it outputs codes"),
        ({"model_config.yaml": "target: nemo.collections.tts.models.Unheard"}, "this Unheard's .*has no preprocessor"),
        ({"model_config.yaml": "preprocessor: {_target_: mine.Preprocessor}"}, "_target_ is 'mine.Preprocessor'"),
        ({"model_config.yaml": f"preprocessor: {{{TARGET}}}"}, r"model\.nemo: normalize is 'per_feature'"),
        ({"model_config.yaml": f"preprocessor: {{{TARGET}, sample_rate: '${{x}}'}}"}, r"sample_rate -> x: not in"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_damaged_and_hostile_archives(members, message, archive, tmp_path):
    """Archives that hold no model, or links out of it, are clear errors; nothing is unpacked or followed."""
    path = archive(members)
    with pytest.raises(ConventionError, match=message):
        read_convention(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("kept", [0, 10, 700])
def test_truncated_archives(kept, mode, archive, recipe_options):
    """An archive that is cut off anywhere, or is no archive, is an error."""
    path = archive({"model_config.yaml": yaml.safe_dump({"preprocessor": recipe_options(DEFAULT.name)})}, mode)
    path.write_bytes(path.read_bytes()[: kept if mode == "w" else min(kept, 200)])
    with pytest.raises(ConventionError, match=r"model\.nemo has no valid configuration"):
        read_convention(path)


def test_file_made_to_fill_the_memory(write):
    """Merge keys can't grow beyond the size of a configuration."""
    parts = [f"a{n}: &a{n} {{{', '.join(f'k{n}_{key}: 0' for key in range(6_000))}}}" for n in range(2)]
    with pytest.raises(ConventionError, match="more than 10000 values"):
        read_convention(write("\n".join([*parts, "b: {<<: [*a0, *a1]}"]), "model_config.yaml"))
