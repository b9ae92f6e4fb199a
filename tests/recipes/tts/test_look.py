"""Pictures of mels."""

from __future__ import annotations

import struct

import numpy as np


def test_each_predicted_mel_is_below_the_own(recipe_module, write_recordings, tmp_path, capsys):
    """A second of a tone has 87 frames; the picture is as wide as the longest mel."""
    look = recipe_module("look")
    corpus = write_recordings("a|hello|hello\nb|hello|hello\n", ("a", "b"))
    (tmp_path / "mels").mkdir()
    for name, n_frames in (("a", 40), ("b", 120)):
        np.save(tmp_path / "mels" / f"{name}.npy", np.full((80, n_frames), -5, np.float16))
    assert look.main([str(corpus), str(tmp_path), str(tmp_path / "mels.png")]) == 0
    header = (tmp_path / "mels.png").read_bytes()[16:24]
    assert struct.unpack(">II", header) == (120, 4 * (2 * 80 + look.GAP))
    tone = look.draw(look.own_mel(corpus / "wavs" / "a.wav"))
    assert tone.shape == (160, 87)
    loudest = tone.mean(axis=1).argmax()  # 175 Hz: the first row is the highest band
    assert loudest > 140


def test_a_folder_without_mels_is_named(recipe_module, tmp_path, capsys):
    assert recipe_module("look").main([str(tmp_path), str(tmp_path), str(tmp_path / "mels.png")]) == 1
    assert f"no mels in {tmp_path / 'mels'}" in capsys.readouterr().err
