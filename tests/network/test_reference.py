"""The model against the published package, ``vocos`` 0.1.0, with the same random weights."""

import pytest
import torch

from helpers.paths import ROOT
from vocos_plugins import MelConvention, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, IMDCTSymExp, ResNet, VocosConfig
from vocos_plugins.network.backbone import ConvNeXtBackbone, ResNetBackbone
from vocos_plugins.network.heads import IMDCTSymExpHead

# Float32 rounding of two differently ordered computations, relative to the audio's peak.
SAME_MODEL = 1e-5
# The reference's IMDCT loses 1.3e-5 of the peak in frames of 640 to float32 angles (test_mdct measures ours).
LONG_IMDCT = 5e-5

GOLDEN = ROOT / "tests" / "golden"
# What the reference holds and we don't: the EnCodec network itself, and the IMDCT's constants.
DROPPED = ("feature_extractor.encodec.", "head.imdct.")
FAMILIES = {
    "mel-istft": ("mel", "convnext", "istft"),
    "mel-resnet": ("mel", "resnet", "istft"),
    "mel-symexp": ("mel", "convnext", "imdct-symexp"),
    "mel-cos": ("mel", "convnext", "imdct-cos"),
    "encodec-istft": ("encodec-24khz", "adanorm", "istft"),
    "encodec-symexp": ("encodec-24khz", "adanorm", "imdct-symexp"),
}
families = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
framings = pytest.mark.parametrize("framing", ["center", "same"])

FULL_SIZE = {
    "mel": VocosConfig(
        features=MelConvention(
            sample_rate=24000, n_fft=1024, win_length=1024, hop_length=256, n_mels=100, guard_value=1e-7
        ),
        backbone=ConvNeXt(dim=512, intermediate_dim=1536, num_layers=8),
        head=ISTFT(n_fft=1024, hop_length=256),
    ),
    "encodec": VocosConfig(
        features=EncodecCodes(),
        backbone=ConvNeXt(dim=384, intermediate_dim=1152, num_layers=8, adanorm_num_embeddings=4),
        head=ISTFT(n_fft=1280, hop_length=320, framing="same"),
    ),
}


@pytest.fixture(scope="module")
def make_pair(make_config, make_reference, randomize):
    """Our model and the reference's, with the reference's random weights in both."""

    def pair(family, framing):
        config = make_config(*family, framing)
        reference = randomize(make_reference(config))
        weights = {key: value for key, value in reference.state_dict().items() if not key.startswith(DROPPED)}
        ours = Vocos(config).eval()
        ours.load_state_dict(weights, strict=True)
        return ours, reference

    return pair


@pytest.mark.parametrize("kind", FULL_SIZE)
def test_full_size_state_dict(kind):
    """Keys and shapes are those of the published checkpoints, so that they load strictly."""
    found = [f"{key}\t{tuple(value.shape)}" for key, value in Vocos(FULL_SIZE[kind]).state_dict().items()]
    expected = (GOLDEN / f"keys-{kind}.txt").read_text().splitlines()
    assert sorted(found) == sorted(expected)


@families
@framings
def test_decode_equals_reference(family, framing, make_pair, noise, relative_error):
    """Audio agrees for one frame (where the reference takes one) to 1000, for one row and for three."""
    ours, reference = make_pair(family, framing)
    conditioned = ours.config.n_bandwidths is not None
    tolerance = LONG_IMDCT if family == FAMILIES["encodec-symexp"] else SAME_MODEL
    shortest = 2 if (framing, family[2]) == ("center", "istft") else 1
    for batch, n_frames in [(1, shortest), (3, 2), (1, 7), (3, 100), (1, 1000)]:
        features = 2 * noise(batch, ours.config.n_features, n_frames)
        bandwidths = torch.arange(batch) % 4 if conditioned else None
        expected = reference.decode(features, bandwidth_id=bandwidths[:, None] if conditioned else None)
        found = ours.decode(features, bandwidth_id=bandwidths)
        assert relative_error(found, expected) < tolerance, (batch, n_frames)


@framings
@pytest.mark.parametrize("n_samples", [101, 1600, 16000])
def test_copy_synthesis_equals_reference(framing, n_samples, make_pair, chirp, noise, relative_error):
    """From waveform to waveform, mel included, lengths that are no whole frames too."""
    ours, reference = make_pair(FAMILIES["mel-istft"], framing)
    audio = torch.cat([chirp(n_samples), 0.1 * noise(1, n_samples)])
    assert relative_error(ours(audio), reference(audio)) < SAME_MODEL


@pytest.mark.parametrize("n_codebooks", [2, 4, 8, 16])
def test_codes_to_features_equals_reference(n_codebooks, make_pair):
    """Sums of codebook vectors are bit-equal, with and without a batch dimension."""
    ours, reference = make_pair(FAMILIES["encodec-istft"], "same")
    codes = torch.randint(1024, (n_codebooks, 3, 50), generator=torch.Generator().manual_seed(n_codebooks))
    assert torch.equal(ours.codes_to_features(codes), reference.codes_to_features(codes))
    assert torch.equal(ours.codes_to_features(codes[:, 0]), reference.codes_to_features(codes[:, 0]))


def test_clipped_magnitudes_equal_reference(make_pair, noise, relative_error):
    """Where the linear layer asks for more than the magnitude bound, both clip at the same value."""
    ours, reference = make_pair(FAMILIES["mel-istft"], "center")
    with torch.no_grad():
        reference.head.out.bias[: reference.head.out.out_features // 2].add_(4.0)
        ours.head.out.bias.copy_(reference.head.out.bias)
    features = noise(2, 12, 40)
    magnitude = ours.head.spectrum(ours.backbone(features), features).abs()
    share_clipped = float((magnitude > 99.99).float().mean())
    assert 0.05 < share_clipped < 0.95
    assert relative_error(ours.decode(features), reference.decode(features)) < SAME_MODEL


@pytest.mark.parametrize("scale", [None, 0.3])
def test_initial_backbones_equal_reference(scale):
    """From one seed both packages start training at the same weights."""
    from vocos.models import VocosBackbone, VocosResNetBackbone

    def built(make):
        torch.manual_seed(3)
        return make()

    expected = built(lambda: VocosBackbone(12, 16, 32, 3, scale, 4)).state_dict()
    options = ConvNeXt(
        dim=16, intermediate_dim=32, num_layers=3, layer_scale_init_value=scale, adanorm_num_embeddings=4
    )
    found = built(lambda: ConvNeXtBackbone(12, options)).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)

    reference = built(lambda: VocosResNetBackbone(12, 16, 2, scale))
    ours = built(lambda: ResNetBackbone(12, ResNet(dim=16, num_blocks=2, layer_scale_init_value=scale)))
    features = torch.ones(1, 12, 20)
    torch.testing.assert_close(ours(features), reference(features), rtol=0, atol=SAME_MODEL)


def test_perceptual_scaling_equals_reference(monkeypatch):
    """``sample_rate`` scales the IMDCT head's initial weights as the reference does."""
    import scipy.signal
    from vocos.heads import IMDCTSymExpHead as ReferenceHead

    # scipy moved this window to scipy.signal.windows after the package was published.
    monkeypatch.setattr(scipy.signal, "cosine", scipy.signal.windows.cosine, raising=False)
    torch.manual_seed(5)
    expected = ReferenceHead(16, 32, "center", sample_rate=16000).out.weight
    torch.manual_seed(5)
    found = IMDCTSymExpHead(16, IMDCTSymExp(frame_length=32, sample_rate=16000)).out.weight
    assert torch.equal(found, expected)
