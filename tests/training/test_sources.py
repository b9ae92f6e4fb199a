"""Recordings from folders, lists and manifests, and the errors of broken ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocos_plugins.training.sources import Recording, find_recordings

Corpus = Callable[..., Path]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Makes empty files of the given names; nothing here opens them."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def test_a_folder_is_searched_in_a_fixed_order(corpus: Corpus) -> None:
    """Subfolders count, in sorted order; text and hidden files don't."""
    folder = corpus("b.wav", "a/2.FLAC", "a/1.opus", "readme.txt", ".hidden.wav", ".trash/c.wav", "a/._1.wav")
    assert [recording.path for recording in find_recordings(folder)] == [
        folder / "a" / "1.opus",
        folder / "a" / "2.FLAC",
        folder / "b.wav",
    ]


def test_a_list_names_paths_relative_to_it_or_absolute(corpus: Corpus) -> None:
    """Lists work like the reference's, with any suffix; empty lines and a byte order mark are ignored."""
    folder = corpus("x/a.wav", "b.wav", "lists/none")
    listed = folder / "lists" / "filelist.train"
    listed.write_text(f"../x/a.wav\n\n  {folder / 'b.wav'}\r\n", encoding="utf-8-sig")
    found = [recording.path.resolve() for recording in find_recordings(listed)]
    assert found == [(folder / "x" / "a.wav").resolve(), (folder / "b.wav").resolve()]


def test_a_manifest_says_bandwidth_licence_and_speaker(corpus: Corpus) -> None:
    """The metadata of a split's rows is read; empty fields are unknown."""
    folder = corpus("a.wav", "b.wav")
    manifest = folder / "m.csv"
    manifest.write_text(
        "file,split,speaker,licence,attribution,seconds,bandwidth_hz\n"
        'a.wav, train , LJ,CC BY 4.0,"LibriTTS, read by LJ",1.5,8000\n'
        "b.wav,train,,,,,\n"
        "not-here.wav,eval,,,,,\n"
    )
    assert find_recordings(manifest, "train") == [
        Recording(
            path=folder / "a.wav",
            bandwidth_hz=8000.0,
            licence="CC BY 4.0",
            attribution="LibriTTS, read by LJ",
            speaker="LJ",
        ),
        Recording(path=folder / "b.wav"),
    ]


def test_a_manifest_needs_only_files(corpus: Corpus) -> None:
    """One column is enough."""
    folder = corpus("a.wav")
    (folder / "m.csv").write_text("file\na.wav\n")
    assert find_recordings(folder / "m.csv") == [Recording(path=folder / "a.wav")]


@pytest.mark.parametrize(
    ("text", "split", "message"),
    [
        ("file,split\na.wav,train\nb.wav,eval\n", "test", r"m\.csv: no split 'test'; it has eval, train"),
        ("file\na.wav\n", "train", "no column 'split'"),
        ("path\na.wav\n", None, r"needs a column 'file'; it has path"),
        ("", None, "needs a column 'file'; it has none"),
        ("file\n", None, "no rows"),
        ("file\na.wav\nlost.wav\n", None, r"m\.csv, line 3: no such file: .*lost\.wav"),
        ("file,speaker\n,me\n", None, "line 2: the file name is empty"),
        ("file,bandwidth_hz\na.wav,8 kHz\n", None, "line 2: bandwidth_hz must be a number of Hz, got '8 kHz'"),
        (
            "file,bandwidth_hz\na.wav,8000\na.wav,nan\n",
            None,
            "line 3: bandwidth_hz must be positive and finite, got 'nan'",
        ),
        ("file,bandwidth_hz\na.wav,-1\n", None, "must be positive and finite, got '-1'"),
        ("file,bandwidth_hz\na.wav,inf\n", None, "must be positive and finite, got 'inf'"),
        ("file\na.wav,1,2\n", None, "line 2: more values than columns"),
        ('file\n"a.wav\n', None, "not a CSV row"),
    ],
)
def test_errors_of_a_manifest(corpus: Corpus, text: str, split: str | None, message: str) -> None:
    """The message names file and line, the value and what was expected."""
    manifest = corpus("a.wav", "b.wav") / "m.csv"
    manifest.write_text(text)
    with pytest.raises(ValueError, match=message):
        find_recordings(manifest, split)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.wav\nlost.wav\n", r"list\.txt, line 2: no such file: .*lost\.wav"),
        (b"\n\n", "the list is empty"),
        (b"RIFF\xff\xfe\x00", "not a folder, a manifest"),
    ],
)
def test_errors_of_a_list(corpus: Corpus, content: bytes, message: str) -> None:
    """A missing file is named with its line; an empty list and a file that is no list, such as audio, are refused."""
    listed = corpus("a.wav") / "list.txt"
    listed.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        find_recordings(listed)


def test_a_folder_without_audio_and_a_missing_source_are_refused(corpus: Corpus) -> None:
    """Both are refused with the path."""
    folder = corpus("readme.txt")
    with pytest.raises(ValueError, match="no audio files in this folder"):
        find_recordings(folder)
    with pytest.raises(ValueError, match="no such file or folder"):
        find_recordings(folder / "lost")


def test_only_manifests_have_splits(corpus: Corpus) -> None:
    """A split of a folder is refused instead of ignored."""
    with pytest.raises(ValueError, match="only a manifest"):
        find_recordings(corpus("a.wav"), "train")


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1), st.sampled_from(["a", "b", "c"]))
def test_splits_part_a_manifest(tmp_path_factory: pytest.TempPathFactory, splits: list[str], wanted: str) -> None:
    """A split has its own rows, in order, and an unknown one is an error."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "x.wav").touch()
    rows = [f"x.wav,{split},{number}" for number, split in enumerate(splits)]
    (folder / "m.csv").write_text("\n".join(["file,split,speaker", *rows]))
    expected = [str(number) for number, split in enumerate(splits) if split == wanted]
    if expected:
        assert [recording.speaker for recording in find_recordings(folder / "m.csv", wanted)] == expected
    else:
        with pytest.raises(ValueError, match="no split"):
            find_recordings(folder / "m.csv", wanted)
