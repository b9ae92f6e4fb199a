"""Files of EnCodec codes: our own, Bark's and EnCodec's; and files that hold none."""

from __future__ import annotations

import json
import struct
import zipfile

import numpy as np
import pytest
import torch

from vocos_plugins.apps.batch.codes import read_codes, write_codes

CODES = torch.randint(1024, (8, 38), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("suffix", "n_samples"), [(".npz", 12001), (".npy", None)])
def test_round_trip(suffix, n_samples, tmp_path) -> None:
    """The codes are read back; .npz also stores the number of samples that they encode."""
    path = tmp_path / "new" / f"a{suffix}"
    write_codes(path, CODES, 12001)
    stored = read_codes(path)
    assert torch.equal(stored.codes, CODES)
    assert stored.codes.dtype == torch.int64
    assert stored.n_samples == n_samples
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_voice_of_bark(tmp_path) -> None:
    """A voice in the layout of ``save_as_prompt``: its fine codes are read, of any integer type."""
    pytest.importorskip("bark")
    from bark import save_as_prompt

    prompt = {"semantic_prompt": np.arange(25), "coarse_prompt": CODES[:2].numpy(), "fine_prompt": CODES.numpy()}
    for dtype in (np.int32, np.uint16):
        prompt["fine_prompt"] = prompt["fine_prompt"].astype(dtype)
        save_as_prompt(str(tmp_path / "a.npz"), prompt)
        assert torch.equal(read_codes(tmp_path / "a.npz").codes, CODES)


@pytest.mark.parametrize("shape", [(8, 38), (8, 1, 38), (1, 8, 38)], ids=str)
def test_a_dimension_for_one_recording(shape, tmp_path) -> None:
    """A batch dimension of 1 is accepted, before or after the codebooks."""
    np.save(tmp_path / "a.npy", CODES.reshape(shape).numpy())
    assert torch.equal(read_codes(tmp_path / "a.npy").codes, CODES)


@pytest.fixture(scope="module")
def codec():
    """The package encodec's 24 kHz model with random weights, under the name that it writes into files."""
    from encodec import EncodecModel

    torch.manual_seed(0)
    model = EncodecModel.encodec_model_24khz(pretrained=False)
    model.name = "encodec_24khz"
    for layer in model.quantizer.vq.layers:
        torch.nn.init.normal_(layer._codebook.embed, std=0.1)
    return model


@pytest.mark.parametrize(("bandwidth", "n_samples"), [(1.5, 1), (1.5, 961), (3.0, 12000), (6.0, 12001), (12.0, 7777)])
def test_what_encodec_compressed(bandwidth, n_samples, codec, noise, tmp_path) -> None:
    """Oracle: the package's own codes of the audio it compressed, at every bandwidth and odd lengths."""
    from encodec.compress import compress

    audio = 0.3 * noise(1, n_samples)
    codec.set_target_bandwidth(bandwidth)
    (tmp_path / "a.ecdc").write_bytes(compress(codec, audio))
    with torch.no_grad():
        codes = codec.encode(audio[None])[0][0][0]
    stored = read_codes(tmp_path / "a.ecdc")
    assert torch.equal(stored.codes, codes)
    assert stored.n_samples == n_samples


def ecdc(content: bytes = b"\0" * 1000, version: int = 0, **changes: object) -> bytes:
    """Returns an EnCodec file with a custom header."""
    header = json.dumps({"m": "encodec_24khz", "al": 3200, "nc": 8, "lm": False, **changes}).encode()
    return struct.pack("!4sBI", b"ECDC", version, len(header)) + header + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ecdc(m="encodec_48khz"), "it was compressed with 'encodec_48khz'; only mono audio of encodec_24khz"),
        (ecdc(lm=True), "compressed with EnCodec's language model; compress it again without --lm"),
        (ecdc(content=b"\0" * 99), "truncated: expected 100 bytes of codes, found 99"),
        (ecdc(al="long"), "its header is damaged: al='long', nc=8"),
        (ecdc(nc=0), "its header is damaged"),
        (ecdc(version=1), "damaged or has a later version: version 1"),
        (ecdc()[:12], "its header is damaged"),
        (struct.pack("!4sBI", b"ECDC", 0, 2) + b"[]", r"its header is damaged: \[\]"),
        (struct.pack("!4sBI", b"ECDC", 0, 2**31) + b"{}", "damaged or has a later version"),
        (b"RIFF" + b"\0" * 100, "not a file written by EnCodec"),
        (b"", r"the file is empty \(0 bytes\)"),
    ],
    ids=["48-khz", "lm", "truncated", "text", "zero", "version", "cut", "list", "huge", "wav", "empty"],
)
def test_files_of_encodec_that_cannot_be_read(content, message, tmp_path) -> None:
    """Each error names the reason."""
    (tmp_path / "a.ecdc").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_codes(tmp_path / "a.ecdc")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mel": np.zeros((80, 9)), "other": np.zeros(1)}, "called codes or fine_prompt; found mel, other"),
        ({"codes": np.zeros((8, 9), np.float32)}, "expected integers, got float32; decode mels without"),
        ({"codes": np.zeros((8, 0), np.int16)}, r"it has no frames: shape \(8, 0\)"),
        ({"codes": np.zeros(9, np.int16)}, r"\(codebooks, frames\), got shape \(9,\)"),
        ({"codes": np.zeros((2, 8, 9), np.int16)}, r"codes of one recording.*got shape \(2, 8, 9\)"),
        ({"codes": np.zeros((8, 9), np.int16), "sample_rate": 48000}, "its codes are for 48000 Hz, expected 24000"),
        (
            {"codes": np.zeros((8, 9), np.int16), "n_samples": 9999},
            "it has 9 frames, which do not match n_samples=9999",
        ),
        ({}, "found nothing"),
    ],
    ids=["names", "floats", "no-frames", "1-D", "batch", "rate", "n-samples", "empty"],
)
def test_arrays_that_are_no_codes(arrays, message, tmp_path) -> None:
    """Each error names what the file holds."""
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_codes(tmp_path / "a.npz")


def test_damaged_and_disguised_files(tmp_path) -> None:
    """A file cut short, one of another kind, a pickle, and an unknown suffix."""
    write_codes(tmp_path / "a.npz", CODES, 12001)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-30])
    (tmp_path / "a.npz").rename(tmp_path / "zip.npy")
    np.save(tmp_path / "bare", CODES.numpy())
    (tmp_path / "bare.npy").rename(tmp_path / "bare.npz")
    np.save(tmp_path / "pickle.npy", np.array([print], dtype=object), allow_pickle=True)
    (tmp_path / "a.pt").write_bytes(b"x")
    for name, message in {
        "cut.npz": "not a readable .npz",
        "zip.npy": "not a readable .npy",
        "bare.npz": "not a readable .npz",
        "pickle.npy": "not a readable .npy",
        "a.pt": "unknown suffix '.pt'; codes are read from .ecdc, .npy, .npz",
    }.items():
        with pytest.raises(ValueError, match=message):
            read_codes(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match=r"not a readable \.npz"):
        read_codes(tmp_path / "other.npz")


def test_other_suffixes_are_not_written(tmp_path) -> None:
    """The error names the suffixes, and no file is left behind."""
    with pytest.raises(ValueError, match=r"written to \.npy, \.npz, not '\.ecdc'"):
        write_codes(tmp_path / "a.ecdc", CODES, 12001)
    assert not list(tmp_path.iterdir())
