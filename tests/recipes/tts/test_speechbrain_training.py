"""SpeechBrain's FastSpeech2 from a corpus to speech: trained for two steps, exported, loaded in a fresh process."""

from __future__ import annotations

import json
import shutil
import textwrap

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.xdist_group("speechbrain")

RATE, HOP = 22050, 256
PHONEMES = ["^", "h", "ə", "l", "z", "o", ".", "$"]
SMALL = (
    *("--dim", "16", "--max_steps", "2", "--device", "cpu", "--noprogressbar"),
    *("--model", "{enc_num_layers: 1, enc_ffn_dim: 16, dec_num_layers: 1, dec_ffn_dim: 16, postnet_embedding_dim: 16}"),
)
SPEAK = """
    import sys, warnings, numpy, soundfile, torch
    from speechbrain.inference.interfaces import foreign_class
    from speechbrain.inference.vocoders import HIFIGAN

    fastspeech2 = foreign_class(source=sys.argv[1])
    fastspeech2.mods.model.durPred.linear.w.bias.data.fill_(1.5)  # two steps teach no durations
    mel, durations, *_ = fastspeech2.encode_phoneme([list("həlzo.")])
    waveform = HIFIGAN.from_hparams(source=sys.argv[2]).decode_batch(mel)
    assert mel.shape[1] == 80 and waveform.shape == (1, 1, 256 * mel.shape[2]), (mel.shape, waveform.shape)
    assert mel.isfinite().all() and waveform.abs().max() > 0
    with warnings.catch_warnings(record=True) as caught:
        assert fastspeech2.encode_phoneme([list("hʘəlo")])[1].shape == (1, 6)
    print([str(warning.message) for warning in caught])
    for text in (["..."], ["həlo", ""]):
        try:
            fastspeech2.encode_phoneme([list(part) for part in text])
        except ValueError as error:
            print(error)
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Rows that can be trained on, ``good`` and ``held-out``, between rows with a fault each."""
    folder = tmp_path_factory.mktemp("corpus")
    for name in ("wavs", "alignments", "pitch"):
        (folder / name).mkdir()
    n_frames = RATE // HOP
    faults = {"unknown": {"phonemes": [*PHONEMES[:-2], "ʘ", "$"]}, "short": {"durations": [1] * len(PHONEMES)}}
    for name in ("good", "held-out", "silent", "unaligned", "broken", *faults):
        audio = 0.1 * np.random.default_rng(0).standard_normal(RATE)
        soundfile.write(folder / "wavs" / f"{name}.wav", audio, RATE)
        np.save(folder / "pitch" / f"{name}.npy", np.full(n_frames + 1, 100, np.float32))
        durations = [10] * (len(PHONEMES) - 1) + [n_frames - 10 * (len(PHONEMES) - 1)]
        row = {"phonemes": PHONEMES, "durations": durations} | faults.get(name, {})
        (folder / "alignments" / f"{name}.json").write_text(json.dumps(row), encoding="utf-8")
    (folder / "wavs" / "silent.wav").unlink()
    (folder / "alignments" / "broken.json").write_text("{}", encoding="utf-8")
    (folder / "alignments" / "unaligned.json").unlink()
    rows = ("silent", "good", "unknown", "short", "unaligned", "broken")
    (folder / "train.csv").write_text("".join(f"{name}|Hello.|Hello.\n" for name in rows), encoding="utf-8")
    (folder / "eval.csv").write_text("held-out|Hello.|Hello.\n", encoding="utf-8")
    (folder / "pitch.json").write_text('{"mean": 90, "deviation": 20}', encoding="utf-8")
    (folder / "README.md").write_text("# Noise\n\n## Text\n\nHello.\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(corpus, recipe_folder, start_process, finish_process, tmp_path_factory):
    """A run's folder, and what it printed."""
    run = tmp_path_factory.mktemp("run") / "run"
    script, yaml = (recipe_folder / "speechbrain" / name for name in ("train.py", "fastspeech2.yaml"))
    process = start_process(script, yaml, "--corpus", corpus, "--output_folder", run, *SMALL)
    return run, finish_process(process, fails=True)


@pytest.fixture(scope="module")
def exported(trained, corpus, recipe_folder, start_process, finish_process):
    """The folder of the exported model."""
    model = trained[0].parent / "model"
    finish_process(start_process(recipe_folder / "speechbrain" / "export.py", trained[0], model, "--corpus", corpus))
    return model


def test_rows_that_cannot_be_used_are_named_and_the_rest_is_learned(trained, corpus):
    run, output = trained
    assert f"{corpus / 'train.csv'}:1: there is no wavs/silent.wav" in output
    assert f"{corpus / 'train.csv'}:3: the model has no symbol for ʘ" in output
    assert f"{corpus / 'train.csv'}:4: the durations are of 9 frames, the recording is of 87" in output
    assert f"{corpus / 'train.csv'}:5: there is no alignments/unaligned.json" in output
    assert f'{corpus / "alignments" / "broken.json"}: expected {{"phonemes": [...], "durations": [...]}}' in output
    assert "steps: 2" in (run / "train_log.txt").read_text(encoding="utf-8")


def test_a_corpus_without_alignments_is_refused(corpus, recipe_folder, start_process, finish_process, tmp_path):
    """What is missing is named once, what writes it is, too, before a run begins."""
    for name in ("train.csv", "eval.csv", "pitch.json"):
        shutil.copyfile(corpus / name, tmp_path / name)
    script, yaml = (recipe_folder / "speechbrain" / name for name in ("train.py", "fastspeech2.yaml"))
    process = start_process(script, yaml, "--corpus", tmp_path, "--output_folder", tmp_path / "run", *SMALL)
    output = finish_process(process, fails=True)
    assert process.returncode == 2
    assert f"there is no {tmp_path / 'alignments'}; make_corpus.py synthesise writes them." in output
    assert "Traceback" not in output
    assert not (tmp_path / "run" / "hyperparams.yaml").exists()


def test_a_list_without_a_row_that_can_be_used_is_refused(
    corpus, recipe_folder, start_process, finish_process, tmp_path
):
    """All rows are named, of the other list, too."""
    shutil.copytree(corpus, tmp_path, dirs_exist_ok=True)
    (tmp_path / "alignments" / "held-out.json").unlink()
    script, yaml = (recipe_folder / "speechbrain" / name for name in ("train.py", "fastspeech2.yaml"))
    process = start_process(script, yaml, "--corpus", tmp_path, "--output_folder", tmp_path / "run", *SMALL)
    output = finish_process(process, fails=True)
    assert process.returncode == 2
    assert "Traceback" not in output
    assert f"{tmp_path / 'train.csv'}:1: there is no wavs/silent.wav" in output
    assert f"{tmp_path / 'eval.csv'}:1: there is no alignments/held-out.json" in output
    assert f"{tmp_path / 'eval.csv'} has no row that can be used" in output


def test_the_exported_model_speaks_in_a_fresh_process(exported, start_process, finish_process, tmp_path):
    from vocos_plugins.apps.cli import app

    app(["export", "speechbrain", str(tmp_path / "vocos")], standalone_mode=False)
    script = tmp_path / "speak.py"
    script.write_text(textwrap.dedent(SPEAK), encoding="utf-8")
    output = finish_process(start_process(script, exported, tmp_path / "vocos"))
    assert "left out of 'hʘəlo': ʘ" in output
    assert "no known symbol in '...'" in output
    assert "no known symbol in ''" in output


def test_the_exported_model_says_its_mel_and_where_it_comes_from(exported, trained):
    from vocos_speechbrain.mel import DEFAULT, read_convention

    assert read_convention(exported) == DEFAULT
    card = (exported / "README.md").read_text(encoding="utf-8")
    assert "| steps | 2," in card
    assert "## Noise" in card
    for file in exported.glob("*.*"):
        assert str(trained[0].parent).encode() not in file.read_bytes()
