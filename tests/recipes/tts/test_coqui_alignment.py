"""Durations reach Coqui TTS's own loaders as they are in the corpus, each sentence its own."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import soundfile
import torch
from TTS.tts.configs.fastspeech2_config import Fastspeech2Config
from TTS.tts.models.forward_tts import ForwardTTS

pytestmark = pytest.mark.xdist_group("coqui")

# Texts from the shortest recording to the longest, as the loader orders them, with the frames of each character.
DURATIONS = {"abcd": [3, 9, 4, 5], "ab": [12, 11], "abcdef": [4, 4, 4, 8, 4, 4]}


@pytest.fixture
def samples(recipe_module, tmp_path):
    """What Coqui TTS's formatters give of a corpus; letters stand in for phonemes."""
    align, found = recipe_module("align"), []
    for text, durations in DURATIONS.items():
        n_samples = sum(durations) * 256
        soundfile.write(tmp_path / f"{text}.wav", np.random.default_rng(0).uniform(-0.1, 0.1, n_samples), 22050)
        np.save(tmp_path / f"{text}.npy", align.make_mask(durations))
        sample = {"text": text, "audio_file": str(tmp_path / f"{text}.wav"), "alignment_file": tmp_path / f"{text}.npy"}
        found.append({**sample, "audio_unique_name": text, "speaker_name": "", "language": ""})
    return found


def test_a_mask_has_one_symbol_in_each_frame_of_the_mel(recipe_module):
    mask = recipe_module("align").make_mask([2, 1, 3])
    assert mask.shape == (7, 3)  # a centred mel of six hops has seven frames
    assert mask.sum(axis=1).tolist() == [1] * 7
    assert mask.argmax(axis=1).tolist() == [0, 0, 1, 2, 2, 2, 2]


def test_each_sentence_gets_its_own_durations(recipe_module, samples):
    config = Fastspeech2Config(batch_size=3, compute_f0=False, compute_energy=False, num_loader_workers=0)
    config.audio.do_trim_silence = False
    model = ForwardTTS(config)
    recipe_module("train").sort_batches(model)
    (batch,) = model.get_data_loader(config, is_eval=False, samples=samples, verbose=False)
    batch = model.format_batch(batch)
    for text, tokens, durations in zip(
        sorted(DURATIONS, key=len, reverse=True), batch["text_input"], batch["durations"], strict=True
    ):
        assert tokens.count_nonzero() == len(text)
        expected = torch.tensor([*DURATIONS[text][:-1], DURATIONS[text][-1] + 1])
        assert torch.equal(durations[: len(text)].int(), expected.int())


@pytest.fixture
def corpus(espeak, recipe_module, recipe_folder, tmp_path):
    """Four sentences, the last held out, and their durations: each symbol that Coqui TTS reads lasts a frame."""
    layout, align = recipe_module("layout"), recipe_module("align")
    folder = tmp_path / "corpus"
    config = recipe_module("corpus").configure(recipe_folder / "coqui" / "fastspeech2.json", folder)
    tokenizer, _ = align.TTSTokenizer.init_from_config(config)
    rows = [
        layout.Row(name, text, text) for name, text in zip("abcd", ("Go.", "Oh, no.", "Stay.", "We do."), strict=True)
    ]
    (folder / "pitch").mkdir(parents=True)
    for row in rows:
        phonemes = ["^", *align.spell(tokenizer, row.normalised), "$"]
        layout.write_alignment(folder, row.id, phonemes, [1] * len(phonemes))
        layout.write_audio(folder / "wavs" / f"{row.id}.wav", np.zeros(len(phonemes) * 256, np.float32))
        np.save(folder / "pitch" / f"{row.id}.npy", np.full(len(phonemes) + 1, 100, np.float32))
    for name, some in (("metadata", rows), ("train", rows[:3]), ("eval", rows[3:])):
        layout.write_rows(folder / f"{name}.csv", some)
    layout.write_text(folder / "pitch.json", '{"mean": 100, "deviation": 20}')
    return folder


@pytest.fixture
def run(recipe_module, recipe_folder, corpus, monkeypatch):
    """Runs the script on the corpus."""

    def run() -> int:
        words = ["--config_path", str(recipe_folder / "coqui" / "fastspeech2.json"), "--corpus", str(corpus)]
        monkeypatch.setattr("sys.argv", ["align.py", *words])
        return recipe_module("align").main()

    return run


def read_ids(corpus, name):
    return [line[0] for line in (corpus / "coqui" / name).read_text(encoding="utf-8").splitlines()]


def test_rows_without_a_file_are_named_and_the_rest_is_aligned(run, corpus, capsys):
    (corpus / "alignments" / "a.json").unlink()
    (corpus / "pitch" / "c.npy").unlink()
    assert run() == 1
    assert capsys.readouterr().err.splitlines() == [
        "a: there is no alignments/a.json",
        "c: there is no pitch/c.npy",
    ]
    assert read_ids(corpus, "train.csv") == ["b"]
    assert read_ids(corpus, "eval.csv") == ["d"]
    durations = np.load(corpus / "coqui" / "masks" / "b.npy").sum(axis=0)
    assert durations.tolist() == [1] * (len(durations) - 1) + [2]


def test_a_corpus_without_alignments_is_refused(run, corpus, capsys):
    """One message for all rows names the folder and what writes it; nothing is written."""
    shutil.rmtree(corpus / "alignments")
    assert run() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"there is no {corpus / 'alignments'}; make_corpus.py synthesise writes them.")
    assert not (corpus / "coqui").exists()


def test_a_corpus_of_which_nothing_is_left_to_hold_out_is_refused(run, corpus, capsys):
    (corpus / "alignments" / "d.json").unlink()
    assert run() == 2
    assert capsys.readouterr().err.splitlines() == [
        "d: there is no alignments/d.json",
        f"{corpus / 'eval.csv'} has no row that can be used",
    ]
    assert not (corpus / "coqui" / "train.csv").exists()
