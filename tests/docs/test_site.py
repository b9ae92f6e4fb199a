"""The site builds without a warning, its links lead somewhere, and its reference has every public name."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("site")  # what the tests share is made once

PUBLIC = ("vocos_plugins", "vocos_plugins.mel", "vocos_plugins.plugins", "vocos_plugins.streaming")
MORE = ("vocos_plugins.export", "vocos_plugins.apps.doctor")
# Names that are exported to be used inside, or documented as something else.
NOT_DOCUMENTED = {"__version__", "convention_plugins", "hookimpl", "reset", "unknown", "LOW_LATENCY_FRAMES"}


class Page(HTMLParser):
    """What a page links to, what can be linked to in it, and its pictures' texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.pictures: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := attributes.get(name))}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"] or "")
        if tag == "img":
            self.pictures.append(attributes)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder that ``make docs`` would make."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    """Every page, by its file."""
    found = {path: Page(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(found) > 20
    return found


def test_links_and_anchors(pages) -> None:
    """Those within the site lead to a file and to an anchor of it; the others have the form of an address."""
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                if not re.fullmatch(r"[\w.-]+\.[a-z]{2,}", parts.netloc) or " " in link:
                    broken.append(f"{path.name}: {link}")
            elif parts.scheme != "mailto":
                target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                target = target / "index.html" if target.is_dir() else target
                known = pages.get(target)
                unknown = parts.fragment and (known is None or parts.fragment not in known.anchors)
                if unknown or not target.exists():
                    broken.append(f"{path.name}: {link}")
    assert not broken


def test_pictures_say_what_they_show(pages) -> None:
    """Each has a text for those who don't see it."""
    pictures = [picture for page in pages.values() for picture in page.pictures]
    assert len(pictures) >= 5
    assert all(picture.get("alt") for picture in pictures)


def test_nothing_is_fetched_from_elsewhere(pages, site) -> None:
    """No script, style, font or picture of another server."""
    for path in pages:
        assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"?https?://(?!.*canonical)", path.read_text())


def test_every_page_is_a_page(site) -> None:
    """The READMEs beside the code, too."""
    for name in ("adapters/vocos_nemo", "recipes/lightning", "changelog", "contributing", "security"):
        assert (site / f"{name}.html").exists()


@pytest.mark.parametrize("module", [*PUBLIC, *MORE])
def test_reference_is_complete(site, module) -> None:
    """Every name that a module exports is in the site's inventory, wherever it is defined."""
    content = (site / "objects.inv").read_bytes()
    names = zlib.decompress(content.split(b"\n", 4)[4]).decode()
    for name in set(importlib.import_module(module).__all__) - NOT_DOCUMENTED:
        assert re.search(rf"^[\w.]+\.{name} py:", names, flags=re.MULTILINE), name
