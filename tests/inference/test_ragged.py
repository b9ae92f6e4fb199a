"""Ragged batches: a row decodes as if it were alone, whatever stands in its padding."""

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocos_plugins.inference import decode as decode_module
from vocos_plugins.spectral import istft, output_length

# Batched and single matrix products round differently, and so do those at other places in memory, relative to the row's
# peak: up to 1.1e-6 was seen. In a ResNet no norm holds the hidden states near 1, and the head's exponential magnifies
# what they are off.
ROUNDING = {"convnext": 2e-6, "adanorm": 2e-6, "resnet": 4e-6}
EXACT = 1e-12  # the same in float64
# Two float32 inverses of spectra near 1, in another order of summation.
SINGLE = 2e-6
# Float64 rounding: what a frame outside the receptive field may move.
NOTHING = 1e-12


@pytest.fixture(autouse=True, scope="module", params=[(), ("cpu",)], ids=["masked", "row-by-row"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both ways to decode a ragged batch: with masks as on a GPU, and row by row as on a CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_module, "ROW_BY_ROW", request.param)
        yield


LENGTHS = [23, 9, 1, 0, 14]
N_FRAMES = 26  # more than the longest row: the whole batch has padding
PADDING = {
    "nan": lambda shape: torch.full(shape, math.nan),
    "inf": lambda shape: torch.full(shape, math.inf),
    "minus-inf": lambda shape: torch.full(shape, -math.inf),
    "huge": lambda shape: torch.full(shape, 1e9),
    "noise": lambda shape: 5 * torch.randn(shape, generator=torch.Generator().manual_seed(9)),
}
FAMILIES = {
    "mel": ("mel", "convnext", "istft"),
    "prior": ("mel", "convnext", "prior"),
    "upsampled": ("mel", "convnext", "upsampled"),
    "resnet": ("mel", "resnet", "istft"),
    "encodec": ("encodec", "adanorm", "istft"),
    "symexp": ("mel", "convnext", "imdct-symexp"),
    "cos": ("mel", "resnet", "imdct-cos"),
}
EVERY = {f"{name}-{framing}": (*parts, framing) for name, parts in FAMILIES.items() for framing in ("center", "same")}
EVERY["wavenext"] = ("mel", "convnext", "wavenext", "same")
models = pytest.mark.parametrize("parts", EVERY.values(), ids=EVERY.keys())


def ragged(noise, padding: str) -> torch.Tensor:
    """Random rows of `LENGTHS` frames, each filled up with what ``padding`` names."""
    features = 2 * noise(len(LENGTHS), 12, N_FRAMES)
    valid = torch.arange(N_FRAMES) < torch.tensor(LENGTHS)[:, None]
    return torch.where(valid[:, None], features, PADDING[padding](features.shape))


@models
@pytest.mark.parametrize(
    ("padding", "dtype"),
    [*((name, torch.float64) for name in PADDING), ("nan", torch.float32)],
    ids=[*PADDING, "float32"],
)
def test_each_row_equals_its_own_decode(parts, padding, dtype, make_model, noise):
    """With lengths given, each row is its single decode and then silence, whatever the padding holds."""
    model, features = make_model(*parts).to(dtype), ragged(noise, padding).to(dtype)
    tolerance = EXACT if dtype == torch.float64 else ROUNDING[parts[1]]
    ids = torch.tensor([0, 1, 2, 3, 1]) if parts[0] == "encodec" else None
    found = model.decode(features, lengths=torch.tensor(LENGTHS), bandwidth_id=ids)
    assert found.shape == (len(LENGTHS), output_length(N_FRAMES, model.hop_length, parts[3]))
    for row, length in enumerate(LENGTHS):
        end = output_length(length, model.hop_length, parts[3])
        assert not found[row, end:].any()
        if end == 0:
            continue
        alone = model.decode(features[row, None, :, :length], bandwidth_id=None if ids is None else ids[row])[0]
        assert alone.shape == (end,)
        torch.testing.assert_close(found[row, :end], alone, rtol=0, atol=tolerance * float(alone.abs().max()))


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(0, 12), min_size=1, max_size=4), framing=st.sampled_from(["center", "same"]))
def test_any_lengths(make_model, noise, lengths, framing):
    """Whatever the lengths, a row is its single decode and then silence."""
    model, features = make_model("mel", "convnext", "prior", framing).double(), noise(len(lengths), 12, 12).double()
    found = model.decode(features, lengths=torch.tensor(lengths))
    for row, length in enumerate(lengths):
        alone = model.decode(features[row, None, :, : max(length, 1)])[0, : output_length(length, 16, framing)]
        torch.testing.assert_close(found[row, : len(alone)], alone, rtol=0, atol=EXACT * 100)
        assert not found[row, len(alone) :].any()


@models
def test_padding_would_matter_without_lengths(parts, make_model, noise):
    """The test above is not blind: the same padding without lengths changes the rows before it."""
    model, features = make_model(*parts), ragged(noise, "noise")
    ids = 2 if parts[0] == "encodec" else None
    row, length = 1, LENGTHS[1]
    end = output_length(length, model.hop_length, parts[3])
    blind = model.decode(features, bandwidth_id=ids)[row, :end]
    alone = model.decode(features[row, None, :, :length], bandwidth_id=ids)[0]
    assert (blind - alone).abs().max() > 0.01 * alone.abs().max()


@pytest.mark.parametrize("parts", [EVERY["mel-center"], EVERY["mel-same"]], ids=["center", "same"])
def test_full_lengths_change_nothing(parts, make_model, noise):
    """Lengths of whole rows, as a tensor of any integer type or a list, give the plain decode."""
    model, features = make_model(*parts), noise(3, 12, 20)
    expected = model.decode(features)
    tolerance = ROUNDING[parts[1]] * float(expected.abs().max())
    for lengths in ([20, 20, 20], torch.tensor([20, 20, 20]), torch.tensor([20, 20, 20], dtype=torch.uint16)):
        torch.testing.assert_close(model.decode(features, lengths=lengths), expected, rtol=0, atol=tolerance)


@models
def test_padding_reaches_no_gradient(parts, make_model, noise):
    """Training on a ragged batch gives the same finite gradients whatever its padding holds."""
    mask = torch.arange(N_FRAMES) < torch.tensor(LENGTHS)[:, None]
    ids = torch.tensor([[2]]) if parts[0] == "encodec" else None
    gradients = []
    for padding in ("noise", "nan"):
        model = make_model(*parts).double()
        model.synthesize(ragged(noise, padding).double(), ids, mask).square().sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert torch.isfinite(gradients[0]).all()
    assert torch.equal(gradients[0], gradients[1])


@pytest.mark.parametrize("backbone", ["convnext", "resnet"])
def test_backbone_alone_masks_its_input(backbone, make_model, noise):
    """A backbone used without `synthesize` keeps padding out by itself."""
    model, features = make_model("mel", backbone).double(), ragged(noise, "nan").double()
    found = model.backbone(features, mask=torch.arange(N_FRAMES) < torch.tensor(LENGTHS)[:, None])
    for row, length in enumerate(LENGTHS):
        if length:
            alone = model.backbone(features[row, None, :, :length])[0]
            torch.testing.assert_close(found[row, :length], alone, rtol=EXACT, atol=EXACT * 100)


def test_only_empty_rows(make_model, noise):
    """Rows of no frames at all are silence of the batch's length."""
    found = make_model().decode(noise(2, 12, 5), lengths=torch.tensor([0, 0]))
    assert torch.equal(found, torch.zeros(2, 4 * 16))


@pytest.mark.parametrize("framing", ["center", "same"])
def test_masked_istft_inverts_each_row(framing, noise):
    """The inverse divides by the windows of a row's own frames, so that its last samples are right."""
    window, mask = torch.hann_window(64), torch.arange(12) < torch.tensor([[12], [5]])
    spectrum = torch.view_as_complex(noise(2, 33, 12, 2))
    sizes = {"n_fft": 64, "hop_length": 16, "framing": framing}
    found = istft(spectrum, window, **sizes, mask=mask)
    alone = istft(spectrum[1:, :, :5], window, **sizes)[0]
    torch.testing.assert_close(found[1, : len(alone)], alone, rtol=0, atol=SINGLE)
    assert not found[1, len(alone) :].any()


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([5, 5], r"3 integers, got torch.int64 of shape \(2,\)"),
        ([5.0, 5.0, 5.0], "got torch.float32"),
        ([True, True, True], "got torch.bool"),
        ([[5], [5], [5]], r"shape \(3, 1\)"),
        ([5, 8, 1], r"lie in 0\.\.7, got \[5, 8, 1\]"),
        ([5, -1, 1], r"lie in 0\.\.7, got \[5, -1, 1\]"),
    ],
    ids=["too-few", "float", "bool", "2-D", "too-long", "negative"],
)
def test_impossible_lengths(lengths, message, make_model, noise):
    """Lengths that no batch has are refused with the values and their range."""
    with pytest.raises(ValueError, match=message):
        make_model().decode(noise(3, 12, 7), lengths=torch.tensor(lengths))


def test_not_finite_inside_a_row(make_model, noise):
    """NaN within a row's own frames is found and located, though padding may hold it."""
    features = ragged(noise, "nan")
    features[4, 3, 13] = math.nan
    with pytest.raises(ValueError, match="1 NaN or infinite values, the first in row 4, band 3, frame 13: nan"):
        make_model().decode(features, lengths=torch.tensor(LENGTHS))


@pytest.mark.parametrize("backbone", ["convnext", "resnet"])
def test_receptive_field_is_the_measured_one(backbone, make_model, noise):
    """One changed frame moves exactly the hidden states within `receptive_field` of it."""
    model = make_model("mel", backbone).double()
    reach = model.backbone.receptive_field
    assert reach == {"convnext": 9, "resnet": 25}[backbone]
    features = noise(1, 12, 80, dtype=torch.float64)
    changed = features.clone()
    changed[:, :, 40] += 3.0
    moved = (model.backbone(changed) - model.backbone(features)).abs().amax(dim=(0, 2)) > NOTHING
    assert moved.nonzero().flatten().tolist() == list(range(40 - reach, 40 + reach + 1))


def test_rows_on_a_cpu_are_exact(noise, monkeypatch):
    """The bundled model's rows, decoded as a CPU does, equal their own single decode bit for bit."""
    from vocos_plugins import Vocos

    monkeypatch.setattr(decode_module, "ROW_BY_ROW", ("cpu",))
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small")
    mel, lengths = noise(3, 80, 60) - 4, torch.tensor([60, 41, 7])
    found = vocos.decode(mel, lengths=lengths)
    for row, n_frames in enumerate(lengths.tolist()):
        alone = vocos.decode(mel[row, None, :, :n_frames])[0]
        assert torch.equal(found[row, : len(alone)], alone)
        assert not found[row, len(alone) :].any()
