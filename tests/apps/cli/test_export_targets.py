"""`vocos export` and `vocos convert` keep what they did not write."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml

PREVIOUS = Path(__file__).parents[2] / "golden" / "previous"
PREPROCESSOR = {
    "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
    "sample_rate": 22050,
    "n_window_size": 1024,
    "n_window_stride": 256,
    "window_size": None,
    "window_stride": None,
    "n_fft": 1024,
    "features": 80,
    "highfreq": 8000,
    "normalize": None,
    "preemph": None,
    "pad_to": 1,
    "mag_power": 1.0,
    "log_zero_guard_value": 1e-5,
}
TRAINED = {"train_ds": {"batch_size": 16}, "optim": {"lr": 0.001}}


def contents(folder: Path) -> dict[str, bytes]:
    """Returns all files of a folder by their names."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_nemo(file: Path, config: object) -> Path:
    """Writes a ``.nemo`` file without weights."""
    content = yaml.safe_dump(config).encode()
    member = tarfile.TarInfo("./model_config.yaml")
    member.size = len(content)
    with tarfile.open(file, "w") as archive:
        archive.addfile(member, io.BytesIO(content))
    return file


def coqui_run(folder: Path) -> None:
    """Makes a folder of Coqui TTS's trainer that trains a Vocos."""
    config = json.loads((PREVIOUS / "coqui" / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "run_name": "mine", "epochs": 9}))
    (folder / "best_model.pth").write_bytes(b"weights")


def checkpoint_with_coqui_config(folder: Path) -> None:
    """Makes a folder that held an export before a checkpoint was saved there."""
    shutil.copytree(PREVIOUS / "coqui", folder, dirs_exist_ok=True)
    shutil.copytree(PREVIOUS / "checkpoint", folder, dirs_exist_ok=True)


def nemo_model(folder: Path) -> None:
    """Makes a model of NeMo's, a text-to-speech model for instance."""
    write_nemo(folder / "x.nemo", {"preprocessor": PREPROCESSOR, "target": "nemo.X"})


def nemo_run(folder: Path) -> None:
    """Makes a Vocos that was trained in NeMo."""
    with tarfile.open(PREVIOUS / "vocos.nemo") as archive:
        config = yaml.safe_load(archive.extractfile("./model_config.yaml"))
    write_nemo(folder / "x.nemo", {**config, **TRAINED})


def some(*names: str):
    """Returns a function that makes files of these names."""

    def make(folder: Path) -> None:
        for name in names:
            (folder / name).write_bytes(b"not ours")

    return make


@pytest.mark.parametrize(
    ("kind", "name", "make"),
    [
        ("coqui", "", coqui_run),
        ("coqui", "", checkpoint_with_coqui_config),
        ("coqui", "", some("model.safetensors")),
        ("nemo", "x.nemo", nemo_model),
        ("nemo", "x.nemo", nemo_run),
        ("nemo", "x.nemo", some("x.nemo")),
        ("speechbrain", "", some("hyperparams.yaml")),
        ("speechbrain", "", some("generator.ckpt")),
        ("onnx", "x.onnx", some("x.onnx")),
        ("openvino", "x.xml", some("x.xml")),
        ("openvino", "pytorch_model.xml", some("pytorch_model.bin")),
        ("openvino", "", some("model.bin")),
    ],
)
def test_other_files_are_kept(run, model, tmp_path, kind, name, make):
    """Exit code 2, and every file is as it was."""
    make(tmp_path)
    before = contents(tmp_path)
    result = run("export", kind, tmp_path / name, "--model", model, code=2)
    assert "belongs to another model or program" in result.output
    assert contents(tmp_path) == before


@pytest.mark.parametrize(("kind", "name"), [("onnx", "x.onnx"), ("openvino", ""), ("openvino", "x.xml")])
def test_own_files_are_replaced_and_others_on_request(run, model, tmp_path, kind, name):
    """A second export needs no option; a file of another program needs one."""
    for _ in range(2):
        run("export", kind, tmp_path / name, "--model", model)
    files = contents(tmp_path)
    some(*files)(tmp_path)
    run("export", kind, tmp_path / name, "--model", model, "--overwrite")
    assert contents(tmp_path).keys() == files.keys()
    assert all(len(content) > len(b"not ours") for content in contents(tmp_path).values())


def test_a_folder_of_coqui_s_is_replaced_on_request(run, tmp_path):
    """Its two files are; what else is there is kept."""
    coqui_run(tmp_path)
    run("export", "coqui", tmp_path, "--overwrite")
    assert json.loads((tmp_path / "config.json").read_text()).keys() == {"model", "audio", "model_args"}
    assert (tmp_path / "best_model.pth").read_bytes() == b"weights"


@pytest.mark.parametrize("own", [True, False], ids=["an earlier export", "another model"])
@pytest.mark.parametrize("kind", ["coqui", "nemo", "speechbrain"])
def test_the_text_to_speech_model_is_never_replaced(run, tmp_path, kind, own):
    """Not even if the user allows to replace other files."""
    if kind == "nemo":
        out = tmp_path / "x.nemo"
        shutil.copy(PREVIOUS / "vocos.nemo", out) if own else nemo_model(tmp_path)
    else:
        out = tmp_path
        shutil.copytree(PREVIOUS / kind, out, dirs_exist_ok=True)
        if not own:
            file = out / ("config.json" if kind == "coqui" else "hyperparams.yaml")
            file.write_text(file.read_text().replace('"vocos"', '"glow_tts"').replace("# A Vocos", "# A"))
    before = contents(tmp_path)
    result = run("export", kind, out, "--tts", out, "--overwrite", code=2)
    assert "never replaced" in result.output
    assert contents(tmp_path) == before


@pytest.mark.parametrize("arguments", [("coqui", ""), ("openvino", "pytorch_model.xml"), ("onnx", "model.safetensors")])
def test_the_model_is_never_replaced(run, tmp_path, arguments):
    """Its files stay, whatever else the user allows."""
    shutil.copytree(PREVIOUS / "checkpoint", tmp_path, dirs_exist_ok=True)
    (tmp_path / "pytorch_model.bin").write_bytes(b"weights")
    before = contents(tmp_path)
    kind, name = arguments
    assert "never replaced" in run("export", kind, tmp_path / name, "--model", tmp_path, "--overwrite", code=2).output
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("kind", "name"),
    [("coqui", "coqui"), ("coqui", "coqui/config.json"), ("speechbrain", "speechbrain"), ("nemo", "vocos.nemo")],
)
def test_an_exported_model_is_never_replaced_by_itself(run, tmp_path, kind, name):
    """An export is a model, too: the second one goes to a place of its own."""
    shutil.copytree(PREVIOUS, tmp_path, dirs_exist_ok=True)
    out = tmp_path / name.split("/")[0]
    before = contents(out) if out.is_dir() else out.read_bytes()
    assert "never replaced" in run("export", kind, out, "--model", tmp_path / name, code=2).output
    assert before == (contents(out) if out.is_dir() else out.read_bytes())


def test_a_checkpoint_that_only_names_the_mel_is_never_replaced(run, tmp_path):
    """A folder of --tts may be a Vocos, whose weights Coqui TTS's files would replace."""
    shutil.copytree(PREVIOUS / "checkpoint", tmp_path, dirs_exist_ok=True)
    before = contents(tmp_path)
    assert "never replaced" in run("export", "coqui", tmp_path, "--tts", tmp_path, "--overwrite", code=2).output
    assert contents(tmp_path) == before


def test_a_checkpoint_s_folder_may_get_other_files(run, tmp_path):
    """Exports whose files have other names are written beside a checkpoint."""
    shutil.copytree(PREVIOUS / "checkpoint", tmp_path, dirs_exist_ok=True)
    before = contents(tmp_path)
    run("export", "speechbrain", tmp_path, "--model", tmp_path)
    run("export", "onnx", tmp_path / "model.onnx", "--model", tmp_path)
    assert contents(tmp_path).keys() == {*before, "hyperparams.yaml", "generator.ckpt", "model.onnx"}
    assert before.items() <= contents(tmp_path).items()


def test_a_conversion_keeps_other_checkpoints(run, tmp_path):
    """`vocos convert` replaces its own result, but no other checkpoint and none of its inputs."""
    weights, config = PREVIOUS / "checkpoint" / "model.safetensors", PREVIOUS / "checkpoint" / "config.yaml"
    for _ in range(2):
        run("convert", weights, tmp_path / "converted", "--config", config)
    shutil.copytree(PREVIOUS / "checkpoint", tmp_path / "other")
    before = contents(tmp_path / "other")
    assert "belongs to another" in run("convert", weights, tmp_path / "other", "--config", config, code=2).output
    own = (tmp_path / "other" / "model.safetensors", tmp_path / "other", "--config", config, "--overwrite")
    assert "never replaced" in run("convert", *own, code=2).output
    assert contents(tmp_path / "other") == before
    run("convert", weights, tmp_path / "other", "--config", config, "--overwrite")
    assert contents(tmp_path / "other") != before
