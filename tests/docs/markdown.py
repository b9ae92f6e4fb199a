"""Runs the code in Markdown pages; available to tests as the fixture `markdown`.

A page is one session in one folder. Its blocks run from top to bottom: ``python`` blocks share one namespace, ``sh``
blocks run in bash, and ``console`` blocks run in bash command by command, with the expected output below each command.
A ``text`` block right after a ``python`` block is the expected output of that block. A line ``...`` stands for any
lines, ``...`` in a line for any characters. ``<!-- not run: why -->`` above a block exempts it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from helpers.paths import ROOT
from vocos_plugins.apps.cli import app
from vocos_plugins.mel import MelMismatchWarning

BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n)?```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
INDENTED = re.compile(r"^ {4}(\S.*)$", re.MULTILINE)
RUN = ("python", "sh", "console")
PATIENCE_S = 300


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text and line, and the reason if it is not run."""

    language: str
    text: str
    line: int
    why: str | None


def pages() -> dict[str, Path]:
    """Returns every page that users read, by its path in the repository."""
    patterns = ("*.md", "docs/**/*.md", "adapters/*/README.md", "recipes/*/README.md")
    paths = (path for pattern in patterns for path in ROOT.glob(pattern))
    return {path.relative_to(ROOT).as_posix(): path for path in sorted(paths)}


def blocks(text: str) -> list[Block]:
    """Returns the fenced blocks of a page, in order."""
    return [
        Block(
            language=match["language"],
            text=match["text"],
            line=text[: match.start("text")].count("\n"),
            why=match["why"],
        )
        for match in BLOCK.finditer(text)
    ]


def command_lines(text: str) -> list[str]:
    """Returns the shell commands in blocks and in indented lines, one per line, without comments."""
    fenced = [block for block in blocks(text) if block.language in ("sh", "console")]
    lines = INDENTED.findall(re.sub(r" *\\\n *", " ", BLOCK.sub("", text)))
    for block in fenced:
        joined = block.text.replace("\\\n", " ").splitlines()
        lines += [line.removeprefix("$ ") for line in joined if block.language == "sh" or line.startswith("$ ")]
    return [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]


def run(page: Path, folder: Path, names: dict[str, object] | None = None, **variables: str) -> dict[str, object]:
    """Runs a page's blocks.

    Args:
        page: the page's file.
        folder: the working directory, also of this process.
        names: the initial namespace of Python blocks.
        variables: environment variables of shell commands, in addition to those of this process.

    Returns:
        the namespace of the Python blocks.
    """
    names = {"__name__": "__main__"} if names is None else names
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MelMismatchWarning)  # pages show lossy conversions on purpose
        run_blocks(page, folder, names, variables)
    return names


def run_blocks(page: Path, folder: Path, names: dict[str, object], variables: Mapping[str, str]) -> None:
    """Runs a page's blocks like `run`, in the given namespace."""
    printed = ""
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page.name}, line {block.line}"
        if block.why is not None:
            printed = ""
        elif block.language == "python":
            printed = run_python(block, str(page), names)
        elif block.language == "text" and printed:
            check_output(printed, block.text, where)
            printed = ""
        elif block.language == "sh":
            status, output = run_shell(block.text, folder, variables)
            assert status == 0, f"{where}: {output}"
        elif block.language == "console":
            for command, expected in commands(block.text):
                check_output(run_shell(command, folder, variables)[1], expected, f"{where}: {command}")


def run_python(block: Block, page: str, names: dict[str, object]) -> str:
    """Runs one block and returns what it prints. A traceback shows the page's own lines."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile("\n" * block.line + block.text, page, "exec"), names)  # noqa: S102
    return output.getvalue()


def run_shell(text: str, folder: Path, variables: Mapping[str, str], patience_s: float = PATIENCE_S) -> tuple[int, str]:
    """Runs lines in bash, offline and with this environment's commands first; returns the exit status and the output.

    A single ``vocos`` command runs in this process, because importing torch again takes longer than most of them do.
    """
    if re.fullmatch(r"vocos [^|&;<>$\n]+\n?", text) and not variables:
        result = CliRunner().invoke(app, shlex.split(text)[1:], env={"COLUMNS": "80"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "80",
        **variables,
    }
    done = subprocess.run(
        [shutil.which("bash") or "sh", "-eo", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=patience_s,
        check=False,
    )
    return done.returncode, done.stdout


def commands(text: str) -> Iterable[tuple[str, str]]:
    """Yields the commands of a ``console`` block, each with its expected output."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def check_output(output: str, expected: str, where: str) -> None:
    """Compares line by line; the width of columns and empty lines at the ends don't matter."""
    lines, shown = _lines(expected), "\n".join(_lines(output))
    any_text = [r"(?:.*\n)*?.*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") for line in lines]
    pattern = "\n".join(any_text)
    assert re.fullmatch(pattern, shown), f"{where} prints\n{output}\nnot\n{expected}"


def _lines(text: str) -> list[str]:
    return [re.sub(" {2,}", "  ", line.rstrip()) for line in text.strip().splitlines()]
