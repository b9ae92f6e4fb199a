"""Loaded files: what they take and refuse, long inputs in pieces, threads; and no torch."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import vocos_plugins.export.sessions
from vocos_plugins.export import export_onnx, export_openvino, export_to, load_session
from vocos_plugins.export.onnx import onnx_model
from vocos_plugins.export.sessions import usable_threads

RUNTIME = Path(vocos_plugins.export.sessions.__file__)
SAME = 1e-5  # of the peak: pieces have all the context that reaches them
WITHOUT_TORCH = """
import importlib.util, sys
import numpy as np
sys.modules["torch"] = None
spec = importlib.util.spec_from_file_location("runtime", sys.argv[1])
runtime = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runtime)
session = runtime.load_session(sys.argv[2])
np.save(sys.argv[4], session(np.load(sys.argv[3])))
assert not {"torch", "vocos_plugins"} & {name.split(".")[0] for name in sys.modules if sys.modules[name]}
"""


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_no_torch_is_needed(make_model, noise, tmp_path, runtime) -> None:
    """The module by itself, in a process where importing torch raises, gives what it gives here."""
    vocos, mel = make_model("mel", "convnext", "prior", "same"), noise(2, 12, 25).numpy()
    path = tmp_path / ("vocos.onnx" if runtime == "onnxruntime" else "vocos.xml")
    (export_onnx if runtime == "onnxruntime" else export_openvino)(vocos, path)
    np.save(tmp_path / "mel.npy", mel)
    arguments = [RUNTIME, path, tmp_path / "mel.npy", tmp_path / "audio.npy"]
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "audio.npy"), load_session(path)(mel))


@pytest.mark.parametrize(
    ("runtime", "head", "framing"),
    [
        ("onnxruntime", "istft", "center"),
        ("onnxruntime", "istft", "same"),
        ("onnxruntime", "refined", "center"),
        ("onnxruntime", "upsampled", "center"),
        ("openvino", "imdct-cos", "same"),
    ],
)
@pytest.mark.parametrize("n_frames", [1, 7, 64, 65, 150])
def test_pieces_make_up_the_whole(make_model, session, noise, runtime, head, framing, n_frames) -> None:
    """Seamless, with pieces that the length is no multiple of."""
    loaded = session(make_model("mel", "convnext", head, framing), runtime)
    mel = noise(2, 12, n_frames).numpy()
    whole, pieces = loaded(mel), list(loaded.decode_chunks(mel, chunk_frames=64))
    assert len(pieces) == -(-n_frames // 64)
    joined = np.concatenate(pieces, axis=1)
    assert joined.shape == whole.shape
    assert np.abs(joined - whole).max(initial=0) <= SAME * np.abs(whole).max(initial=1e-9)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (np.zeros((12, 5), np.float32), r"expected floating point \(B, 12, T\)"),
        (np.zeros((1, 5, 12), np.float32), "swapaxes"),
        (np.zeros((1, 12, 0), np.float32), r"got float32 \(1, 12, 0\)"),
        (np.zeros((1, 12, 5), np.int64), "got int64"),
        (np.full((1, 12, 5), np.nan, np.float32), "NaN or infinite"),
        (np.full((1, 12, 5), 1e16), r"beyond 1e\+15"),
    ],
    ids=["2-D", "transposed", "no-frames", "integers", "nan", "large"],
)
def test_bad_features_are_refused(make_model, session, features, expected) -> None:
    """With what was expected."""
    with pytest.raises(ValueError, match=expected):
        session(make_model())(features)


def test_bandwidths(make_model, session, noise) -> None:
    """One for all or one a row; needed by a model that has them, refused by one that hasn't."""
    conditioned, plain = session(make_model("encodec", "adanorm", "istft", "same")), session(make_model())
    features = noise(2, 12, 9).numpy()
    np.testing.assert_array_equal(conditioned(features, 2), conditioned(features, np.array([2, 2])))
    assert np.abs(conditioned(features, 2) - conditioned(features, 1)).max() > 0.1
    with pytest.raises(ValueError, match="needs a bandwidth_id"):
        conditioned(features)
    with pytest.raises(ValueError, match="leave bandwidth_id=1 out"):
        plain(features, 1)
    for wrong in (4, -1, 1.0, np.array([0, 7])):
        with pytest.raises(ValueError, match="bandwidth_id must be 0 to 3; got "):
            conditioned(features, wrong)


def test_other_precisions_of_mels_are_taken(make_model, session, noise) -> None:
    """Float64 and float16, in any memory order, are computed in float32."""
    loaded, mel = session(make_model()), noise(1, 12, 9).numpy()
    expected = loaded(mel)
    np.testing.assert_array_equal(loaded(mel.astype(np.float64)), expected)
    np.testing.assert_array_equal(loaded(np.asfortranarray(mel)), expected)
    assert np.abs(loaded(mel.astype(np.float16)) - expected).max() < 0.1


def test_files_that_can_t_be_loaded(make_model, tmp_path) -> None:
    """Of another kind, damaged, not there, not ours, or ending at the spectrum: each is said."""
    import onnx

    (tmp_path / "damaged.onnx").write_bytes(b"no model")
    (tmp_path / "damaged.xml").write_text("no model")
    foreign = onnx_model(make_model())
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    export_onnx(make_model(), tmp_path / "spectrum.onnx", outputs="spectrum")
    for name, expected in (
        ("vocos.pt", "onnxruntime loads .onnx files, openvino .xml files"),
        ("damaged.onnx", "not an ONNX model"),
        ("damaged.xml", "not an OpenVINO model"),
        ("foreign.onnx", "has no mel metadata"),
        ("spectrum.onnx", "ends at the spectrum"),
    ):
        with pytest.raises(ValueError, match=expected):
            load_session(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load_session(tmp_path / "missing.onnx")
    with pytest.raises(ValueError, match=r"openvino \.xml files"):
        load_session(tmp_path / "spectrum.onnx", "openvino")


@pytest.mark.parametrize(
    "key", ["config", "outputs", "sample_rate", "hop_length", "context_frames", "framing", "precision"]
)
def test_damaged_metadata(make_model, tmp_path, key) -> None:
    """A key that is missing, or holds anything else, is a ValueError with the file's name, in one short line."""
    import onnx

    model, path = onnx_model(make_model()), tmp_path / "damaged.onnx"
    (prop,) = (each for each in model.metadata_props if each.key == key)
    for value in ("", "null", "[1]", "{}", "-1", "9" * 5000, "[" * 100_000, '{"features": {}}', "\0", None):
        if value is None:
            model.metadata_props.remove(prop)
        else:
            prop.value = value
        onnx.save(model, path)
        with pytest.raises(ValueError, match="damaged") as caught:
            load_session(path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500 + len(str(path))


def test_files_without_a_model(make_model, tmp_path) -> None:
    """Empty files, half files, folders, and graphs that run but are another program's, in both runtimes."""
    import onnx

    empty = onnx.ModelProto()
    written = onnx_model(make_model())
    other = onnx.ModelProto()
    other.CopyFrom(written)
    other.graph.node[-1].op_type = "Nonsense"
    for name, content in {
        "empty.onnx": b"",
        "bare.onnx": empty.SerializeToString(),
        "half.onnx": written.SerializeToString()[:5000],
        "other.onnx": other.SerializeToString(),
        "empty.xml": b"",
        "page.xml": b"<a/>",
    }.items():
        (tmp_path / name).write_bytes(content)
    for name in ("folder.onnx", "folder.xml"):
        (tmp_path / name).mkdir()
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(ValueError, match=r"not an (ONNX|OpenVINO) model") as caught:
            load_session(path)
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_graph_that_fails_when_it_runs(make_model, tmp_path) -> None:
    """The runtime's exception becomes a ValueError that names the file: it is no defect of ours."""
    import onnx

    model = onnx_model(make_model())
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 13
    del model.graph.value_info[:]
    onnx.save(model, tmp_path / "bands.onnx")
    with pytest.raises(ValueError, match=r"bands\.onnx"):
        load_session(tmp_path / "bands.onnx")(np.zeros((1, 12, 9), np.float32))


def test_threads(monkeypatch) -> None:
    """As many as torch takes: what the environment says, else what the process may use."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert usable_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert usable_threads() >= 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert usable_threads() >= 1


@pytest.mark.parametrize(
    ("runtime", "precision"), [("onnxruntime", "float32"), ("openvino", "float32"), ("openvino", "bfloat16")]
)
def test_in_memory(make_model, in_torch, noise, relative_error, runtime, precision) -> None:
    """Torch in, torch out, without a file; ids in each of the core's shapes."""
    vocos = make_model("encodec", "adanorm", "istft", "same")
    synthesize = export_to(runtime, vocos, precision, n_threads=1)
    features, ids = noise(2, 12, 9), torch.tensor([1, 3])
    expected = in_torch(vocos, features, ids)
    tolerance = 1e-5 if precision == "float32" else 0.1
    assert relative_error(synthesize(features, ids[:, None]), expected) <= tolerance
    assert relative_error(synthesize(features.double(), ids), expected) <= tolerance
    one = synthesize(features, torch.tensor([[1]]))
    assert relative_error(one[:1], expected[:1]) <= tolerance


def test_in_memory_refuses_what_there_isn_t(make_model) -> None:
    """Backends and precisions, by the names that there are."""
    with pytest.raises(ValueError, match="must be one of onnxruntime, openvino, got 'tensorrt'"):
        export_to("tensorrt", make_model())
    with pytest.raises(ValueError, match="OpenVINO supports it"):
        export_to("onnxruntime", make_model(), "bfloat16")


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_threads_share_a_session(make_model, session, noise, runtime) -> None:
    """As in a server: each gets its own mel's audio."""
    loaded = session(make_model(), runtime)
    mels = [noise(1, 12, 20 + i, seed=i).numpy() for i in range(12)]
    expected = [loaded(mel) for mel in mels]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(loaded, mels), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
