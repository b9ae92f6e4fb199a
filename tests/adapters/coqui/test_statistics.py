"""Files of means and deviations: Coqui TTS's pickles are read without running anything."""

import io
import os
import pickle

import numpy as np
import pytest
from vocos_coqui.statistics import load_statistics

from helpers.mutations import attack
from vocos_plugins.mel import ConventionError, MeanStdNormalization

pytestmark = pytest.mark.xdist_group("coqui")

MEAN, STD = np.float32([0.5, -2.0, 3.25]), np.float32([1.0, 0.5, 2.0])
EXPECTED = MeanStdNormalization(mean=(0.5, -2.0, 3.25), std=(1.0, 0.5, 2.0))
CONTENT = {
    "mel_mean": MEAN,
    "mel_std": STD,
    "linear_mean": np.zeros(513, np.float32),
    "linear_std": np.ones(513, np.float32),
    "audio_config": {"fft_size": 1024, "mel_fmax": None, "power": 1.5, "log_func": "np.log10", "clip_norm": True},
}


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes an object as Coqui's script does, ``np.save(..., allow_pickle=True)``."""

    def write(content, name="scale_stats.npy"):
        np.save(tmp_path / name, content, allow_pickle=True)
        return tmp_path / name

    return write


def test_file_of_compute_statistics_is_read(statistics_file):
    """The file of Coqui's own script is read to the numbers that unpickling returns."""
    path = statistics_file()
    unpickled = np.load(path, allow_pickle=True).item()
    found = load_statistics(path)
    assert len(found.mean) == 80
    assert found == MeanStdNormalization(
        mean=tuple(map(float, unpickled["mel_mean"])), std=tuple(map(float, unpickled["mel_std"]))
    )


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2"])
def test_number_formats(write, dtype):
    """Every float format and byte order is read; these values are exact in all of them."""
    assert load_statistics(write({"mel_mean": MEAN.astype(dtype), "mel_std": STD.astype(dtype)})) == EXPECTED


@pytest.fixture
def write_pickle(tmp_path):
    """Returns a function that writes an .npy file of an object array whose pickle is the given bytes."""

    def write(pickled):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
        path = tmp_path / "scale_stats.npy"
        path.write_bytes(header.getvalue() + pickled)
        return path

    return write


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("core", [b"numpy._core.", b"numpy.core."])
def test_files_of_older_numpy(write_pickle, core, protocol):
    """Files from before numpy 2 are read, which have older protocols and another module of numpy's functions."""
    content = np.array({**CONTENT, "n_frames": np.float64(12.0)}, dtype=object)
    pickled = pickle.dumps(content, protocol)
    pickled = pickled.replace(b"numpy._core.", b"numpy.core.").replace(b"numpy.core.", core)
    assert core + b"multiarray" in pickled
    assert load_statistics(write_pickle(pickled)) == EXPECTED


def test_fortran_order_and_numpy_scalars(write):
    """Contents besides the two arrays may be laid out in any way."""
    content = {**CONTENT, "other": np.asfortranarray(np.ones((3, 2))), "count": np.int64(3), "flag": np.bool_(True)}
    assert load_statistics(write(content)) == EXPECTED


def test_npz_is_read(tmp_path):
    """A plain .npz is read; it needs only the two arrays, and may have others."""
    np.savez(tmp_path / "stats.npz", mel_mean=MEAN, mel_std=STD, other=np.zeros(2))
    assert load_statistics(tmp_path / "stats.npz") == EXPECTED


class Malicious:
    """An object that creates a folder when unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_malicious_pickle_runs_nothing(write, tmp_path):
    """The error names the code that numpy would run while loading, and nothing is run."""
    path = write({**CONTENT, "audio_config": Malicious(tmp_path / "made")})
    with pytest.raises(ConventionError, match=r"pickle names \w+\.mkdir, which may run code"):
        load_statistics(path)
    assert not (tmp_path / "made").exists()
    np.load(path, allow_pickle=True)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("numpy", "load"),
        ("numpy", "memmap"),
        ("numpy._core.multiarray", "fromfile"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"),
        ("functools", "partial"),
        ("_codecs", "decode"),
        ("vocos_coqui.statistics", "STAND_INS"),
    ],
)
def test_other_names_are_refused(write_pickle, module, name):
    """Only five names are accepted: no other is looked up, whatever it would do."""
    names = b"".join(pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode() for text in (module, name))
    path = write_pickle(pickle.PROTO + b"\x04" + names + pickle.STACK_GLOBAL + pickle.STOP)
    with pytest.raises(ConventionError, match=f"pickle names {module}.{name}, which may run code"):
        load_statistics(path)


@pytest.mark.parametrize(
    "name",
    [b"numpy\nndarray\n", b"numpy\ndtype\n", b"numpy.core.multiarray\nscalar\n", b"_codecs\nencode\n"],
    ids=["array", "dtype", "scalar", "bytes"],
)
def test_names_cannot_be_changed(write_pickle, name):
    """A pickle can't set attributes on the stand-ins, where they would affect the next file."""
    state = pickle.dumps((None, {"value": [], "code": "O8"}), 2)[2:-1]
    path = write_pickle(pickle.PROTO + b"\x02" + pickle.GLOBAL + name + state + pickle.BUILD + pickle.STOP)
    with pytest.raises(ConventionError, match="damaged: a name takes no values"):
        load_statistics(path)


@pytest.mark.parametrize("kept", [0, 3, 9, 40, 128, 150, 0.5, -1])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_truncated_file(write, tmp_path, suffix, kept):
    """A file that is cut off anywhere is an error that names it."""
    if suffix == "npz":
        np.savez_compressed(tmp_path / "stats.npz", mel_mean=MEAN, mel_std=STD)
    path = write(CONTENT) if suffix == "npy" else tmp_path / "stats.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(ConventionError, match=f"statistics .*{path.name}: "):
        load_statistics(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"mel_mean": MEAN}, "missing mel_std; found mel_mean"),
        ({}, "missing mel_mean, mel_std; found nothing"),
        (np.array(None), "holds no dictionary"),
        (np.array([CONTENT, CONTENT]), "holds no dictionary"),
        (MEAN, "a plain array of float32, expected a dictionary"),
        ({"mel_mean": MEAN, "mel_std": STD[:2]}, "mel_mean has 3 values, mel_std 2"),
        ({"mel_mean": MEAN[None], "mel_std": STD}, r"mel_mean must hold one number per band, got float32 \(1, 3\)"),
        ({"mel_mean": 0.5, "mel_std": STD}, "mel_mean must hold one number per band, got float"),
        ({"mel_mean": MEAN, "mel_std": ["1", "2", "3"]}, "mel_std must hold one number per band, got list"),
        ({"mel_mean": MEAN[:0], "mel_std": STD[:0]}, "mel_mean must hold finite numbers"),
        ({"mel_mean": MEAN * np.float32("nan"), "mel_std": STD}, "mel_mean must hold finite numbers"),
        ({"mel_mean": MEAN, "mel_std": STD * 0}, "every std must be positive"),
        ({"mel_mean": np.array(["a", "b"]), "mel_std": STD}, "arrays of <U1, expected numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_content(write, content, message):
    """Every error says what the file holds and what was expected."""
    with pytest.raises(ConventionError, match=f"scale_stats.npy: ({message})"):
        load_statistics(write(content))


def test_objects_in_npz_are_refused(tmp_path):
    """An .npz that would have to be unpickled is refused."""
    np.savez(tmp_path / "stats.npz", mel_mean=np.array([Malicious(tmp_path / "made")]), mel_std=STD)
    with pytest.raises(ConventionError, match="Object arrays cannot be loaded"):
        load_statistics(tmp_path / "stats.npz")
    assert not (tmp_path / "made").exists()


def test_missing_file(tmp_path):
    """The error names a missing file."""
    with pytest.raises(
        ConventionError, match=r"gone\.npy can't be read \(No such file or directory\): pass statistics="
    ):
        load_statistics(tmp_path / "gone.npy")


def test_mutated_files(write, tmp_path):
    """Of both formats: one family of errors, in words."""
    np.savez(tmp_path / "stats.npz", mel_mean=MEAN, mel_std=STD)
    attack([write(CONTENT), tmp_path / "stats.npz"], load_statistics, seconds=3)
