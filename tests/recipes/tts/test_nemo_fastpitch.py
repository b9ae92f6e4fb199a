"""NeMo's FastPitch of the recipe: known durations reach its decoder, and the exported file is NeMo's own."""

from __future__ import annotations

import json
import runpy
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

pytestmark = [pytest.mark.xdist_group("nemo"), pytest.mark.filterwarnings("default", "error:::vocos_")]
SMALL = {"n_layer": 1, "d_model": 16, "d_head": 8, "d_inner": 16}
PHONEMES = ["^", "o", "ʊ", ",", " ", "n", "o", "ʊ", ".", "$"]
DURATIONS = [[2, 5, 4, 3, 1, 6, 7, 2, 3, 9], [1] * 9 + [40]]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Two sentences of noise with durations, and what ``prepare.py`` writes of them."""
    folder = tmp_path_factory.mktemp("corpus")
    for name in ("wavs", "alignments", "nemo/pitch"):
        (folder / name).mkdir(parents=True)
    (folder / "README.md").write_text("# A corpus\n\n## Voice\n\nMine.\n", encoding="utf-8")
    (folder / "nemo" / "dictionary.txt").write_text("OH  oʊ\nNO  noʊ\n", encoding="utf-8")
    (folder / "nemo" / "pitch.json").write_text('{"default": {"pitch_mean": 100, "pitch_std": 20}}')
    lines = []
    for number, durations in enumerate(DURATIONS):
        n_samples = 256 * sum(durations)
        path = folder / "wavs" / f"{number}.wav"
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(n_samples), 22050)
        alignment = json.dumps({"phonemes": PHONEMES, "durations": durations})
        (folder / "alignments" / f"{number}.json").write_text(alignment)
        torch.save(100 + torch.arange(sum(durations) + 1.0), folder / "nemo" / "pitch" / f"{number}.pt")
        lines.append(json.dumps({"audio_filepath": str(path), "text": "Oh, no.", "duration": n_samples / 22050}) + "\n")
    for name in ("train", "eval"):
        (folder / "nemo" / f"{name}.json").write_text("".join(lines))
    return folder


@pytest.fixture(scope="session")
def model(corpus, recipe_folder):
    """The recipe's FastPitch with few parameters."""
    from nemo.collections.tts.models import FastPitchModel
    from omegaconf import OmegaConf

    config = OmegaConf.load(recipe_folder / "nemo" / "fastpitch.yaml")
    changes = {"input_fft": {**SMALL, "d_embed": 16}, "output_fft": SMALL, "train_ds": {"dataset": {"min_duration": 0}}}
    config = OmegaConf.merge(config, {"corpus": str(corpus), "dim": 16, "model": changes})
    return FastPitchModel(cfg=config.model)


@pytest.fixture(scope="session")
def exported(model, corpus, recipe_folder, tmp_path_factory) -> Path:
    """The ``.nemo`` file that the recipe exports of the model, alone in its folder."""
    run = tmp_path_factory.mktemp("run")
    state = {"hyper_parameters": {"cfg": model.cfg}, "state_dict": model.state_dict(), "global_step": 7}
    torch.save(state, run / "FastPitch-last.ckpt")
    path = run / "models" / "nemo" / "model.nemo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["export.py", str(run), str(path), "--corpus", str(corpus)])
        runpy.run_path(str(recipe_folder / "nemo" / "export.py"), run_name="__main__")
    return path


def test_known_durations_are_those_of_the_decoder(model, corpus, recipe_module) -> None:
    """Whatever the untrained aligner finds, each token lasts as long as in the corpus."""
    from nemo.collections.tts.parts.utils.helpers import process_batch

    loader = recipe_module("known_durations").make_loader(model, model.cfg.train_ds, corpus, 1000, shuffle=False)
    batch = process_batch(next(iter(loader)), loader.dataset.sup_data_types_set)
    mels, lengths = model.preprocessor(input_signal=batch["audio"], length=batch["audio_lens"])
    outputs = model(
        text=batch["text"],
        pitch=batch["pitch"],
        spec=mels,
        attn_prior=batch["align_prior_matrix"],
        mel_lens=lengths,
        input_lens=batch["text_lens"],
    )
    assert outputs[8].tolist() == DURATIONS
    assert batch["text"][0].tolist() == model.parse("Oh, no.")[0].tolist()


def test_a_batch_has_at_most_so_many_frames(recipe_module) -> None:
    n_frames = [100, 400, 110, 390, 90]
    batches = list(recipe_module("known_durations").SortedBatches(n_frames, 800, shuffle=True))
    assert sorted(index for batch in batches for index in batch) == [0, 1, 2, 3, 4]
    assert all(len(batch) * max(n_frames[index] for index in batch) <= 800 for batch in batches)


def test_a_symbol_without_a_token_is_named(model, recipe_module) -> None:
    with pytest.raises(ValueError, match="no token for 'θ'"):
        recipe_module("known_durations").encode(model.vocab, ["^", "θ", "o", "$"])


def test_a_corpus_without_alignments_is_refused(recipe_folder, start_process, finish_process, tmp_path) -> None:
    process = start_process(
        recipe_folder / "nemo" / "train.py", f"corpus={tmp_path}", f"exp_manager.exp_dir={tmp_path}"
    )
    output = finish_process(process, fails=True)
    assert process.returncode == 2
    assert f"there is no {tmp_path / 'alignments'}; make_corpus.py synthesise writes them." in output
    assert "Traceback" not in output
    assert not list(tmp_path.iterdir())


def test_the_exported_file_is_restored_by_nemo(model, exported, corpus) -> None:
    """NeMo restores float32 from halved matrices, and the file has no path of the machine."""
    from nemo.collections.tts.models import FastPitchModel

    with tarfile.open(exported, "r:gz") as archive:
        config = archive.extractfile("./model_config.yaml").read().decode()
    assert str(corpus.parent) not in config
    restored = FastPitchModel.restore_from(str(exported), map_location="cpu").eval()
    weight = restored.fastpitch.proj.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, model.fastpitch.proj.weight.half().float())
    assert torch.equal(restored.preprocessor.featurizer.fb, model.preprocessor.featurizer.fb)
    card = (exported.parent / "README.md").read_text(encoding="utf-8")
    assert "| dictionary | 2 words; of others it knows no phonemes |\n| steps | 7 |" in card
    assert 'restore_from("model.nemo"' in card
    assert card.endswith("## A corpus\n\n### Voice\n\nMine.\n")
    assert restored.generate_spectrogram(tokens=restored.parse("Oh, no. " * 20)).shape[:2] == (1, 80)


def test_words_that_the_dictionary_lacks_are_missed(exported, recipe_module) -> None:
    """Figures among them. Marks are not, and neither is a word of which NeMo finds the parts."""
    pipeline = recipe_module("nemo_pipeline").NemoPipeline(exported.parent)
    assert pipeline.missing("“Oh-no”, zebra: oh… 12 (no) «Zebra» zebra.") == ["zebra", "12", "Zebra"]
    for text in ("Zebra 12.", "... !"):
        with pytest.raises(ValueError, match="no known symbol in"):
            pipeline.missing(text)


def test_text_without_a_word_of_the_dictionary_is_refused(
    exported, recipe_folder, start_process, finish_process, tmp_path
) -> None:
    """``speak.py`` names the toolkit with the text; there is neither audio nor a page."""
    words = ["Zebras, 12 zebras.", "--toolkit", "nemo", "--models", exported.parents[1], "--out", tmp_path]
    process = start_process(recipe_folder / "speak.py", *words)
    assert "NeMo: no known symbol in 'Zebras, 12 zebras.'\n" in finish_process(process, fails=True)
    assert process.returncode == 1
    assert not list(tmp_path.rglob("*.wav"))
    assert not (tmp_path / "speak.html").exists()


def test_a_text_is_spoken_without_the_words_that_are_missing(
    exported, recipe_folder, start_process, finish_process, tmp_path
) -> None:
    """They are named, the rest is heard by each vocoder."""
    words = ["Oh, zebra, no.", "--toolkit", "nemo", "--models", exported.parents[1], "--out", tmp_path]
    process = start_process(recipe_folder / "speak.py", *words)
    named = "NeMo: the model has no symbol for 'zebra' of 'Oh, zebra, no.'; left out\n"
    assert named in finish_process(process, fails=True)
    assert len(list(tmp_path.rglob("*.wav"))) == 3
    assert "<h3>Vocos, 16 passes</h3>" in (tmp_path / "speak.html").read_text(encoding="utf-8")
