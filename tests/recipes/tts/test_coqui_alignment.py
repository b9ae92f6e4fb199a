"""Durations reach Coqui TTS's own loaders as they are in the corpus, each sentence its own."""

from __future__ import annotations

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
