"""Reading the configurations of the reference package and its forks."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import yaml

from vocos_plugins import MelConvention
from vocos_plugins.config import ConvNeXt, EncodecCodes, ResNet, VocosConfig
from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.storage.cards import LANGTECH_22KHZ, VOCOS_24KHZ
from vocos_plugins.storage.reference_config import from_reference, is_reference

KINDS = [
    ("mel", "convnext", "istft", "center"),
    ("mel", "convnext", "istft", "same"),
    ("mel", "resnet", "imdct-symexp", "center"),
    ("mel", "convnext", "imdct-cos", "same"),
    ("mel", "convnext", "wavenext", "same"),
    ("encodec-24khz", "adanorm", "istft", "same"),
]
# As published with charactr/vocos-mel-24khz, and as BSC-LT/vocos-mel-22khz names its mel.
PUBLISHED_24KHZ = """
feature_extractor:
  class_path: vocos.feature_extractors.MelSpectrogramFeatures
  init_args: {sample_rate: 24000, n_fft: 1024, hop_length: 256, n_mels: 100, padding: center}
backbone:
  class_path: vocos.models.VocosBackbone
  init_args: {input_channels: 100, dim: 512, intermediate_dim: 1536, num_layers: 8}
head:
  class_path: vocos.heads.ISTFTHead
  init_args: {dim: 512, n_fft: 1024, hop_length: 256, padding: center}
"""
MEL_22KHZ = {"sample_rate": 22050, "n_fft": 1024, "hop_length": 256, "n_mels": 80, "padding": "same"}
BANDS_22KHZ = {"f_min": 0, "f_max": 8000, "norm": "slaney", "mel_scale": "slaney"}


@pytest.fixture
def published(make_config, publish) -> dict:
    """A published configuration that a test may change."""
    return copy.deepcopy(publish(make_config()))


def with_mel(arguments: dict) -> dict:
    """Returns an 80-band model's configuration with these arguments of the feature extractor."""
    mapping = yaml.safe_load(PUBLISHED_24KHZ)
    mapping["feature_extractor"]["init_args"] = arguments
    mapping["backbone"]["init_args"]["input_channels"] = 80
    mapping["head"]["init_args"]["padding"] = "same"
    return mapping


def mel_of(mapping: dict) -> MelConvention:
    mel = from_reference(mapping).features
    assert isinstance(mel, MelConvention)
    return mel


def test_published_24khz() -> None:
    """The published configuration of the paper's model is read."""
    config = from_reference(yaml.safe_load(PUBLISHED_24KHZ))
    assert config.features == VOCOS_24KHZ
    assert config.backbone == ConvNeXt(dim=512, intermediate_dim=1536, num_layers=8)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_every_known_class(kind, make_config, publish, as_training) -> None:
    """Every feature extractor, backbone and head is read, from the published form and the training form."""
    config = make_config(*kind)
    assert from_reference(publish(config)) == config
    assert from_reference(as_training(publish(config))) == config


def test_formats_are_distinguished(published, as_training, make_config) -> None:
    """A configuration of this package is not taken for one of the reference."""
    assert is_reference(published)
    assert is_reference(as_training(published))
    assert not is_reference(make_config().to_dict())
    assert not is_reference({"feature_extractor": None})


@pytest.mark.parametrize(
    "arguments",
    [BANDS_22KHZ, {"f_min": 0}, {"f_max": 8000}, {"norm": "slaney"}, {"mel_scale": "slaney"}],
    ids="-".join,
)
def test_any_band_argument_means_the_fork(arguments) -> None:
    """The fork's defaults fill in what is left out, and its floor is 1e-5."""
    assert mel_of(with_mel({**MEL_22KHZ, **arguments})) == LANGTECH_22KHZ


def test_no_band_argument_means_the_original() -> None:
    """Without band arguments, bands are HTK's up to the Nyquist frequency, with the original's floor."""
    expected = dataclasses.replace(LANGTECH_22KHZ, f_max=None, mel_scale="htk", mel_norm=None, guard_value=1e-7)
    assert mel_of(with_mel(MEL_22KHZ)) == expected


def test_band_values_of_the_fork_are_kept() -> None:
    """Stated values override the fork's defaults; a null f_max is the Nyquist frequency."""
    mel = mel_of(with_mel({**MEL_22KHZ, "f_min": 20, "f_max": None, "norm": None}))
    assert (mel.f_min, mel.f_max, mel.mel_norm, mel.mel_scale) == (20.0, None, None, "slaney")


def test_clip_val_of_wavenext_pytorch() -> None:
    """That fork states its floor, which YAML 1.1 reads as text, and keeps the original's defaults."""
    text = yaml.safe_load("clip_val: 1e-5")
    assert mel_of(with_mel({**MEL_22KHZ, **BANDS_22KHZ, **text})) == LANGTECH_22KHZ
    assert mel_of(with_mel({**MEL_22KHZ, **text})).mel_scale == "htk"


def test_known_mel_overrides() -> None:
    """A card's convention replaces the file's before the parts are compared."""
    mapping = with_mel({**MEL_22KHZ, "padding": "center"})
    assert from_reference(mapping, LANGTECH_22KHZ).features == LANGTECH_22KHZ
    with pytest.raises(ConfigError, match="framing"):
        from_reference(mapping)


def test_encodec_codebooks_follow_the_largest_bandwidth(make_config, publish) -> None:
    """At 75 frames per second and 10 bits per code, 12 kb/s need 16 codebooks and 24 kb/s need 32."""
    mapping = publish(make_config("encodec-24khz", "adanorm", "istft", "same"))
    assert from_reference(mapping).features == EncodecCodes()
    mapping["feature_extractor"]["init_args"]["bandwidths"] = [6, 24]
    features = from_reference(mapping).features
    assert isinstance(features, EncodecCodes)
    assert (features.n_codebooks, features.bandwidths) == (32, (6.0, 24.0))


def test_zero_layer_scale_is_the_default(published) -> None:
    """The reference treats 0 as "not set", for both backbones."""
    published["backbone"]["init_args"]["layer_scale_init_value"] = 0
    config = from_reference(published)
    assert isinstance(config.backbone, ConvNeXt | ResNet)
    assert config.backbone.layer_scale_init_value is None


@pytest.mark.parametrize("where", ["feature_extractor", "backbone", "head"])
@pytest.mark.parametrize("path", ["os.system", "vocos.heads.Other", "vocos.models.VocosBackbone.__init__", ""])
def test_other_classes_are_refused(where, path, published) -> None:
    """A path that isn't in the table is named in the error and never imported."""
    published[where]["class_path"] = path
    with pytest.raises(ConfigError, match=f"{where}.*{path!r}"):
        from_reference(published)


def test_a_class_of_another_part_is_refused(published) -> None:
    """A head's class is refused as a backbone."""
    published["backbone"]["class_path"] = "vocos.heads.ISTFTHead"
    with pytest.raises(ConfigError, match=r"backbone.*ISTFTHead"):
        from_reference(published)


@pytest.mark.parametrize(
    ("where", "change", "message"),
    [
        ("feature_extractor", {"win_length": 512}, "win_length"),
        ("backbone", {"dilation": 2}, "dilation"),
        ("head", {"window": "hann"}, "window"),
        ("head", {"n_fft": "64"}, "n_fft must be an integer"),
        ("head", {"n_fft": True}, "n_fft must be an integer"),
        ("head", {"n_fft": 0}, "n_fft must be an integer"),
        ("head", {"padding": "valid"}, "'center' or 'same'.*'valid'"),
        ("feature_extractor", {"padding": "valid"}, "framing"),
        ("feature_extractor", {"f_max": "high"}, "f_max must be a number, got 'high'"),
        ("feature_extractor", {"f_max": 8000.5}, "f_max"),
        ("feature_extractor", {"mel_scale": "bark"}, "mel_scale"),
        ("backbone", {"input_channels": 13}, "input_channels is 13, but the features have 12 channels"),
        ("head", {"dim": 17}, "dim is 17, but the backbone's is 16"),
        ("head", {"hop_length": 32}, "32 samples per frame"),
    ],
)
def test_bad_arguments_are_named(where, change, message, published) -> None:
    """Unknown, mistyped and contradictory arguments are named in the error."""
    published[where]["init_args"].update(change)
    with pytest.raises(ConfigError, match=message):
        from_reference(published)


@pytest.mark.parametrize("where", ["feature_extractor", "backbone", "head"])
@pytest.mark.parametrize(
    "part", [None, "vocos.heads.ISTFTHead", {}, {"class_path": ["os"]}, {"class_path": "os.system", "args": [1]}]
)
def test_malformed_parts_are_refused(where, part, published) -> None:
    """A part that is not a mapping of class_path and init_args is named in the error."""
    published[where] = part
    with pytest.raises(ConfigError, match=where):
        from_reference(published)


@pytest.mark.parametrize("name", ["dim", "n_fft", "hop_length"])
def test_missing_arguments_are_named(name, published) -> None:
    """A required argument that is missing is named in the error."""
    del published["head"]["init_args"][name]
    with pytest.raises(ConfigError, match=f"needs {name}"):
        from_reference(published)


def test_other_encodec_models_are_refused(make_config, publish) -> None:
    """The 48 kHz EnCodec has another frame rate, normalized audio and two channels."""
    mapping = publish(make_config("encodec-24khz", "adanorm", "istft", "same"))
    mapping["feature_extractor"]["init_args"]["encodec_model"] = "encodec_48khz"
    with pytest.raises(ConfigError, match="encodec_48khz"):
        from_reference(mapping)


def test_translation_survives_our_own_format() -> None:
    """A configuration in the reference's format can be written and read back in this package's."""
    config = from_reference(yaml.safe_load(PUBLISHED_24KHZ))
    assert VocosConfig.from_dict(yaml.safe_load(yaml.safe_dump(config.to_dict()))) == config
