"""Turns a mel into speech with only numpy and onnxruntime: `python onnx_numpy.py vocos.onnx mel.npy speech.wav`.

The model file was written by `vocos export onnx`. The mel, (bands, frames), must follow the convention in its metadata.
"""

import sys
import wave

import numpy as np
import onnxruntime


def main(model: str, mel_file: str, wav_file: str) -> None:
    """Decodes the mel with the model, and writes the audio as 16-bit WAV."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    print({key: value for key, value in sorted(metadata.items()) if key.startswith("mel_")})  # noqa: T201

    mel = np.load(mel_file).astype(np.float32)
    if mel.ndim != 2 or len(mel) != int(metadata["mel_n_mels"]):
        sys.exit(f"expected a mel ({metadata['mel_n_mels']}, frames), got {mel.shape}")
    (audio,) = session.run(["audio"], {"mel": mel[None]})

    samples = (audio[0].clip(-1, 1) * 32767).round().astype("<i2")
    with wave.open(wav_file, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(int(metadata["sample_rate"]))
        file.writeframes(samples.tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
