"""Loading from the Hugging Face hub, tested on the stand-in that conftest.py describes."""

from __future__ import annotations

import pytest
import torch

NAME = "someone/small-vocos"


@pytest.fixture
def small(hub, package, make_config, make_reference, randomize):
    """A small reference model, published on the stand-in as its own package would."""
    config = make_config()
    reference = randomize(make_reference(config))
    hub.add(NAME, package(reference, config))
    return reference


def test_reference_repository(small, client, noise, relative_error, tmp_path) -> None:
    """The audio equals the reference's, without the reference package, torchaudio or EnCodec."""
    mel = noise(1, 12, 9)
    torch.save(mel, tmp_path / "mel.pt")
    result = client(
        f"""
        import os
        model = Vocos.from_pretrained({NAME!r})
        mel = torch.load(os.environ["OUT"] + "/mel.pt")
        torch.save(model.decode(mel), os.environ["OUT"] + "/audio.pt")
        result = [model.training, model.provenance]
        """
    )
    assert result == [False, {"origin": NAME}]
    assert relative_error(torch.load(tmp_path / "audio.pt"), small.decode(mel)) < 1e-5


def test_safetensors_come_first(small, hub, client, make_model, tmp_path) -> None:
    """In a repository with both, the pickle is not even requested."""
    make_model().save_pretrained(tmp_path / "saved")
    files = {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()}
    hub.add(NAME, {**hub.repositories[NAME]["main"], **files})
    assert client(f"result = attempt({NAME!r})") == {"origin": NAME}
    assert not any("pytorch_model" in path for _, path, _ in hub.requests)


def test_revision(small, hub, client, package, make_config, make_reference) -> None:
    """The branch that the user chose is loaded; an unknown one is named in the error."""
    other = make_config("mel", "resnet")
    hub.add(NAME, package(make_reference(other), other), revision="resnet")
    result = client(
        f"""
        kind = type(Vocos.from_pretrained({NAME!r}, revision="resnet").backbone).__name__
        result = [kind, attempt({NAME!r}), attempt({NAME!r}, revision="resnet"), attempt({NAME!r}, revision="gone")]
        """
    )
    assert result[:3] == ["ResNetBackbone", {"origin": NAME}, {"origin": NAME, "revision": "resnet"}]
    assert "'gone': the repository has no such branch, tag or commit" in result[3]


def test_cache_dir_and_token(small, hub, client, tmp_path) -> None:
    """Files are cached where the user says, and the token is sent to the hub."""
    hub.tokens[NAME] = "Bearer hf_secret"
    elsewhere = tmp_path / "elsewhere"
    result = client(
        f"""
        result = [
            attempt({NAME!r}),
            attempt({NAME!r}, token="hf_secret", cache_dir={str(elsewhere)!r}),
            attempt({NAME!r}, local_files_only=True, cache_dir={str(elsewhere)!r}),
            attempt({NAME!r}, local_files_only=True),
        ]
        """
    )
    assert "no such repository on the Hugging Face hub" in result[0]
    assert "token" in result[0]
    assert result[1] == result[2] == {"origin": NAME}
    assert "not in the local cache" in result[3]
    assert list(elsewhere.glob("models--*/snapshots/*/pytorch_model.bin"))
    assert {token for _, _, token in hub.requests} == {None, "Bearer hf_secret"}


def test_offline(small, hub, client) -> None:
    """With HF_HUB_OFFLINE, loading fails before the first download and works after it, without a request."""
    before = client(f"result = attempt({NAME!r})", HF_HUB_OFFLINE="1")
    assert "not in the local cache" in before
    assert "HF_HUB_OFFLINE" in before
    assert not hub.requests
    client(f"result = attempt({NAME!r})")
    n_requests = len(hub.requests)
    assert client(f"result = attempt({NAME!r})", HF_HUB_OFFLINE="1") == {"origin": NAME}
    assert len(hub.requests) == n_requests


def test_no_network(client) -> None:
    """When the hub can't be reached, the error says so, and what to do."""
    code = f"""
        import time
        time.sleep = lambda seconds: None  # the waits between huggingface_hub's retries add up to 25 s
        result = attempt({NAME!r})
        """
    message = client(code, HF_ENDPOINT="http://127.0.0.1:9")
    assert "the hub can't be reached" in message
    assert "pass a directory" in message


def test_repositories_that_cannot_be_loaded(hub, client, small) -> None:
    """Missing, gated, incomplete and damaged repositories each have their own message."""
    files = hub.repositories[NAME]["main"]
    hub.add("someone/gated", files)
    hub.gated.add("someone/gated")
    hub.add("someone/no-config", {"pytorch_model.bin": b""})
    hub.add("someone/only-onnx", {"config.yaml": files["config.yaml"], "mel_spec.onnx": b""})
    hub.add("someone/cut-off", {**files, "pytorch_model.bin": files["pytorch_model.bin"][:999]})
    hub.add(
        "someone/code", {**files, "config.yaml": files["config.yaml"].replace(b"vocos.heads.ISTFTHead", b"os.system")}
    )
    names = ["missing", "gated", "no-config", "only-onnx", "cut-off", "code"]
    result = client(f"result = {{name: attempt('someone/' + name) for name in {names}}}")
    assert "check the spelling" in result["missing"]
    assert "accept its terms" in result["gated"]
    assert "someone/no-config/config.yaml: the repository has no such file" in result["no-config"]
    assert "found neither model.safetensors nor pytorch_model.bin" in result["only-onnx"]
    assert "pytorch_model.bin is damaged" in result["cut-off"]
    assert "'os.system'" in result["code"]
