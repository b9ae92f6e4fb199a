"""Writes the mels that a TTS model of Coqui TTS predicts for its own recordings, aligned with them frame by frame.

    python recipes/coqui/predict_mels.py --tts tts/config.json --checkpoint tts/model.pth \
        --config recipes/coqui/vocos-22khz-small.json --data_path LJSpeech-1.1/wavs --out predicted

For each clip below ``data_path`` that the TTS's configuration lists under ``datasets``, it writes
``out/<its path>.npy``, a mel ``(n_mels, T)`` in the convention of the vocoder's configuration. ``train_vocos.py`` takes
this folder as ``feature_path``, and the original recordings as ``data_path``.

Supported models are Tacotron2, GlowTTS, and FastPitch and its relatives (FastSpeech, FastSpeech2, SpeedySpeech).
TTS.bin.extract_tts_spectrograms of Coqui TTS 0.28 is no substitute: it writes GlowTTS's latents instead of its mels,
recordings at another level, and nothing for FastPitch.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import vocos_coqui  # noqa: F401 - makes "model": "vocos" known
from torch import Tensor
from TTS.config import load_config
from TTS.tts.datasets import load_tts_samples
from TTS.tts.models import setup_model
from TTS.tts.models.forward_tts import ForwardTTS
from TTS.tts.models.glow_tts import GlowTTS
from TTS.tts.models.tacotron2 import Tacotron2
from TTS.tts.utils.helpers import sequence_mask
from TTS.utils.audio import AudioProcessor
from vocos_coqui.mel import from_coqui

from vocos_plugins.mel import align

EXACT = ("identity", "pointwise")
LEVEL = 1e-3  # largest difference between samples, relative to full scale


@torch.no_grad()
def predict(model: Any, batch: dict[str, Any]) -> Tensor:
    """Predicts mels ``(B, T, n_mels)`` in the TTS's convention, aligned with those of the batch."""
    text = batch["text_input"], batch["text_lengths"]
    # The recordings' own mels: from them come the durations, or each frame's predecessors.
    mels, lengths = batch["mel_input"], batch["mel_lengths"]
    aux = {"d_vectors": batch["d_vectors"], "speaker_ids": batch["speaker_ids"]}
    if isinstance(model, Tacotron2):
        return model(*text, mels, lengths, aux)["model_outputs"]
    if isinstance(model, GlowTTS):
        # Its "model_outputs" are the means of the latents from which the decoder computes mels. Speech is made from
        # latents with noise, which a vocoder should know.
        made = model.inference_with_MAS(*text, mels, lengths, aux)
        noise = torch.randn_like(made["y_mean"]) * made["y_log_scale"].exp() * model.inference_noise_scale
        latents = (made["model_outputs"] + noise).transpose(1, 2)
        # The decoder works on groups of num_squeeze frames and drops what is left.
        whole = lengths // model.num_squeeze * model.num_squeeze
        mask = sequence_mask(whole, latents.shape[2])[:, None].to(latents.dtype)
        speaker = model._get_speaker_conditioning(aux, "emb_g")
        return model.decoder(latents, mask, g=speaker, reverse=True)[0].transpose(1, 2)
    if isinstance(model, ForwardTTS):
        curves = {
            "pitch": batch["pitch"] if model.args.use_pitch else None,
            "energy": batch["energy"] if model.args.use_energy else None,
        }
        return model(*text, lengths, y=mels, dr=batch["durations"], aux_input=aux, **curves)["model_outputs"]
    raise SystemExit(f"expected Tacotron2, GlowTTS, FastPitch or a relative of it, got {type(model).__name__}")


def predict_all(model: Any, config: Any, samples: list[dict[str, Any]]) -> Iterator[tuple[Path, Tensor]]:
    """Yields each clip with its mel ``(n_mels, T)`` in the TTS's convention, without padding."""
    # Every clip once, none left out to fill a batch.
    config.shuffle = config.drop_last = False
    device = next(model.parameters()).device
    squeeze = getattr(model, "num_squeeze", 1)
    loader = model.get_data_loader(config, is_eval=True, samples=samples, verbose=False)
    # Coqui TTS sorts a batch by the texts' lengths, and its attention masks a second time (0.28,
    # tts/datasets/dataset.py): FastSpeech2 and its relatives would get the durations of other sentences. A batch that
    # is in order already stays so.
    collate = loader.collate_fn
    loader.collate_fn = lambda batch: collate(sorted(batch, key=lambda item: -len(item["token_ids"])))
    for loaded in loader:
        batch = model.format_batch(loaded)
        batch = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}
        mels = predict(model, batch)
        for clip, mel, length in zip(batch["item_idx"], mels, batch["mel_lengths"].tolist(), strict=True):
            # GlowTTS has no mel for the last, incomplete group of frames.
            yield Path(clip), mel[: length // squeeze * squeeze].T.float().cpu()


def check_recording(clip: Path, n_frames: int, squeeze: int, tts: AudioProcessor, vocoder: AudioProcessor) -> None:
    """Raises SystemExit unless frame ``t`` lies at sample ``t * hop_length`` of the audio that the trainer reads."""
    tts_audio, vocoder_audio = tts.load_wav(clip), vocoder.load_wav(clip)
    if len(tts_audio) != len(vocoder_audio):
        raise SystemExit(
            f"{clip}: the TTS reads {len(tts_audio)} samples of it, the vocoder {len(vocoder_audio)}: set "
            "do_trim_silence, trim_db and resample in the vocoder's audio block to the TTS's values"
        )
    if not np.allclose(tts_audio, vocoder_audio, atol=LEVEL):
        raise SystemExit(
            f"{clip}: the TTS reads it at another level than the vocoder: set do_sound_norm, do_rms_norm and "
            "db_level in the vocoder's audio block to the TTS's values"
        )
    expected = len(tts_audio) // vocoder.hop_length + 1
    if not expected - squeeze < n_frames <= expected:
        raise SystemExit(f"{clip}: the TTS made {n_frames} frames of {len(tts_audio)} samples, expected {expected}")


def write_mels(arguments: argparse.Namespace) -> int:
    """Writes all mels and returns their number."""
    config, vocoder = load_config(arguments.tts), load_config(arguments.config)
    alignment = align(from_coqui(config), from_coqui(vocoder.audio), strict=True)
    if alignment.kind not in EXACT:
        raise SystemExit(f"the TTS's mels cannot be converted exactly to those of {arguments.config}:\n{alignment}")
    # Evaluation clips without a list of their own would only be split off the training clips.
    listed = any(dataset.meta_file_val for dataset in config.datasets)
    train, evaluation = load_tts_samples(config, eval_split=listed, eval_split_size=config.eval_split_size)
    model = setup_model(config)
    model.load_checkpoint(config, arguments.checkpoint, eval=True)
    model.eval().to(arguments.device)
    torch.manual_seed(0)  # a GlowTTS draws noise: the same mels each time
    processors = AudioProcessor(config.audio), AudioProcessor(vocoder.audio)
    written = set()
    for clip, mel in predict_all(model, config, train + evaluation):
        check_recording(clip, mel.shape[1], getattr(model, "num_squeeze", 1), *processors)
        path = (arguments.out / clip.resolve().relative_to(arguments.data_path.resolve())).with_suffix(".npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, alignment(mel[None])[0].numpy())
        written.add(path)
    left_out = len(train) + len(evaluation) - len(written)
    print(f" > {len(written)} mels in {arguments.out}; the TTS skipped {left_out} clips because of their length")
    return len(written)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tts", type=Path, required=True, help="the TTS's config.json, with its datasets")
    parser.add_argument("--checkpoint", required=True, help="the TTS's model.pth")
    parser.add_argument("--config", type=Path, required=True, help="the vocoder's configuration")
    parser.add_argument("--data_path", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--out", type=Path, required=True, help="folder of the mels")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    write_mels(parser.parse_args())
