"""Copy-synthesis with an EnCodec model in one call, as in the package ``vocos`` 0.1.0."""

from __future__ import annotations

import copy

import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.network.encodec_encoder import CodebookWarning
from vocos_plugins.network.encodec_loading import EncodecError

BANDWIDTHS = (1.5, 3.0, 6.0, 12.0)
SAME_WEIGHTS = 1e-5  # relative; float32 sums in another order


@pytest.mark.parametrize("bandwidth_id", range(4))
@pytest.mark.parametrize("package", ["package_codec", "transformers_codec"])
def test_it_decodes_its_own_codes(package, bandwidth_id, model, request, speech) -> None:
    """One call returns exactly the result of the single steps, with either EnCodec."""
    codec = request.getfixturevalue(package)
    model.use_encodec(codec)
    with torch.no_grad():
        rate = (75,) if package == "package_codec" else ()
        codes = codec.quantizer.encode(codec.encoder(speech[:, None]), *rate, BANDWIDTHS[bandwidth_id])
    assert torch.equal(model.encode(speech, bandwidth_id=bandwidth_id), codes)
    expected = model.decode(model.codes_to_features(codes, bandwidth_id=bandwidth_id), bandwidth_id=bandwidth_id)
    assert torch.equal(model(speech, bandwidth_id=bandwidth_id), expected)
    assert torch.equal(model(speech, bandwidth_id=torch.tensor([bandwidth_id])), expected)


@pytest.mark.parametrize("bandwidth_id", range(4))
def test_it_is_the_reference_s(bandwidth_id, make_config, make_reference, randomize, fill_codebooks, speech) -> None:
    """The audio equals that of the package ``vocos`` 0.1.0 with the same weights and the same EnCodec."""
    config = make_config("encodec-24khz", "adanorm", "istft", "same")
    reference = randomize(make_reference(config))
    fill_codebooks(reference.feature_extractor.encodec)
    model = Vocos(config).eval()
    weights = {key: value for key, value in reference.state_dict().items() if ".encodec." not in key}
    model.load_state_dict(weights)
    model.use_encodec(reference.feature_extractor.encodec)
    expected = reference(speech[:1], bandwidth_id=torch.tensor([bandwidth_id]))
    with pytest.warns(CodebookWarning):  # randomize fills the table and the books by themselves
        audio = model(speech[:1], bandwidth_id=bandwidth_id)
    assert audio.shape == expected.shape
    assert (audio - expected).abs().max() < SAME_WEIGHTS * expected.abs().max()


def test_a_directory_by_name(model, directory, transformers_codec, speech, tmp_path) -> None:
    """`from_pretrained` takes ``encodec=``; the model that is saved again holds nothing of EnCodec."""
    model.save_pretrained(tmp_path / "vocos")
    keys = set(model.state_dict())
    loaded = Vocos.from_pretrained(tmp_path / "vocos", encodec=directory)
    model.use_encodec(transformers_codec)
    assert torch.equal(loaded(speech, bandwidth_id=2), model(speech, bandwidth_id=2))
    assert set(loaded.state_dict()) == set(model.state_dict()) == keys
    loaded.save_pretrained(tmp_path / "again")
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("vocos", "again"))
    assert first == second


@pytest.mark.parametrize("n_samples", [1, 319, 320, 321, 10100])
def test_lengths(n_samples, model, transformers_codec, speech) -> None:
    """Audio is rounded up to whole frames, and cut or padded to ``length``."""
    model.use_encodec(transformers_codec)
    audio = speech[:, :n_samples]
    output = model(audio, bandwidth_id=0)
    assert output.shape == (2, -(-n_samples // 320) * 320)
    assert torch.equal(model(audio, bandwidth_id=0, length=n_samples), output[:, :n_samples])
    assert model(audio, bandwidth_id=0, length=n_samples + 1000).shape == (2, n_samples + 1000)


def test_one_bandwidth_per_row(model, transformers_codec, speech) -> None:
    """Each row equals its own call: the codes of a large bandwidth begin with those of a small one."""
    model.use_encodec(transformers_codec)
    audio = model(speech, bandwidth_id=torch.tensor([3, 1]))
    for row, bandwidth_id in enumerate((3, 1)):
        alone = model(speech[row, None], bandwidth_id=bandwidth_id)[0]
        assert (audio[row] - alone).abs().max() < SAME_WEIGHTS * alone.abs().max()
    assert model(speech[:0], bandwidth_id=2).shape == (0, 12160)


def test_an_unconditioned_model(make_model, model, transformers_codec, speech) -> None:
    """An unconditioned model needs no bandwidth and uses all codebooks."""
    plain = make_model("encodec-24khz", "convnext", "istft", "same")
    plain.feature_extractor.codebook_weights.data.copy_(model.feature_extractor.codebook_weights)
    plain.use_encodec(transformers_codec)
    codes = plain.encode(speech, bandwidth_id=3)
    assert len(codes) == 16
    assert torch.equal(plain(speech), plain.decode(plain.codes_to_features(codes)))


def test_other_codebooks_are_warned_of_once(model, transformers_codec, speech) -> None:
    """The warning says by how much they differ; codebooks rounded to half precision count as equal."""
    model.use_encodec(transformers_codec)
    model.half().float()
    model(speech, bandwidth_id=2)
    model.feature_extractor.codebook_weights.data.mul_(0.5)
    model.use_encodec(transformers_codec)
    with pytest.warns(CodebookWarning, match="differ by 1 of their root mean square"):
        model(speech, bandwidth_id=2)
    model(speech, bandwidth_id=2)


def test_encodec_stays_in_float32(model, transformers_codec, speech) -> None:
    """The codes are the same under autocast and for a model in bfloat16."""
    model.use_encodec(transformers_codec)
    codes = model.encode(speech, bandwidth_id=2)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.encode(speech, bandwidth_id=2), codes)
    model.to(torch.bfloat16)
    assert torch.equal(model.encode(speech, bandwidth_id=2), codes)
    assert model(speech, bandwidth_id=2).dtype == torch.float32


def test_copies_share_encodec(model, package_codec, speech) -> None:
    """Copies of a model share its EnCodec: encodec's own can't be copied once it has been used."""
    model.use_encodec(package_codec)
    expected = model(speech, bandwidth_id=2)
    other = copy.deepcopy(model)
    assert torch.equal(other(speech, bandwidth_id=2), expected)
    assert not expected.requires_grad


@pytest.mark.parametrize(
    ("audio", "options", "error", "message"),
    [
        (
            torch.zeros(1, 2, 960),
            {"bandwidth_id": 2},
            ValueError,
            r"shape \(1, 2, 960\); it is mono: audio\.mean",
        ),
        (torch.zeros(960), {"bandwidth_id": 2}, ValueError, r"must be \(B, N\), got shape \(960,\)"),
        (torch.zeros(1, 0), {"bandwidth_id": 2}, ValueError, "audio holds no samples"),
        (torch.full((1, 960), torch.nan), {"bandwidth_id": 2}, ValueError, "NaN"),
        (torch.zeros(1, 960, dtype=torch.int16), {"bandwidth_id": 2}, TypeError, "got torch.int16"),
        (torch.zeros(1, 960), {}, ValueError, "needs a bandwidth_id: 0 \\(1.5 kb/s\\)"),
        (torch.zeros(1, 960), {"bandwidth_id": 4}, ValueError, "got \\[4\\]"),
    ],
    ids=["stereo", "1-D", "empty", "nan", "integers", "no-bandwidth", "unknown-bandwidth"],
)
def test_what_is_refused(audio, options, error, message, model, transformers_codec) -> None:
    """Invalid audio and bandwidths are refused before EnCodec sees them."""
    model.use_encodec(transformers_codec)
    with pytest.raises(error, match=message):
        model(audio, **options)


def test_encode_refuses_what_it_cannot(make_model, model) -> None:
    """Unknown bandwidths and mel models are refused; a mel model takes no EnCodec either."""
    with pytest.raises(ValueError, match="bandwidth_id must be 0 to 3, got 4"):
        model.encode(torch.zeros(1, 960), bandwidth_id=4)
    with pytest.raises(ValueError, match="takes mel spectrograms, not EnCodec codes"):
        make_model().encode(torch.zeros(1, 960), bandwidth_id=0)
    with pytest.raises(ValueError, match="takes mel spectrograms; no EnCodec is needed"):
        make_model().use_encodec("somewhere")


def test_codes_that_no_published_encodec_makes(make_model) -> None:
    """Other sample rates have no default EnCodec: the error says so, and nothing is downloaded."""
    model = make_model("encodec", "adanorm", "istft", "same")
    with pytest.raises(EncodecError, match="there is no default EnCodec for 16000 Hz"):
        model(torch.zeros(1, 400), bandwidth_id=0)
