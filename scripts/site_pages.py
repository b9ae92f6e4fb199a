"""MkDocs hook: turns the READMEs next to the code into pages, and paths of pages in the text into links."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"(```.*?```)", re.DOTALL)
NAMED = re.compile(r"`([\w/-]+(?:\.md)?)`")


def pages() -> dict[str, str]:
    """Returns the pages of the site that are stored elsewhere in the repository, from site name to repository path."""
    readmes = {f"adapters/{readme.parent.name}.md": readme for readme in ROOT.glob("adapters/*/README.md")}
    readmes |= {f"recipes/{readme.parent.name}.md": readme for readme in ROOT.glob("recipes/*/README.md")}
    readmes |= {f"{name.lower()}.md": ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY")}
    return {uri: path.relative_to(ROOT).as_posix() for uri, path in sorted(readmes.items())}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for uri, path in pages().items():
        files.append(File.generated(config, uri, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Turns a page's path in code type, such as `docs/streaming.md`, into a link to that page."""
    uris = {path.removesuffix("/README.md"): uri for uri, path in pages().items()}
    uris |= {path: uri for uri, path in pages().items()}
    uris |= {f"docs/{file.src_uri}": file.src_uri for file in files.documentation_pages()}

    def link(match: re.Match[str]) -> str:
        uri = uris.get(match[1])
        if uri is None or uri == page.file.src_uri:
            return match[0]
        return f"[{match[0]}]({posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or '.')})"

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else NAMED.sub(link, part) for part in parts)
