"""``preprocessor_config.json`` is read as transformers reads it, without transformers."""

from __future__ import annotations

import json

import pytest
from transformers import ClvpFeatureExtractor, SpeechT5FeatureExtractor, UnivNetFeatureExtractor

from vocos_plugins.mel import ConventionError, from_transformers
from vocos_plugins.mel.preprocessor_config import DEFAULTS, read_preprocessor_config

CLASSES = {cls.__name__: cls for cls in (SpeechT5FeatureExtractor, UnivNetFeatureExtractor, ClvpFeatureExtractor)}


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes a file of this folder."""

    def write(content: object, name: str = "preprocessor_config.json"):
        (tmp_path / name).write_text(json.dumps(content))
        return tmp_path

    return write


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults(write, name):
    """A file that holds only the class's name has the defaults of transformers' class."""
    assert read_preprocessor_config(write({"feature_extractor_type": name})) == from_transformers(CLASSES[name]())


@pytest.mark.parametrize(
    "extractor",
    [
        SpeechT5FeatureExtractor(sampling_rate=22050, hop_length=10, win_length=40, fmin=0, fmax=8000, mel_floor=1e-5),
        UnivNetFeatureExtractor(do_normalize=True, filter_length=None, hop_length=300, fmax=8000, compression_factor=2),
        ClvpFeatureExtractor(feature_size=3, hop_length=200, mel_norms=[1.0, 2.0, 3.0]),
    ],
    ids=lambda extractor: type(extractor).__name__,
)
def test_what_transformers_writes(extractor, tmp_path):
    """The file of ``save_pretrained``, by its own name, by its folder's, or inside a processor's."""
    extractor.save_pretrained(tmp_path)
    expected = from_transformers(extractor)
    file = tmp_path / "preprocessor_config.json"
    assert read_preprocessor_config(tmp_path) == read_preprocessor_config(file) == expected
    content = {"processor_class": "X", "feature_extractor": json.loads(file.read_text())}
    file.unlink()
    (tmp_path / "processor_config.json").write_text(json.dumps(content))
    assert read_preprocessor_config(tmp_path) == expected


@pytest.mark.parametrize(
    "content", [{"image_processor_type": "X"}, [], "text", {"feature_extractor": []}], ids=json.dumps
)
def test_other_files(write, content):
    """They are left to other readers."""
    assert read_preprocessor_config(write(content)) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"feature_extractor_type": "WhisperFeatureExtractor"}, "no convention can express"),
        ({"feature_extractor_type": "EncodecFeatureExtractor"}, "expected one of SpeechT5FeatureExtractor"),
        ({"hop_length": "16"}, r"hop_length: expected a value like 16, got '16'"),
        ({"num_mel_bins": 80.5}, "num_mel_bins"),
        ({"fmax": None}, "fmax"),
        ({"mel_floor": True}, "mel_floor"),
        ({"win_length": 0}, "win_length: expected a value like 64, got 0"),
    ],
    ids=str,
)
def test_refusals(write, values, message):
    """The error names the file and the value."""
    path = write({"feature_extractor_type": "SpeechT5FeatureExtractor", **values})
    with pytest.raises(ConventionError, match=rf"preprocessor_config\.json: .*{message}"):
        read_preprocessor_config(path)
