"""Runs exported files with numpy and a runtime alone.

This file imports neither torch nor the rest of the package: copy it next to an exported file, and it works by itself.
That is why `Session.decode_chunks` cuts long inputs here once more, as `inference.cuts` does.
"""

from __future__ import annotations

import json
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from openvino import Model

CHUNK_FRAMES = 1024
# As in `inference.checks`: beyond this a layer norm's variance overflows.
MAX_FEATURE = 1e15
# bfloat16 only where the graph itself asks for it: by default OpenVINO would use it everywhere.
OPENVINO_PRECISION = {"float32": "f32", "int8": "f32", "bfloat16": "dynamic"}
FRAMINGS, OUTPUTS = ("center", "same"), ("audio", "spectrum")

Audio = NDArray[np.float32]


class Session(ABC):
    """A file that a runtime has loaded. Calling it decodes features to audio.

    Attributes:
        metadata: the file's own; docs/export.md lists the keys.
        config: the model's configuration, in the form of ``config.yaml``.
        sample_rate: Hz.
        hop_length: samples per frame.

    Raises:
        ImportError: the runtime is not installed.
        ValueError: the file was not written by `vocos export`, or it ends at the spectrum.
    """

    def __init__(self, metadata: Mapping[str, str], where: str) -> None:
        self.metadata = dict(metadata)
        self._where = where
        if "config" not in self.metadata:
            raise ValueError(f"{where} was not written by `vocos export`: it has no mel metadata")
        try:
            self._read_metadata()
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            reason = _brief(error)
            raise ValueError(f"{where}: its metadata is damaged ({reason}); export the model again") from error
        if self.metadata["outputs"] != "audio":
            raise ValueError(f"{where} ends at the spectrum; export it with --outputs audio")

    def _read_metadata(self) -> None:
        self.config: dict[str, Any] = json.loads(self.metadata["config"])
        self.sample_rate, self.hop_length = int(self.metadata["sample_rate"]), int(self.metadata["hop_length"])
        self._context_frames = int(self.metadata["context_frames"])
        features = self.config["features"]
        self.n_features = int(features["n_mels"] if features["kind"] == "mel" else features["codebook_dim"])
        self.conditioned = self.config["backbone"].get("adanorm_num_embeddings") is not None
        if min(self.sample_rate, self.hop_length, self.n_features) < 1 or self._context_frames < 0:
            raise ValueError("sample_rate, hop_length and the bands must be at least 1")
        for name, known in (("framing", FRAMINGS), ("precision", tuple(OPENVINO_PRECISION)), ("outputs", OUTPUTS)):
            if (value := self.metadata[name]) not in known:
                raise ValueError(f"{name} must be {' or '.join(known)}, not {value[:40]!r}")

    def __call__(self, features: NDArray[Any], bandwidth_id: int | NDArray[np.integer] | None = None) -> Audio:
        """Decodes features to audio.

        Args:
            features: floating point ``(B, C, T)``: mels in the file's own convention, or an EnCodec model's features.
            bandwidth_id: for an EnCodec model: one for all, or one per row, ``(B,)``.

        Shape: float32 ``(B, N)``; ``N = (T - 1) * hop_length`` for ``center`` framing, ``T * hop_length`` for ``same``.

        Raises:
            ValueError: their shape or values are invalid, a bandwidth is missing, or the model has none.
        """
        features = self._checked(features)
        if not self.conditioned:
            if bandwidth_id is not None:
                raise ValueError(f"this model has no bandwidths; leave bandwidth_id={bandwidth_id!r} out")
            return self._run(features, None)
        if bandwidth_id is None:
            raise ValueError("this model needs a bandwidth_id")
        ids = np.asarray(bandwidth_id).reshape(-1)
        known = int(self.config["backbone"]["adanorm_num_embeddings"])
        if ids.dtype.kind not in "iu" or not ((ids >= 0) & (ids < known)).all():
            raise ValueError(f"bandwidth_id must be 0 to {known - 1}; got {ids.tolist()}")
        return self._run(features, np.ascontiguousarray(np.broadcast_to(ids, (len(features),)), np.int64))

    def decode_chunks(
        self,
        features: NDArray[Any],
        bandwidth_id: int | None = None,
        *,
        chunk_frames: int = CHUNK_FRAMES,
    ) -> Iterator[Audio]:
        """Decodes piece by piece, ``(B, n)`` each, in memory that does not grow with the length."""
        context, hop_length, n_frames = self._context_frames, self.hop_length, features.shape[-1]
        n_samples = (n_frames - 1 if self.metadata["framing"] == "center" else n_frames) * hop_length
        # At least once, so that features without frames are refused as in a call.
        for start in range(0, max(n_frames, 1), chunk_frames):
            first = max(0, start - context)
            audio = self(features[..., first : start + chunk_frames + context], bandwidth_id)
            end = min((start + chunk_frames) * hop_length, n_samples)
            yield audio[:, (start - first) * hop_length : end - first * hop_length]

    @abstractmethod
    def _run(self, features: Audio, bandwidth_id: NDArray[np.int64] | None) -> Audio: ...

    def _checked(self, features: NDArray[Any]) -> Audio:
        shape = features.shape
        if len(shape) != 3 or shape[1] != self.n_features or 0 in shape or features.dtype.kind != "f":
            hint = (
                "; the bands come first: mel.swapaxes(1, 2)" if len(shape) == 3 and shape[2] == self.n_features else ""
            )
            raise ValueError(f"expected floating point (B, {self.n_features}, T), got {features.dtype} {shape}{hint}")
        if not np.isfinite(features).all():
            raise ValueError("features hold NaN or infinite values")
        if max(float(features.max()), -float(features.min())) > MAX_FEATURE:
            raise ValueError(f"features hold values beyond {MAX_FEATURE:g}")
        return np.ascontiguousarray(features, np.float32)


class OnnxSession(Session):
    """An ONNX file in onnxruntime, on the CPU.

    Args:
        model: the file, or its bytes.
        n_threads: threads; `usable_threads` by default.
    """

    def __init__(self, model: str | Path | bytes, *, n_threads: int | None = None) -> None:
        # Optional, like openvino below: a program needs only the runtime of its file.
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads or usable_threads()
        # Threads spin during a run, but not after it, when the rest of a program needs the CPU.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        where = "the model" if isinstance(model, bytes) else str(model)
        source = model if isinstance(model, bytes) else str(model)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions have no common class, and no public module names them
            raise ValueError(f"{where}: not an ONNX model that runs here: {_brief(error)}") from error
        self._names = [each.name for each in self._session.get_inputs()]
        super().__init__(self._session.get_modelmeta().custom_metadata_map, where)

    def _run(self, features: Audio, bandwidth_id: NDArray[np.int64] | None) -> Audio:
        # The graph of an unconditioned model has one input; zip drops the None.
        inputs = dict(zip(self._names, (features, bandwidth_id), strict=False))
        try:
            audio: Audio = self._session.run(None, inputs)[0]
        except Exception as error:  # as above
            raise ValueError(f"{self._where}: onnxruntime can't run it: {_brief(error)}") from error
        return audio


class OpenVinoSession(Session):
    """A model in OpenVINO, on the CPU.

    Args:
        model: the ``.xml`` file, or a loaded model.
        n_threads: threads; `usable_threads` by default.
    """

    def __init__(self, model: str | Path | Model, *, n_threads: int | None = None) -> None:
        import openvino

        core = openvino.Core()
        where = str(model) if isinstance(model, (str, Path)) else "the model"
        if isinstance(model, (str, Path)):
            try:
                model = core.read_model(model)
            except RuntimeError as error:
                raise ValueError(f"{where}: not an OpenVINO model: {_brief(error)}") from error
        info = model.get_rt_info(["vocos"]).value if model.has_rt_info(["vocos"]) else {}
        super().__init__({key: str(value) for key, value in info.items()}, where)
        options = {
            "INFERENCE_NUM_THREADS": n_threads or usable_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": OPENVINO_PRECISION[self.metadata["precision"]],
        }
        try:
            self._request = core.compile_model(model, "CPU", options).create_infer_request()
        except RuntimeError as error:
            raise ValueError(f"{where}: OpenVINO can't run it: {_brief(error)}") from error
        self._lock = threading.Lock()  # a request computes one thing at a time, with all threads

    def _run(self, features: Audio, bandwidth_id: NDArray[np.int64] | None) -> Audio:
        inputs = [features] if bandwidth_id is None else [features, bandwidth_id]
        try:
            with self._lock:
                return np.array(self._request.infer(inputs, share_inputs=True)[0])
        except (IndexError, RuntimeError) as error:
            raise ValueError(f"{self._where}: OpenVINO can't run it: {_brief(error)}") from error


BACKENDS: dict[str, type[OnnxSession] | type[OpenVinoSession]] = {
    "onnxruntime": OnnxSession,
    "openvino": OpenVinoSession,
}
SUFFIXES = {".onnx": "onnxruntime", ".xml": "openvino"}


def load_session(path: str | Path, backend: str | None = None, *, n_threads: int | None = None) -> Session:
    """Loads an exported file into the runtime of its suffix, ``.onnx`` or ``.xml``.

    Args:
        path: the file.
        backend: ``onnxruntime`` or ``openvino``, to require that one.
        n_threads: threads; `usable_threads` by default.

    Raises:
        ImportError: the runtime is not installed.
        FileNotFoundError: there is no such file.
        ValueError: the suffix is another, or the file was not written by `vocos export`.
    """
    path = Path(path)
    known = SUFFIXES.get(path.suffix.lower())
    if known is None or backend not in (None, known):
        raise ValueError(f"{path}: onnxruntime loads .onnx files, openvino .xml files")
    if not path.exists():
        raise FileNotFoundError(2, "No such file", str(path))
    return BACKENDS[known](path, n_threads=n_threads)


def _brief(error: Exception) -> str:
    """Returns an error as one short line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:200]}".rstrip(": ")


def usable_threads() -> int:
    """Returns ``OMP_NUM_THREADS`` if it is set, as torch does, or else the number of CPUs that this process may use."""
    if (wanted := os.environ.get("OMP_NUM_THREADS", "")).isdigit() and int(wanted) > 0:
        return int(wanted)
    # Fewer than cpu_count() under taskset, for instance. macOS and Windows do not have this function.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
