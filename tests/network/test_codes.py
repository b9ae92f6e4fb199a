"""Converting EnCodec codes to features, and the codes that are refused."""

import pytest
import torch

from vocos_plugins.network.encodec import INTEGER_DTYPES

# Sums of at most four float32 vectors, in another order.
ROUNDING = 1e-6


@pytest.fixture(scope="module")
def model(make_model):
    """A model with 4 codebooks of 16 entries; bandwidths 0 to 3 use 1 to 4 of them."""
    return make_model("encodec", "adanorm", "istft", "same")


def codes(*shape: int) -> torch.Tensor:
    return torch.randint(16, shape, generator=torch.Generator().manual_seed(7))


def test_features_are_sums_of_codebook_vectors(model):
    """Each frame is the sum, over codebooks, of the vectors that its codes select."""
    values = codes(3, 2, 6)
    books = model.feature_extractor.codebook_weights.reshape(4, 16, 12)
    expected = torch.stack(
        [torch.stack([sum(books[q, values[q, b, t]] for q in range(3)) for t in range(6)], dim=1) for b in range(2)]
    )
    torch.testing.assert_close(model.codes_to_features(values), expected, rtol=0, atol=ROUNDING)


def test_codes_of_one_item(model):
    """Codes ``(Q, T)`` are a batch of one."""
    values = codes(2, 9)
    assert torch.equal(model.codes_to_features(values), model.codes_to_features(values[:, None]))
    assert model.codes_to_features(values).shape == (1, 12, 9)


@pytest.mark.parametrize("dtype", INTEGER_DTYPES, ids=str)
def test_any_integer_type(dtype, model):
    """Toolkits store codes as uint16 or int32: features are the same for any integer type."""
    values = codes(4, 2, 9)
    assert torch.equal(model.codes_to_features(values.to(dtype)), model.codes_to_features(values))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool], ids=str)
def test_codes_that_are_no_integers(dtype, model):
    """Features passed as codes are a TypeError that says so."""
    with pytest.raises(TypeError, match=f"codes must be integers, got {dtype}; features need no codes_to_features"):
        model.codes_to_features(codes(4, 2, 9).to(dtype))


def test_codes_passed_to_decode(model):
    """Codes passed as features are a TypeError that names `codes_to_features`."""
    with pytest.raises(TypeError, match=r"got torch.int64; codes go through codes_to_features"):
        model.decode(codes(4, 2, 9), bandwidth_id=0)


@pytest.mark.parametrize("value", [16, 255, -1], ids=str)
def test_code_out_of_range(value, model):
    """A code beyond its codebook is refused; the reference silently reads the next codebook."""
    values = codes(2, 1, 9)
    values[0, 0, 3] = value
    with pytest.raises(ValueError, match=rf"codes must lie in 0\.\.15, got values from -?\d+ to {max(value, 15)}|-1"):
        model.codes_to_features(values)


def test_large_unsigned_code(model):
    """A uint16 value above the range of int16 is not wrapped around."""
    values = torch.tensor([[40000, 1]], dtype=torch.uint16)
    with pytest.raises(ValueError, match="to 40000"):
        model.codes_to_features(values)


def test_reference_reads_the_next_book(make_reference, make_config):
    """In the published package, code 1024 of codebook 0 is code 0 of codebook 1."""
    reference = make_reference(make_config("encodec-24khz", "adanorm", "istft", "same"))
    with torch.no_grad():
        reference.feature_extractor.codebook_weights.normal_(generator=torch.Generator().manual_seed(0))
    features = reference.codes_to_features(torch.tensor([[1024], [5]]))
    books = reference.feature_extractor.codebook_weights.detach()
    torch.testing.assert_close(features[0, :, 0], books[1024] + books[1024 + 5])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 9), r"expected 1, 2, 3, 4 codebooks.*shape \(5, 1, 9\)"),
        ((0, 9), r"expected 1, 2, 3, 4 codebooks"),
        ((7, 2, 9), r"codebooks come first: try codes.transpose\(0, 1\)"),
        ((9,), r"\(Q, T\) or \(Q, B, T\), got shape \(9,\)"),
        ((1, 1, 1, 9), r"got shape \(1, 1, 1, 9\)"),
    ],
    ids=["too-many-books", "no-books", "batch-first", "1-D", "4-D"],
)
def test_impossible_shapes(shape, message, model):
    """A number of codebooks that no bandwidth has is refused, with a hint if the order is the likely reason."""
    with pytest.raises(ValueError, match=message):
        model.codes_to_features(codes(*shape))


def test_codebooks_checked_against_bandwidth(model):
    """If a bandwidth is passed, the number of codebooks must be that bandwidth's."""
    assert model.codes_to_features(codes(2, 9), bandwidth_id=1).shape == (1, 12, 9)
    with pytest.raises(ValueError, match=r"bandwidth_id=2 means 12 kb/s, which is 3 codebooks; got 2"):
        model.codes_to_features(codes(2, 9), bandwidth_id=2)


@pytest.mark.parametrize("bandwidth_id", [-1, 4])
def test_unknown_bandwidth(bandwidth_id, model):
    """An unknown bandwidth is a ValueError that lists the known ones, not an IndexError."""
    with pytest.raises(ValueError, match=rf"0 to 3.*got {bandwidth_id}"):
        model.codes_to_features(codes(4, 9), bandwidth_id=bandwidth_id)


def test_codebook_counts_of_the_published_model(make_config):
    """At 75 frames per second and 10 bits per code, 1.5, 3, 6 and 12 kb/s are 2, 4, 8 and 16 codebooks."""
    assert make_config("encodec-24khz", "adanorm").features.codebook_counts == [2, 4, 8, 16]


def test_mel_model_takes_no_codes(make_model):
    """A mel model refuses codes."""
    with pytest.raises(ValueError, match="takes mel spectrograms, not EnCodec codes"):
        make_model().codes_to_features(codes(2, 9))


def test_encodec_model_takes_no_audio(model):
    """An EnCodec model refuses audio, and the error names the two calls that work."""
    with pytest.raises(ValueError, match=r"decode\(codes_to_features\(codes\), \.\.\.\)"):
        model(torch.zeros(1, 400), bandwidth_id=0)
