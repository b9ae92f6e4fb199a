"""Results against the package ``vocos`` 0.1.0, which runs in another process, with the same random weights."""

from __future__ import annotations

import pytest
import torch
from vocos_reference import blocks, discriminators, losses, transforms

from vocos_plugins.inference.fast.engine import FastEngine

# Float32 rounding of two differently ordered computations, relative to the peak.
SAME = 1e-5
MELS = ("center", "same", "mixed", "resnet", "symexp", "cos")
FAST = ("center", "same", "mixed", "symexp", "cos", "encodec")


@pytest.fixture(autouse=True)
def without_gradients():
    """Modules are called as they are in decoding."""
    with torch.no_grad():
        yield


@pytest.mark.parametrize("name", MELS)
def test_keys_are_the_same(name, build, oracle):
    """State dicts have the same keys in the same order, with the same shapes."""
    found, expected = build(name).state_dict(), oracle["cases"][name]["state"]
    assert [*found] == [*expected]
    assert [each.shape for each in found.values()] == [each.shape for each in expected.values()]


def test_only_encodec_s_own_weights_are_missing(build, oracle):
    """The model's keys are the reference's without EnCodec, whose keys load and are ignored."""
    expected = [key for key in oracle["cases"]["encodec"]["state"] if ".encodec." not in key]
    assert [*build("encodec").state_dict()] == expected


@pytest.mark.parametrize("name", MELS)
def test_one_seed_makes_the_same_model(name, build, oracle):
    """Training starts at the same weights; windows and tables agree to rounding."""
    torch.manual_seed(0)
    found = build(name).state_dict()
    for key, expected in oracle["cases"][name]["initial"].items():
        torch.testing.assert_close(found[key], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MELS)
def test_decode(name, load, oracle, relative_error):
    """Audio is equal, by the engine and by the modules."""
    model, expected = load(name), oracle["cases"][name]
    assert relative_error(model.decode(expected["features"]), expected["audio"]) < SAME
    by_modules = model.head(model.backbone(expected["features"]))
    assert relative_error(by_modules, expected["audio"]) < SAME


@pytest.mark.parametrize("name", MELS)
def test_copy_synthesis(name, load, oracle, relative_error):
    """Features and the audio of audio are equal, for a length that is no whole number of frames."""
    model, expected = load(name), oracle["cases"][name]
    assert relative_error(model.feature_extractor(expected["input"]), expected["extracted"]) < SAME
    if model.feature_extractor.padding == "center":  # torch mirrors a signal without a batch in no other way
        assert relative_error(model.feature_extractor(expected["input"][0]), expected["extracted"][0]) < SAME
    assert relative_error(model(expected["input"]), expected["copy"]) < SAME


@pytest.mark.parametrize("name", FAST)
def test_the_engine_is_used(name, load, oracle):
    """Models of this package's parts are decoded by the fast engine."""
    model = load(name)
    model.decode(oracle["cases"][name]["features"], **({"bandwidth_id": 1} if name == "encodec" else {}))
    assert isinstance(model._backend._built[1], FastEngine)


def test_bandwidths(load, oracle, relative_error):
    """Every form of ``bandwidth_id`` of the reference, and an integer."""
    model, expected = load("encodec"), oracle["cases"]["encodec"]
    for name, ids in expected["ids"].items():
        assert relative_error(model.decode(expected["features"], bandwidth_id=ids), expected["audio"][name]) < SAME
        by_modules = model.head(model.backbone(expected["features"], bandwidth_id=ids))
        assert relative_error(by_modules, expected["audio"][name]) < SAME
    for same in (2, torch.tensor(2), torch.tensor([2, 2, 2])):  # WhisperSpeech passes the second
        assert relative_error(model.decode(expected["features"], bandwidth_id=same), expected["audio"]["one"]) < SAME
    with pytest.raises(ValueError, match="needs a bandwidth_id"):
        model.decode(expected["features"])


def test_codes(load, oracle):
    """Sums of codebook vectors are bit-equal, with and without a batch, for any number of codebooks."""
    model, expected = load("encodec"), oracle["cases"]["encodec"]
    assert torch.equal(model.codes_to_features(expected["codes"]), expected["summed"])
    assert torch.equal(model.codes_to_features(expected["codes"][:, 0]), expected["summed_single"])
    with pytest.raises(ValueError, match="MelSpectrogramFeatures"):
        load("center").codes_to_features(expected["codes"])


def test_modules(oracle, relative_error):
    """Blocks and functions, with all arguments."""
    parts = oracle["parts"]
    block = blocks.ConvNeXtBlock(8, 24, 0.5, adanorm_num_embeddings=3)
    block.load_state_dict(parts["block"][0], strict=True)
    assert relative_error(block(parts["x"], cond_embedding_id=torch.tensor([[1], [2]])), parts["block"][1]) < SAME
    plain = blocks.ResBlock1(8, kernel_size=5, dilation=(1, 2, 4))
    assert [*plain.state_dict()] == [*parts["resblock"][0]]
    plain.load_state_dict(parts["resblock"][0], strict=True)
    assert relative_error(plain(parts["x"]), parts["resblock"][1]) < SAME
    plain.remove_weight_norm()
    assert relative_error(plain(parts["x"]), parts["resblock"][1]) < SAME
    for name in ("symlog", "symexp", "safe_log"):
        torch.testing.assert_close(getattr(blocks, name)(parts["x"]), parts[name])


@pytest.mark.parametrize("padding", ["center", "same"])
def test_transforms(padding, oracle, relative_error):
    """Transforms by themselves, and their buffers."""
    parts = oracle["parts"]
    inverse = transforms.ISTFT(64, 16, 64, padding)
    assert relative_error(inverse(parts["spectrum"]), parts[f"istft-{padding}"]) < SAME
    coefficients = parts[f"mdct-{padding}"][1]
    for name, kind, given in (("mdct", transforms.MDCT, parts["audio"]), ("imdct", transforms.IMDCT, coefficients)):
        state, expected = parts[f"{name}-{padding}"]
        module = kind(64, padding)
        assert [*module.state_dict()] == [*state]
        for key, value in module.state_dict().items():
            torch.testing.assert_close(value, state[key], rtol=0, atol=2e-5)
        assert relative_error(module(given), expected) < SAME


@pytest.mark.parametrize("name", ["periods", "resolutions"])
def test_discriminators_and_losses(name, oracle, relative_error):
    """Scores, layer outputs and the three adversarial losses, conditioned on a bandwidth."""
    expected = oracle["training"]
    module = {
        "periods": lambda: discriminators.MultiPeriodDiscriminator((3,), num_embeddings=2),
        "resolutions": lambda: discriminators.MultiResolutionDiscriminator((512,), num_embeddings=2),
    }[name]()
    state, judged = expected[name]
    assert {*module.state_dict()} == {*state}
    module.load_state_dict(state, strict=True)
    found = module(y=expected["real"], y_hat=expected["fake"], bandwidth_id=torch.tensor([1]))
    for own, other in zip(_flat(found), _flat(judged), strict=True):
        assert relative_error(own, other) < SAME
    scores, fake_scores, features, fake_features = judged
    own_losses = [
        losses.GeneratorLoss()(fake_scores),
        losses.DiscriminatorLoss()(scores, fake_scores),
        losses.FeatureMatchingLoss()(features, fake_features),
    ]
    for own, other in zip(_flat(own_losses), _flat(expected[f"{name}-losses"]), strict=True):
        assert relative_error(own, other) < SAME


def test_mel_loss(oracle, relative_error):
    """The distance of mels, and the keys of its front end."""
    state, expected = oracle["training"]["mel"]
    module = losses.MelSpecReconstructionLoss()
    module.load_state_dict(state, strict=True)
    assert relative_error(module(oracle["training"]["fake"], oracle["training"]["real"]), expected) < SAME


def _flat(nested: object) -> list[torch.Tensor]:
    return [nested] if isinstance(nested, torch.Tensor) else [leaf for each in nested for leaf in _flat(each)]
