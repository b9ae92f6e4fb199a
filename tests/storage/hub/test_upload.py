"""Pushing to the Hugging Face hub, tested on the stand-in that conftest.py describes."""

from __future__ import annotations

import yaml


def test_push_and_load_back(hub, client, make_model, tmp_path) -> None:
    """Pushing creates a repository with the two files and a model card that loads; it can be repeated."""
    model = make_model()
    model.provenance = {"licence": "CC-BY-4.0", "steps": 3}
    model.save_pretrained(tmp_path / "saved")
    first, provenance, second = client(
        f"""
        model = Vocos.from_pretrained({str(tmp_path / "saved")!r})
        urls = [model.push_to_hub("me/my-vocos", token="hf_secret") for _ in range(2)]
        result = [urls[0], Vocos.from_pretrained("me/my-vocos").provenance, urls[1]]
        """
    )
    files = hub.repositories["me/my-vocos"]["main"]
    assert first == second == f"{hub.endpoint}/me/my-vocos/commit/{'c' * 40}"
    assert provenance == {"licence": "CC-BY-4.0", "steps": 3}
    assert {"config.yaml", "model.safetensors", "README.md"} <= set(files)
    assert files["model.safetensors"] == (tmp_path / "saved" / "model.safetensors").read_bytes()
    front_matter = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert front_matter == {
        "license": "cc-by-4.0",
        "library_name": "vocos-plugins",
        "tags": ["vocos", "vocoder", "text-to-speech"],
    }
    assert {token for method, _, token in hub.requests if method == "POST"} == {"Bearer hf_secret"}


def test_refusals(client, make_model, tmp_path) -> None:
    """A name without an organisation and an unreachable hub are errors."""
    make_model().save_pretrained(tmp_path / "saved")
    first, second = client(
        f"""
        model = Vocos.from_pretrained({str(tmp_path / "saved")!r})
        result = []
        for name in ("my-vocos", "me/my-vocos"):
            try:
                model.push_to_hub(name, token="hf_secret")
            except CheckpointError as error:
                result.append(str(error))
        """,
        HF_ENDPOINT="http://127.0.0.1:9",
    )
    assert "expected 'organisation/name'" in first
    assert "me/my-vocos could not be pushed" in second
