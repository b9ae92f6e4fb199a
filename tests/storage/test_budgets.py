"""Small files that ask for much time or memory: each is refused within 2 s and 300 MB, in a child with a limit."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import resource
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.paths import ROOT
from vocos_plugins.storage import limits

SECONDS, MEBIBYTES = 2.0, 300
TIMEOUT_S = 100
# Reads each file as its name says, and prints what was said, the seconds of the processor and the peak of memory.
CHILD = """
import json, resource, sys, time
from pathlib import Path
from vocos_plugins.apps.batch.codes import read_codes
from vocos_plugins.apps.batch.lhotse_cuts import _entries
from vocos_plugins.apps.doctor.resolve import resolve_endpoint
from vocos_plugins.storage.checkpoint import read_directory
from vocos_plugins.storage.mel_files import read_mel
from vocos_plugins.storage.safe_files import read_pickle, read_yaml
from vocos_coqui.config_files import parse_config
from vocos_coqui.statistics import load_statistics
from vocos_nemo.archive import read_configuration
from vocos_nemo.exported import _read_weights
from vocos_speechbrain.hyperparams import read_hyperparams

def manifest(path):
    return [text for _, text in _entries(Path(path))]

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

idle = peak()
for name, reader in json.loads(sys.argv[1]).items():
    started, said = time.process_time(), "nothing"
    try:
        said = "read " + type(globals()[reader](name if reader == "resolve_endpoint" else Path(name))).__name__
    except (OSError, ValueError) as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps([name, said[:2000], time.process_time() - started, peak() - idle]), flush=True)
"""


def saved(content: object, *, data: bytes | None = None, method: int = zipfile.ZIP_STORED) -> bytes:
    """A file of `torch.save`, packed by another method, or with another pickle."""
    plain, packed = io.BytesIO(), io.BytesIO()
    torch.save(content, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", method) as target:
        for info in source.infolist():
            is_pickle = data is not None and info.filename.endswith("data.pkl")
            target.writestr(info.filename, data if is_pickle and data is not None else source.read(info))
    return packed.getvalue()


def doubled(start: bytes, end: bytes, levels: int = 60) -> bytes:
    """A pickle in which a tuple holds the one below it twice, at each level."""
    return start + b"K\x01K\x01\x86q\x00" + b"".join(b"h%c\x86q%c" % (i, i + 1) for i in range(levels)) + end


def legacy(data: bytes) -> bytes:
    """A file of `torch.save` of before 1.6, with another pickle."""
    file = io.BytesIO()
    torch.save(1, file, _use_new_zipfile_serialization=False)
    head = file.getvalue()
    return head.replace(b"\x80\x02K\x01.", data, 1)


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def tar(*members: tuple[str, bytes], kind: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=kind) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def sparse_tar(name: str, size: int) -> bytes:
    """A member of that size, all of it a hole, in less than a kilobyte."""
    info = tarfile.TarInfo(name)
    info.pax_headers = {"GNU.sparse.size": str(size), "GNU.sparse.numblocks": "0", "GNU.sparse.map": f"{size},0"}
    return info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)


def long_header_tar(size: int) -> bytes:
    """A gzipped extended header of that size, which tarfile reads at once."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, size
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(size))


def pickled_stats(data: bytes) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    return header.getvalue() + data


def yaml_text(string: str, uses: int) -> str:
    return f"format: &a {string}\nhead: [{', '.join(['*a'] * uses)}]\nbackbone: 1\nfeatures: {{kind: [*a, *a]}}\n"


BOMBS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "deflated.pt": (
        "read_mel",
        lambda: saved({"mel": torch.zeros(80, 300_000)}, method=zipfile.ZIP_DEFLATED),
        "unfolds to 96000",
    ),
    "key.pt": ("read_mel", lambda: saved(1, data=doubled(b"\x80\x02}", b"K\x01s.")), "shared values"),
    "key.pth": ("read_mel", lambda: legacy(doubled(b"\x80\x02}", b"K\x01s.")), "shared values"),
    "short-key.ckpt": ("read_pickle", lambda: saved({(1, 2): torch.zeros(1)}), "has a tuple as a key"),
    "called.bin": (
        "read_pickle",
        lambda: saved(1, data=doubled(b"\x80\x02ccollections\nOrderedDict\n]", b"K\x01\x86a\x85R.")),
        "shared values",
    ),
    "room.bin": (
        "read_pickle",
        lambda: saved(1, data=b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\0\0\0\0\x02\x85R."),
        "builtins.bytearray",
    ),
    "circle.bin": ("read_pickle", lambda: saved(1, data=b"\x80\x02]q\0h\0a."), "inside of itself"),
    "opcodes.bin": ("read_pickle", lambda: saved(1, data=b"\x80\x02]" + b"Na" * 10**6 + b"."), "opcodes"),
    "expanded.bin": ("read_pickle", lambda: saved({"a": torch.zeros(1).expand(500, 10**6)}), "would take 2000000000"),
    "expanded.pt": ("read_mel", lambda: saved(torch.zeros(1, 1).expand(80, 10**5)), "repeats 1 stored values"),
    "claimed.pth": (
        "read_mel",
        lambda: legacy(
            b"\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu\x8a\x05\0\0\0\0\x02NtQ."
        ),
        "declares storages, which unfolds to 34359738368",
    ),
    "tar.pth": ("read_mel", lambda: tar(("storages", b"x")), "is a tar archive"),
    "zeros.npz": ("read_mel", lambda: npz(mel=np.zeros((80, 300_000), np.float32)), "unfolds to 96000128"),
    "codes.npz": ("read_codes", lambda: npz(codes=np.zeros((8, 1_500_000), np.int64)), "unfolds to 96000128"),
    "stats.npz": (
        "load_statistics",
        lambda: npz(mel_mean=np.zeros(12 * 10**6), mel_std=np.ones(80)),
        "unfolds to 96000128",
    ),
    "key.npy": ("load_statistics", lambda: pickled_stats(doubled(b"\x80\x02}", b"K\x01s.")), "shared values"),
    "memo.npy": ("load_statistics", lambda: pickled_stats(b"\x80\x02Nr\xff\xff\xff\x7f."), "remembers a value"),
    "holes/model.nemo": ("read_configuration", lambda: sparse_tar("model_config.yaml", 2 * 10**9), "with holes"),
    "holes.nemo": ("_read_weights", lambda: sparse_tar("model_weights.ckpt", 2 * 10**9), "with holes"),
    "header.nemo": ("read_configuration", lambda: long_header_tar(10**8), "a header of"),
    "far.nemo": ("_read_weights", lambda: tar(("a", bytes(10**8)), kind="w:gz"), "unfolds to"),
    "many.nemo": ("read_configuration", lambda: tar(*[("a", b"")] * 10_002, kind="w:gz"), "more than 10000 files"),
    "lzma.nemo": ("read_configuration", lambda: tar(("a", bytes(10**6)), kind="w:xz"), "not a complete tar"),
    "quotes.json": ("parse_config", lambda: b'{"a": "' + b'\\"' * 100_000, "read NoneType"),
    "comments.json": ("parse_config", lambda: b"/* " * 100_000, "read NoneType"),
    "spaces.yaml": ("read_yaml", lambda: b" " * 64_000_000, "more than 1048576 bytes"),
    "spaces/hyperparams.yaml": ("read_hyperparams", lambda: b" " * 64_000_000, "more than 1048576 bytes"),
    "values.yaml": ("read_yaml", lambda: b"a: [" + b"0, " * 200_000 + b"]", "more than 10000 values"),
    "sixties.yaml": ("read_yaml", lambda: b"a: 1" + b":59" * 300_000, "more than 1000 characters"),
    "text.yaml": ("read_yaml", lambda: yaml_text("x" * 900_000, 9_000).encode(), "read dict"),
    "message/config.yaml": ("resolve_endpoint", lambda: yaml_text("x" * 900_000, 9_000).encode(), "format|kind"),
    "line.jsonl.gz": ("manifest", lambda: gzip.compress(b"x" * 10**8), "it unfolds to 6"),
    "code.ecdc": (
        "read_codes",
        lambda: (
            b"ECDC\0"
            + len(about := json.dumps({"m": "encodec_24khz", "al": 10**9, "nc": 1, "lm": False}).encode()).to_bytes(
                4, "big"
            )
            + about
            + bytes(4 * 10**6)
        ),
        "read StoredCodes",
    ),
}
# What has no end, behind a name that a reader opens.
ENDLESS = {
    "device/config.yaml": ("read_yaml", "it is a device"),
    "pipe.yaml": ("read_yaml", "it is a pipe"),
    "pipe.npy": ("load_statistics", "it is a pipe"),
    "device.npy": ("load_statistics", "it is a device"),
    "device.safetensors": ("read_mel", "it is a device"),
    "pipe.bin": ("read_pickle", "it is a pipe"),
}


def test_small_files_take_little_time_and_memory(tmp_path: Path) -> None:
    """Many inputs in one child, whose memory is limited; what each says, and what it took."""
    expected = {}
    for name, (reader, make, said) in BOMBS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(make())
        expected[str(tmp_path / name)] = (reader, said)
    for name, (reader, said) in ENDLESS.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if name.startswith("pipe"):
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
        expected[str(path)] = (reader, said)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps({name: reader for name, (reader, _) in expected.items()})],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "adapters")])},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30)),
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in results] == list(expected), done.stderr[-2000:]
    wrong = [
        (Path(name).name, said[:300], seconds, mebibytes)
        for name, said, seconds, mebibytes in results
        if not re.search(expected[name][1], said) or seconds > SECONDS or mebibytes > MEBIBYTES
    ]
    assert not wrong


def test_ordinary_files_are_within_the_budgets(tmp_path: Path) -> None:
    """Packed silence of half an hour, a state dict in which weights are shared, and an optimizer's state."""
    from vocos_plugins.storage.mel_files import read_mel
    from vocos_plugins.storage.safe_files import read_pickle

    silence = np.full((80, 160_000), -11.5, np.float32)
    np.savez_compressed(tmp_path / "a.npz", mel=silence)
    assert read_mel(tmp_path / "a.npz").shape == (1, *silence.shape)
    layer = torch.nn.Linear(4, 4)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.zeros(1, 4)).sum().backward()
    optimizer.step()
    weights = layer.state_dict()
    content = {"state_dict": {**weights, "tied": weights["weight"]}, "optimizers": [optimizer.state_dict()], "n": None}
    for zipped in (True, False):
        torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
        read = read_pickle(tmp_path / "a.ckpt")
        assert torch.equal(read["state_dict"]["tied"], layer.weight)
        assert read["optimizers"][0]["state"].keys() == {0, 1}


@pytest.mark.parametrize("kind", ["w", "w:gz"])
def test_nemo_archives_are_read(kind: str, tmp_path: Path) -> None:
    """Plain and gzipped, as NeMo writes them; the weights come after other files."""
    from vocos_nemo.exported import _read_weights

    weights = {"generator.vocos.a": torch.randn(300, 300)}
    members = ("./model_config.yaml", b"a: 1"), ("./words.txt", bytes(10**6)), ("./model_weights.ckpt", saved(weights))
    (tmp_path / "a.nemo").write_bytes(tar(*members, kind=kind))
    assert torch.equal(_read_weights(tmp_path / "a.nemo")["a"], weights["generator.vocos.a"])


@pytest.mark.parametrize("name", [name for name in vars(limits) if name.startswith("MAX_")])
def test_the_page_has_every_limit(name: str) -> None:
    """The table of docs/supply-chain.md has the figures of the code."""
    value = getattr(limits, name)
    written = f"{value // limits.MIB} MiB" if name.endswith("BYTES") else f"{value:,}"
    table = (ROOT / "docs" / "supply-chain.md").read_text(encoding="utf-8").partition("## Limits")[2]
    assert written in table.partition("\n## ")[0]
