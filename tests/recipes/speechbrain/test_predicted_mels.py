"""Mels predicted for recordings: of the same length, aligned with them, and used in training."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.xdist_group("speechbrain")

TEXT = "Mary had a little lamb."
PHONEMES = ["M", "EH1", "R", "IY0", "HH", "AE1", "D", "AH0", "L", "spn", "-", " ", "."]
TRANSFORMER = {"num_layers": 1, "num_head": 2, "d_model": 16, "ffn_dim": 16, "k_dim": 16, "v_dim": 16, "dropout": 0.1}
ENCODER = {
    **{f"enc_{name}": value for name, value in TRANSFORMER.items()},
    "normalize_before": False,
    "ffn_type": "1dcnn",
    "ffn_cnn_kernel_size_list": [3, 1],
    "n_char": len(PHONEMES) + 3,
    "padding_idx": 0,
}
FASTSPEECH2 = {
    **ENCODER,
    **{f"dec_{name}": value for name, value in TRANSFORMER.items()},
    **dict.fromkeys(("dur_pred_kernel_size", "pitch_pred_kernel_size", "energy_pred_kernel_size"), 3),
    "variance_predictor_dropout": 0.1,
    "n_mels": 80,
    "postnet_embedding_dim": 16,
    "postnet_kernel_size": 5,
    "postnet_n_convolutions": 2,
    "postnet_dropout": 0.1,
}
ALIGNER = {"in_query_channels": 80, "in_key_channels": 16, "attn_channels": 8, "temperature": 0.0005}
LOG_FRAMES = 1.5  # log duration of a phoneme in a model with random weights: about 3 frames


@pytest.fixture(scope="module")
def write_mels(recipe, published_tacotron2, start_process, finish_process):
    """Runs predict_mels.py in its own process; returns its output."""

    def run(data_folder, mels, **expected):
        arguments = ("tacotron2", published_tacotron2, data_folder, mels, "--device", "cpu")
        return finish_process(start_process(recipe / "predict_mels.py", *arguments), **expected)

    return run


@pytest.fixture(scope="module")
def mels(write_mels, data_folder, tmp_path_factory):
    """The predicted mels of all recordings."""
    folder = tmp_path_factory.mktemp("predicted") / "mels"
    write_mels(data_folder, folder)
    return folder


@pytest.fixture
def modules(recipe_module):
    """The recipe's module of acoustic models."""
    return recipe_module("acoustic_models")


@pytest.fixture
def make_fastspeech2(monkeypatch):
    """Makes tiny inference objects with random weights, which spell words instead of downloading a model for them."""
    from speechbrain.dataio.encoder import TextEncoder
    from speechbrain.inference import TTS
    from speechbrain.lobes.models.FastSpeech2 import FastSpeech2, FastSpeech2WithAlignment, SPNPredictor

    def spell(texts):
        if isinstance(texts, str):
            return [PHONEMES[ord(letter) % 9] if letter.isalpha() else " " for letter in texts if letter not in ".,"]
        return [[PHONEMES[ord(letter) % 9] for letter in text if letter.isalpha()] for text in texts]

    monkeypatch.setattr(TTS.GraphemeToPhoneme, "from_hparams", lambda *_, **__: spell)

    def make(name):
        torch.manual_seed(0)
        internal = name == "FastSpeech2InternalAlignment"
        model = FastSpeech2WithAlignment(**FASTSPEECH2, **ALIGNER) if internal else FastSpeech2(**FASTSPEECH2)
        torch.nn.init.constant_(model.durPred.linear.w.bias, LOG_FRAMES)
        parts = {"model": model, "spn_predictor": SPNPredictor(**ENCODER)}
        hparams = {**parts, "modules": parts, "lexicon": PHONEMES, "input_encoder": TextEncoder()}
        return getattr(TTS, name)(parts, hparams, {"device": "cpu"})

    return make


def test_tacotron2_predicts_each_frame(mels):
    """There is a finite mel for each recording, with the recording's number of frames."""
    files = sorted((mels / "wavs").glob("*.npy"))
    assert len(files) == 6
    for file in files:
        mel = np.load(file)
        assert mel.shape == (80, int(1.5 * 22050) // 256 + 1)
        assert mel.dtype == np.float32
        assert np.isfinite(mel).all()


def test_tacotron2_is_forced_by_the_recording(modules, published_tacotron2):
    """A frame depends on the recording's frames before it, not on those after it."""
    tts = modules.load_model("tacotron2", str(published_tacotron2), "cpu")
    mel = torch.randn(80, 40, generator=torch.Generator().manual_seed(1)) - 5
    changed = mel.clone()
    changed[:, 20:] += 1
    predicted = []
    for given in (mel, changed):
        torch.manual_seed(0)
        before = tts.hparams.model.postnet
        tts.hparams.model.postnet = torch.nn.Identity()  # it sees later frames too
        predicted.append(modules.predict("tacotron2", tts, TEXT, given))
        tts.hparams.model.postnet = before
    assert torch.equal(predicted[0][:, :21], predicted[1][:, :21])
    assert not torch.equal(predicted[0][:, 21:], predicted[1][:, 21:])


@pytest.mark.parametrize(
    ("kind", "name"),
    [("fastspeech2", "FastSpeech2"), ("fastspeech2_internal", "FastSpeech2InternalAlignment")],
)
def test_fastspeech2_has_the_recording_s_frames(modules, make_fastspeech2, kind, name):
    """The mel has as many frames as the recording, whatever durations the model itself would predict."""
    tts = make_fastspeech2(name)
    for n_frames in (90, 200):
        mel = torch.randn(80, n_frames, generator=torch.Generator().manual_seed(1)) - 5
        found = modules.predict(kind, tts, TEXT, mel)
        assert found.shape == (80, n_frames)
        assert torch.isfinite(found).all()
    assert len(tts.encode_text([TEXT])) == 4  # the stub is gone


def test_fastspeech2_durations_follow_the_recording(modules, make_fastspeech2):
    """For the model's own output at half speed, each phoneme lasts twice as long."""
    tts = make_fastspeech2("FastSpeech2").eval()
    tokens = modules.read_tokens(tts, TEXT)
    with torch.no_grad():
        _, free, log_durations, *_ = tts.hparams.model(tokens)
        durations = torch.clamp(torch.expm1(log_durations), 0).long()
        expected = tts.hparams.model(tokens, durations=2 * durations)[1][0].T
    slow = free[0].repeat_interleave(2, dim=0).T
    torch.testing.assert_close(modules.predict("fastspeech2", tts, TEXT, slow), expected)


def test_warping_finds_a_known_path(modules):
    """The path repeats held source frames, omits skipped ones, and stays monotonic."""
    source = np.random.default_rng(0).standard_normal((12, 8)).astype(np.float32)
    held = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 8, 9, 10, 11, 11])
    assert modules.warp(source, source[held]).tolist() == held.tolist()
    skipping = np.array([0, 0, 1, 2, 3, 4, 8, 9, 10, 11])
    found = modules.warp(source, source[skipping])
    assert (np.diff(found) >= 0).all()
    assert found[:5].tolist() == skipping[:5].tolist()
    assert found[-3:].tolist() == skipping[-3:].tolist()


def test_a_mel_of_another_length_is_refused(refuse, mels, tmp_path):
    """For a mel that isn't aligned with its recording, the message names the file and both lengths."""
    folder = tmp_path / "mels" / "wavs"
    folder.mkdir(parents=True)
    for file in (mels / "wavs").glob("*.npy"):
        np.save(folder / file.name, np.load(file)[:, :-3])
    output = refuse(tmp_path / "run", mels_folder=tmp_path / "mels")
    assert "(80, 127), its recording has (80, 130)" in output


def test_what_has_no_mel_is_named_and_ends_nothing(write_mels, data_folder, tmp_path):
    """A recording without text, a row without a recording; the rest is written, the exit code is 1."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("LJ000.wav", "LJ001.wav"):
        (folder / name).write_bytes((data_folder / "wavs" / name).read_bytes())
    (folder / "metadata.csv").write_text(f"LJ001|{TEXT}\nLJ009|{TEXT}\n")
    output = write_mels(folder, tmp_path / "mels", fails=True)
    assert "LJ000.wav: no text" in output
    assert "metadata.csv:2: there is no recording LJ009" in output
    assert [file.name for file in (tmp_path / "mels").iterdir()] == ["LJ001.npy"]


def test_a_text_with_unknown_symbols_gets_no_mel(modules, make_fastspeech2, monkeypatch):
    """A class of one's own warns of what it leaves out; the mel would lack a part of the recording."""
    tts = make_fastspeech2("FastSpeech2")

    def encode(texts):
        warnings.warn("left out of 'hʘ': ʘ", stacklevel=1)
        return type(tts).encode_text(tts, texts)

    monkeypatch.setattr(tts, "encode_text", encode)
    with pytest.raises(ValueError, match="left out of 'hʘ'"):
        modules.predict("fastspeech2", tts, TEXT, torch.zeros(80, 90))
