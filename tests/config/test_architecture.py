"""The YAML form of configurations: round trips, and what is refused."""

import dataclasses
import math
import re

import pytest
import yaml

from vocos_plugins import Vocos
from vocos_plugins.config import (
    BACKBONES,
    FEATURES,
    HEADS,
    ISTFT,
    ConvNeXt,
    EncodecCodes,
    IMDCTCos,
    IMDCTSymExp,
    ResNet,
    VocosConfig,
    WaveNeXt,
)
from vocos_plugins.config.mapping import NORMALIZATIONS, ConfigError, read_part
from vocos_plugins.mel import LevelNormalization, MeanStdNormalization, MelConvention

MEL = MelConvention(name="test", sample_rate=16000, n_fft=64, win_length=64, hop_length=16, n_mels=3)
LEVEL = LevelNormalization(ref_level=20.0, min_level=-100.0, max_norm=4.0, symmetric=True, clip=True)
CONVNEXT = ConvNeXt(dim=16, intermediate_dim=32, num_layers=2)
PLAIN = VocosConfig(features=MEL, backbone=CONVNEXT, head=ISTFT(n_fft=64, hop_length=16))


def changed(config: VocosConfig, **parts: object) -> VocosConfig:
    return dataclasses.replace(config, **parts)


CONFIGS = {
    "plain": PLAIN,
    "prior": changed(PLAIN, head=ISTFT(n_fft=64, hop_length=16, amplitude_prior=True)),
    "upsampled": changed(PLAIN, head=ISTFT(n_fft=128, hop_length=32, amplitude_prior=True, upsample=2)),
    "refined": changed(PLAIN, head=ISTFT(n_fft=64, hop_length=16, refinement_steps=2, contrast=1.1)),
    "resnet": changed(PLAIN, backbone=ResNet(dim=16, num_blocks=2, layer_scale_init_value=0.25)),
    "symexp": changed(PLAIN, head=IMDCTSymExp(frame_length=32, sample_rate=16000, clip_audio=True)),
    "cos": changed(PLAIN, head=IMDCTCos(frame_length=32)),
    "wavenext": changed(
        PLAIN, features=dataclasses.replace(MEL, framing="same"), head=WaveNeXt(n_fft=64, hop_length=16)
    ),
    "encodec": VocosConfig(
        features=EncodecCodes(bandwidths=(1.5, 6.0)),
        backbone=dataclasses.replace(CONVNEXT, adanorm_num_embeddings=2),
        head=ISTFT(n_fft=1280, hop_length=320, framing="same"),
    ),
    "level": changed(PLAIN, features=dataclasses.replace(MEL, normalization=LEVEL, f_max=7600.0, pad_value=-4.0)),
    "mean-std": changed(
        PLAIN,
        features=dataclasses.replace(MEL, normalization=MeanStdNormalization(mean=(-5.0, 0.0, 1.0), std=2.0)),
    ),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_round_trip(config):
    """Written and read by a plain YAML parser, the YAML form returns an equal configuration."""
    text = yaml.safe_dump(config.to_dict())
    again = VocosConfig.from_dict(yaml.safe_load(text))
    assert again == config
    assert again.to_dict() == config.to_dict()


def test_round_trip_covers_every_kind():
    """Each kind in the closed tables occurs in one of the configurations above."""
    parts = [part for config in CONFIGS.values() for part in (config.features, config.backbone, config.head)]
    parts += [part.normalization for part in parts if isinstance(part, MelConvention)]
    for table in (FEATURES, BACKBONES, HEADS, NORMALIZATIONS):
        assert {type(part) for part in parts} >= set(table.values())


def test_defaults_are_written():
    """A later change of a default can't change a stored model: all fields but newer ones are in the YAML form."""
    written = PLAIN.to_dict()
    for part in ("features", "backbone", "head"):
        fields = {field.name for field in dataclasses.fields(getattr(PLAIN, part)) if not field.metadata}
        assert set(written[part]) == fields | {"kind"}


def test_defaults_may_be_left_out():
    """Only fields without a default are needed."""
    config = VocosConfig.from_dict(
        {
            "features": {
                "kind": "mel",
                "sample_rate": 16000,
                "n_fft": 64,
                "win_length": 64,
                "hop_length": 16,
                "n_mels": 3,
            },
            "backbone": {"kind": "convnext", "dim": 16, "intermediate_dim": 32, "num_layers": 2},
            "head": {"kind": "istft", "n_fft": 64, "hop_length": 16},
        }
    )
    assert config == PLAIN


def test_whole_numbers_are_fine_for_floats():
    """An integer is accepted where a float is expected: people write 8000 for 8000.0."""
    mapping = PLAIN.to_dict()
    mapping["features"]["f_max"] = 8000
    f_max = VocosConfig.from_dict(mapping).features.f_max
    assert f_max == 8000.0
    assert type(f_max) is float


REMOVED = object()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("head.hop_lenght", 16, r"head: unknown key 'hop_lenght'; did you mean 'hop_length'\?"),
        ("head.zzz", 1, "head: unknown key 'zzz'; expected one of amplitude_prior, contrast, framing"),
        ("head.contrast", 0.1, "contrast must be between 0.5 and 2, got 0.1"),
        ("haed", {}, r"unknown key 'haed'; did you mean 'head'\?"),
        ("head", REMOVED, "the configuration: missing head"),
        ("features.n_mels", REMOVED, "features: missing n_mels"),
        ("features.n_mels", True, "features.n_mels: expected int, got True"),
        ("features.n_mels", "3", "features.n_mels: expected int, got '3'"),
        ("features.n_mels", 3.0, r"features.n_mels: expected int, got 3\.0"),
        ("features.n_mels", None, "features.n_mels: expected int, got None"),
        ("features.f_min", "1", "features.f_min: expected float, got '1'"),
        ("features.f_min", False, "features.f_min: expected float, got False"),
        ("features.periodic", 1, "features.periodic: expected bool, got 1"),
        ("features.framing", "causal", "features.framing: expected 'center' or 'same', got 'causal'"),
        ("features.f_max", "top", "features.f_max: expected float or null, got 'top'"),
        ("features.f_max", 9000.0, "features: expected 0 <= f_min < f_max <= 8000"),
        ("features.name", 3, "features.name: expected str, got 3"),
        ("features.normalization", {"kind": "minmax"}, "unknown kind 'minmax'; expected one of level, mean-std"),
        ("features.normalization", {"kind": "level", "ref": 1}, r"unknown key 'ref'"),
        ("features.normalization", 3, "features.normalization: expected .* got 3"),
        ("features.kind", "melspec", "features: unknown kind 'melspec'; expected one of mel, encodec"),
        ("features.kind", ["mel"], r"features: unknown kind \['mel'\]"),
        ("features.kind", REMOVED, r"features: expected a mapping with a key 'kind' \(mel, encodec\)"),
        ("backbone", "convnext", "backbone: expected a mapping with a key 'kind'"),
        ("backbone.kind", "os.system", "backbone: unknown kind 'os.system'; expected one of convnext, resnet"),
        ("head.framing", ["same"], "head.framing: expected 'center' or 'same'"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value and " " not in value else "",
)
def test_refused(path, value, message):
    """Each error says where it occurred, what was found and what was expected."""
    mapping = PLAIN.to_dict()
    *parents, key = path.split(".")
    part = mapping
    for parent in parents:
        part = part[parent]
    if value is REMOVED:
        del part[key]
    else:
        part[key] = value
    with pytest.raises(ConfigError, match=message):
        VocosConfig.from_dict(mapping)


@pytest.mark.parametrize("document", [None, [], "text", 3], ids=str)
def test_refused_documents(document):
    """A YAML file that holds no mapping is refused."""
    with pytest.raises(ConfigError, match="the configuration: expected a mapping, got"):
        VocosConfig.from_dict(document)


def test_bandwidths_of_a_wrong_type():
    """Items of a list are checked one by one."""
    mapping = CONFIGS["encodec"].to_dict()
    mapping["features"]["bandwidths"] = [1.5, "6"]
    with pytest.raises(ConfigError, match=r"features\.bandwidths: expected float, got '6'"):
        VocosConfig.from_dict(mapping)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"head": ISTFT(n_fft=64, hop_length=32)}, "head produces 32 samples per frame, but features.hop_length is 16"),
        ({"head": IMDCTCos(frame_length=64)}, "head produces 32 samples per frame, but features.hop_length is 16"),
        (
            {"head": ISTFT(n_fft=64, hop_length=16, framing="same")},
            "head's framing is 'same', but features.framing is 'center'",
        ),
        ({"head": WaveNeXt(n_fft=64, hop_length=16)}, "head's framing is 'same', but features.framing is 'center'"),
        (
            {"head": ISTFT(n_fft=128, hop_length=16, amplitude_prior=True)},
            "the head has n_fft=128, but the mel has n_fft=64, win_length=64, window=hann",
        ),
        (
            {
                "head": ISTFT(n_fft=64, hop_length=16, amplitude_prior=True),
                "features": dataclasses.replace(MEL, win_length=32),
            },
            "the mel has n_fft=64, win_length=32",
        ),
        (
            {
                "head": ISTFT(n_fft=64, hop_length=16, amplitude_prior=True),
                "features": dataclasses.replace(MEL, window="hamming"),
            },
            "window=hamming",
        ),
        (
            {"head": ISTFT(n_fft=1280, hop_length=320, amplitude_prior=True), "features": EncodecCodes()},
            "amplitude_prior needs mel features",
        ),
    ],
    ids=[
        "hop",
        "frame-length",
        "framing",
        "wavenext-framing",
        "prior-n-fft",
        "prior-window-length",
        "prior-window",
        "prior-encodec",
    ],
)
def test_parts_that_do_not_fit(parts, message):
    """Parts must agree on the frame grid, and a prior on the STFT; both values are named."""
    with pytest.raises(ConfigError, match=message):
        changed(PLAIN, **parts)


def test_config_error_is_a_value_error():
    """Code that catches ValueError also catches a bad configuration."""
    assert issubclass(ConfigError, ValueError)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ISTFT(n_fft=65, hop_length=16), "n_fft must be even and at least 2, got 65"),
        (lambda: ISTFT(n_fft=8, hop_length=16), "n_fft=8 leaves gaps between frames of hop_length=16"),
        (lambda: ISTFT(n_fft=64, hop_length=16, framing="centre"), "framing must be one of center, same, got 'centre'"),
        (lambda: IMDCTCos(frame_length=33), "frame_length must be even and at least 2, got 33"),
        (lambda: IMDCTSymExp(frame_length=0), "frame_length must be even and at least 2, got 0"),
        (lambda: WaveNeXt(n_fft=64, hop_length=0), "hop_length must be at least 1, got 0"),
        (lambda: ConvNeXt(dim=0, intermediate_dim=32, num_layers=2), "dim must be at least 1, got 0"),
        (lambda: ConvNeXt(dim=16, intermediate_dim=32, num_layers=0), "num_layers must be at least 1, got 0"),
        (lambda: ResNet(dim=16, num_blocks=0), "num_blocks must be at least 1, got 0"),
        (lambda: EncodecCodes(n_codebooks=8), r"need \[2, 4, 8, 16\] codebooks, but n_codebooks is 8"),
        (lambda: EncodecCodes(bandwidths=()), "bandwidths"),
    ],
)
def test_impossible_sizes_are_refused(build, message):
    """Sizes that no model can have are refused by the part they belong to, with the value."""
    with pytest.raises(ValueError, match=message):
        build()


def test_too_few_embeddings_for_the_bandwidths_are_refused():
    """Every bandwidth of the features needs its own scale and shift; more of them do no harm."""
    head = ISTFT(n_fft=1280, hop_length=320, framing="same")
    conditioned = dataclasses.replace(CONVNEXT, adanorm_num_embeddings=2)
    with pytest.raises(ConfigError, match="adanorm_num_embeddings is 2, but the features have 4 bandwidths"):
        VocosConfig(features=EncodecCodes(), backbone=conditioned, head=head)
    two = EncodecCodes(bandwidths=(6.0,))
    assert VocosConfig(features=two, backbone=conditioned, head=head).n_bandwidths == 1


TOO_LARGE = {
    "num_layers must be at most 256, got 1000000000": {"backbone": {"num_layers": 10**9}},
    "n_fft must be at most 65536, got 134217728": {"head": {"n_fft": 2**27}},
    "n_mels must be at most 1024, got 10000000": {"features": {"n_mels": 10**7}},
    "n_fft must be at most 128 times hop_length, got n_fft=4096, hop_length=1": {
        "features": {"n_fft": 4096, "win_length": 4096, "hop_length": 1}
    },
    "refinement_steps must be between 0 and 1000, got 1000000000": {"head": {"refinement_steps": 10**9}},
    "at most 500,000,000 weights in a model, these sizes give 10,800,": {
        "backbone": {"dim": 3000, "intermediate_dim": 9000, "num_layers": 200}
    },
    "sample_rate must be at most 768000, got 1000000000": {"features": {"sample_rate": 10**9}},
}


@pytest.mark.parametrize("message", TOO_LARGE)
def test_sizes_that_would_take_all_memory_are_refused(message: str) -> None:
    """At once, before anything is built."""
    mapping = PLAIN.to_dict()
    for part, values in TOO_LARGE[message].items():
        mapping[part] |= values
    with pytest.raises(ConfigError, match=re.escape(message)):
        VocosConfig.from_dict(mapping)


@pytest.mark.parametrize("codes", [{"bandwidths": [math.inf]}, {"bandwidths": [math.nan]}, {"codebook_size": 1}])
def test_codes_without_a_bit_rate_are_refused(codes: dict[str, object]) -> None:
    """Not by an arithmetic error: EnCodec's number of codebooks follows from these numbers."""
    with pytest.raises(ConfigError, match=next(iter(codes))):
        read_part({"kind": "encodec"} | codes, FEATURES, "features")


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_are_counted_without_building(name: str) -> None:
    """The count is that of the model's matrices and convolutions, which are its largest parts by far."""
    model = Vocos(CONFIGS[name])
    matrices = sum(value.numel() for value in model.parameters() if value.ndim > 1)
    assert 0.75 * matrices < CONFIGS[name].n_weights <= 1.05 * matrices  # depthwise kernels count at these tiny sizes
