"""``vocos encode``, and ``vocos decode --codes`` of its output."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import soundfile
import soxr
import torch

from vocos_plugins import Vocos
from vocos_plugins.network.encodec_encoder import read_codebooks

QUANTUM = 1e-4  # 3 quanta of 16 bits


@pytest.fixture(scope="module")
def encodec(tmp_path_factory):
    """A directory with a small EnCodec with random weights, saved by transformers."""
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    codec = EncodecModel(EncodecConfig(num_filters=2, num_lstm_layers=1))
    for layer in codec.quantizer.layers:
        torch.nn.init.normal_(layer.codebook.embed, std=0.1)
    path = tmp_path_factory.mktemp("encodec")
    codec.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def vocos(make_model, encodec, tmp_path_factory):
    """A directory with a small Vocos with the same codebooks."""
    from transformers import EncodecModel

    model = make_model("encodec-24khz", "adanorm", "istft", "same")
    books = read_codebooks(EncodecModel.from_pretrained(encodec))[:16].flatten(0, 1)
    model.feature_extractor.codebook_weights.data.copy_(books)
    path = tmp_path_factory.mktemp("vocos")
    model.save_pretrained(path)
    return path


@pytest.mark.parametrize(("bandwidth", "bandwidth_id"), [(1.5, 0), (3, 1), (6, 2), (12, 3)])
def test_there_and_back(run, speech, encodec, vocos, tmp_path, bandwidth, bandwidth_id) -> None:
    """Encoding and decoding a folder equals copy-synthesis, and keeps the number of samples."""
    run("encode", speech, tmp_path / "codes", "--encodec", encodec, "--bandwidth", bandwidth)
    run("decode", "--codes", tmp_path / "codes", tmp_path / "out", "--model", vocos)
    names = ("mono", "stereo", "deep/short")
    assert {path.relative_to(tmp_path / "codes") for path in (tmp_path / "codes").rglob("*.npz")} == {
        (tmp_path / f"{name}.npz").relative_to(tmp_path) for name in names
    }
    model = Vocos.from_pretrained(vocos, encodec=encodec)
    for name, n_samples in zip(names, (14400, 4800, 12000), strict=True):
        audio, rate = soundfile.read(tmp_path / "out" / f"{name}.wav", dtype="float32")
        assert (rate, audio.shape) == (24000, (n_samples,))
        assert np.load(tmp_path / "codes" / f"{name}.npz")["codes"].shape[0] == 2 ** (bandwidth_id + 1)
    stereo, _ = soundfile.read(speech / "stereo.flac", dtype="float32")
    mixed = torch.from_numpy(soxr.resample(stereo, 48000, 24000).mean(axis=1))[None]
    expected = model(mixed, bandwidth_id=bandwidth_id)[0, :4800].clamp(-1, 1)
    found, _ = soundfile.read(tmp_path / "out" / "stereo.wav", dtype="float32")
    assert np.abs(found - expected.numpy()).max() < QUANTUM


def test_one_file(run, speech, encodec, vocos, tmp_path) -> None:
    """One input can be written to a .npy file; ``--json`` reports its size."""
    result = run("encode", speech / "mono.wav", tmp_path / "a.npy", "--encodec", encodec, "--json")
    done = json.loads(result.stdout)["done"][0]
    assert (done["output"], done["codebooks"], done["frames"]) == (str(tmp_path / "a.npy"), 8, 45)
    run("decode", "--codes", tmp_path / "a.npy", tmp_path / "a.wav", "--model", vocos)
    assert soundfile.info(tmp_path / "a.wav").frames == 14400


def test_a_bad_file_is_listed(run, speech, encodec, tmp_path) -> None:
    """A bad file is listed, and the others are written."""
    (speech / "bad.wav").write_text("no audio")
    result = run("encode", speech, tmp_path / "out", "--encodec", encodec, code=1)
    assert "not audio that libsndfile can read" in result.output
    assert len(list((tmp_path / "out").rglob("*.npz"))) == 3


def test_bad_codes_are_listed(run, vocos, tmp_path) -> None:
    """A wrong number of codebooks, values outside a codebook, and a file without codes each have their error."""
    np.save(tmp_path / "good.npy", np.zeros((8, 9), np.int16))
    np.save(tmp_path / "three.npy", np.zeros((3, 9), np.int16))
    np.save(tmp_path / "large.npy", np.full((8, 9), 1024))
    np.save(tmp_path / "mel.npy", np.zeros((80, 9), np.float32))
    result = run("decode", "--codes", tmp_path, tmp_path / "out", "--model", vocos, code=1)
    for message in (
        "expected 2, 4, 8, 16 codebooks",
        "codes must lie in 0..1023",
        "expected integers, got float32",
    ):
        assert message in result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.wav"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--bandwidth", 24), "--bandwidth must be one of 1.5, 3, 6, 12 kb/s, got 24"),
        (("--encodec", "no/such/folder"), "EnCodec can't be loaded from no/such/folder"),
        (("--device", "cuda:99"), "can't use device 'cuda:99'"),
    ],
    ids=["bandwidth", "encodec", "device"],
)
def test_wrong_usage_of_encode(run, speech, tmp_path, options, message, monkeypatch) -> None:
    """Wrong options are an error, and nothing is written."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    result = run("encode", speech, tmp_path / "out", *options, code=2)
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_without_transformers(run, speech, tmp_path, monkeypatch) -> None:
    """The error names the extra to install, before any file is read."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for package in ("transformers", "encodec"):
        monkeypatch.setitem(sys.modules, package, None)
    result = run("encode", speech, tmp_path / "out", code=2)
    assert "pip install 'vocos-plugins[encodec]'" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "vocos-mel-22khz-small"), "vocos-mel-22khz-small decodes mel spectrograms"),
        (("--model", "vocos-mel-22khz-small", "--source", "vocos-24khz"), "--source applies to mels"),
        ((), "can't load 'charactr/vocos-encodec-24khz'"),
    ],
    ids=["named", "source", "default"],
)
def test_wrong_usage_of_decode(run, tmp_path, options, message, monkeypatch) -> None:
    """The default is the published model for codes, which can't be fetched here; a model that is named is used."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    np.save(tmp_path / "a.npy", np.zeros((8, 9), np.int16))
    assert message in run("decode", "--codes", tmp_path / "a.npy", tmp_path / "a.wav", *options, code=2).output


def test_a_mel_model_decodes_no_codes(run, model, tmp_path) -> None:
    """The error names the model, and one that decodes codes."""
    np.save(tmp_path / "a.npy", np.zeros((8, 9), np.int16))
    result = run("decode", "--codes", tmp_path / "a.npy", tmp_path / "a.wav", "--model", model, code=2)
    assert "such as charactr/vocos-encodec-24khz" in " ".join(result.output.split())
