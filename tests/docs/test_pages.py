"""The code on every page runs: here, or in the named test with the toolkit that it needs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from helpers.paths import ROOT

# Pages whose code needs a toolkit, its own files, or more than one session; each with the test that runs it.
ELSEWHERE = {
    "README.md": "tests/test_readme.py",
    "adapters/vocos_bark/README.md": "tests/adapters/bark/test_documentation.py",
    "adapters/vocos_coqui/README.md": "tests/adapters/coqui/vocoder/processes/test_readme.py",
    "adapters/vocos_nemo/README.md": "tests/adapters/nemo/vocoder/test_readme.py",
    "adapters/vocos_reference/README.md": "tests/adapters/reference/test_readme.py",
    "adapters/vocos_speechbrain/README.md": "tests/adapters/speechbrain/vocoder/test_usage.py",
    "docs/bark.md": "tests/adapters/bark/test_documentation.py",
    "docs/plugins.md": "tests/plugins/test_toy.py",
    "docs/start/bark.md": "tests/adapters/bark/test_start.py",
    "docs/start/coqui.md": "tests/adapters/coqui/vocoder/processes/test_start.py",
    "docs/start/nemo.md": "tests/adapters/nemo/vocoder/test_start.py",
    "docs/start/speechbrain.md": "tests/adapters/speechbrain/vocoder/test_start.py",
    "docs/streaming.md": "tests/streaming/test_documentation.py",
    "recipes/coqui/README.md": "tests/recipes/coqui/test_readme.py",
    "recipes/nemo/README.md": "tests/recipes/nemo/test_readme.py",
    "recipes/speechbrain/README.md": "tests/recipes/speechbrain/test_readme.py",
}
GENERATED = {"docs/cli.md"}  # usage lines, not commands
PATTERNS = ("*.md", "docs/**/*.md", "adapters/*/README.md", "recipes/*/README.md")
PAGES = sorted({path.relative_to(ROOT).as_posix() for pattern in PATTERNS for path in ROOT.glob(pattern)} - GENERATED)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE])
def test_code_runs(page, markdown, tmp_path, monkeypatch) -> None:
    """A page's code runs from top to bottom in an empty folder, as a reader would run it."""
    monkeypatch.chdir(tmp_path)
    markdown.run(ROOT / page, tmp_path)


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items())
def test_code_runs_elsewhere(page, test) -> None:
    """The named test exists and names the page."""
    source = (ROOT / test).read_text()
    assert page in PAGES
    assert all(part in source for part in Path(page).parts[-2:])


@pytest.mark.parametrize("page", PAGES)
def test_blocks_are_complete(page, markdown) -> None:
    """All code is in fences with a language; blocks that aren't run say why; YAML is valid."""
    text = (ROOT / page).read_text()
    blocks = markdown.blocks(text)
    assert len(re.findall(r"^```", text, flags=re.MULTILINE)) == 2 * len(blocks)
    assert not re.findall(r"\n\n {4}\S.*", markdown.BLOCK.sub("", text))
    marks = re.findall(r"^<!-- not run", text, flags=re.MULTILINE)
    assert len(marks) == sum(block.why is not None for block in blocks)
    for block in blocks:
        if block.language == "yaml":
            yaml.load(re.sub(r"![\w:.]+", "", block.text), yaml.SafeLoader)


@pytest.mark.parametrize("page", PAGES)
def test_commands_can_be_typed(page, markdown) -> None:
    """Each ``vocos`` command on a page parses, even if no test runs it."""
    import typer.main

    from vocos_plugins.apps.cli import app

    root = typer.main.get_command(app)
    for line in markdown.command_lines((ROOT / page).read_text()):
        program, *arguments = shlex.split(re.sub(r"^(\w+=\S+ )+", "", line), comments=True) or [""]
        if program == "vocos" and arguments and not arguments[0].startswith("-"):
            command = root.commands[arguments[0]]  # type: ignore[attr-defined]
            command.make_context(arguments[0], arguments[1:])


@pytest.mark.parametrize("page", PAGES)
def test_scripts_are_there(page, markdown) -> None:
    """Each script and make target on a page exists, with the options shown."""
    text = (ROOT / page).read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", text, flags=re.MULTILINE)) <= {
        pair for target in targets for pair in ((target, ""), ("", target))
    }
    for script, options in re.findall(r"python ((?:benchmarks|scripts)/\w+\.py)([^`\n]*)", text):
        assert (ROOT / script).exists()
        source = "".join(file.read_text() for file in (ROOT / script).parent.glob("*.py"))
        for option in re.findall(r"--[a-z-]+", options):
            assert f'"{option}"' in source, f"{script} has no {option}"
