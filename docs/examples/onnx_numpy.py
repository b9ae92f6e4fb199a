"""A mel to speech with numpy and onnxruntime alone: `python onnx_numpy.py vocos.onnx mel.npy speech.wav`.

The file is one of `vocos export onnx`; the mel, (bands, frames), one of the convention that the file tells of.
"""

import sys
import wave

import numpy as np
import onnxruntime


def main(model: str, mel_file: str, wav_file: str) -> None:
    """Writes what the model makes of the mel as 16-bit audio."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    print({key: value for key, value in sorted(told.items()) if key.startswith("mel_")})  # noqa: T201

    mel = np.load(mel_file).astype(np.float32)
    if mel.ndim != 2 or len(mel) != int(told["mel_n_mels"]):
        sys.exit(f"expected a mel ({told['mel_n_mels']}, frames), got {mel.shape}")
    (audio,) = session.run(["audio"], {"mel": mel[None]})

    samples = (audio[0].clip(-1, 1) * 32767).round().astype("<i2")
    with wave.open(wav_file, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(int(told["sample_rate"]))
        file.writeframes(samples.tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
