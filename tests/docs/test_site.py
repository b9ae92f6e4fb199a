"""The site builds without warnings, its links work, and its reference has every public name."""

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

pytestmark = pytest.mark.xdist_group("site")  # so that shared fixtures are built once

PUBLIC = ("vocos_plugins", "vocos_plugins.mel", "vocos_plugins.plugins", "vocos_plugins.streaming")
MORE = ("vocos_plugins.export", "vocos_plugins.apps.doctor")
# Names that are exported for internal use, or documented elsewhere.
NOT_DOCUMENTED = {
    "__version__",
    "convention_plugins",
    "hookimpl",
    "reset",
    "unknown_name_message",
    "LOW_LATENCY_FRAMES",
}


class Page(HTMLParser):
    """A page's links, anchors and pictures."""

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
    """A folder with the site, as built by ``make docs``."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    """Every page, by its file."""
    by_path = {path: Page(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(by_path) > 20
    return by_path


def test_links_and_anchors(pages) -> None:
    """Internal links lead to an existing file and anchor; external ones are well-formed."""
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
    """Each picture has an alternative text."""
    pictures = [picture for page in pages.values() for picture in page.pictures]
    assert len(pictures) >= 5
    assert all(picture.get("alt") for picture in pictures)


def test_nothing_is_fetched_from_elsewhere(pages, site) -> None:
    """No script, style, font or picture is loaded from another server."""
    for path in pages:
        assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"?https?://(?!.*canonical)", path.read_text())


def test_every_page_is_a_page(site) -> None:
    """The READMEs next to the code are pages, too."""
    for name in ("adapters/vocos_nemo", "recipes/lightning", "changelog", "contributing", "security"):
        assert (site / f"{name}.html").exists()


@pytest.mark.parametrize("module", [*PUBLIC, *MORE])
def test_reference_is_complete(site, module) -> None:
    """Every exported name of a module is in the site's inventory, wherever it is defined."""
    content = (site / "objects.inv").read_bytes()
    names = zlib.decompress(content.split(b"\n", 4)[4]).decode()
    for name in set(importlib.import_module(module).__all__) - NOT_DOCUMENTED:
        assert re.search(rf"^[\w.]+\.{name} py:", names, flags=re.MULTILINE), name
