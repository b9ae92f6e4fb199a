"""The examples pass mypy: the Python code of every page, and the programs in docs/examples."""

from __future__ import annotations

import subprocess
import sys

from helpers.paths import ROOT

# These are added to the package's own settings, so that mypy's cache of the package and of torch can be reused. Names
# that a page's test provides are not checked; running the page shows whether they exist. A page may contain several
# sessions, and use a model's `mel` without checking for None. Toolkits count as untyped.
SETTINGS = """
[[tool.mypy.overrides]]
module = "page.*"
strict_optional = false
disallow_untyped_defs = false
disallow_untyped_calls = false
disallow_subclassing_any = false
warn_return_any = false
allow_redefinition = true
disable_error_code = ["name-defined", "no-redef", "no-untyped-call", "no-any-unimported"]

[[tool.mypy.overrides]]
module = ["nemo.*", "speechbrain.*", "TTS.*", "bark.*", "omegaconf.*", "hyperpyyaml.*", "transformers.*"]
ignore_missing_imports = true
follow_imports = "skip"
"""


def test_examples(markdown, tmp_path) -> None:
    """Each page is checked as one module; errors show the page's own lines."""
    settings = (ROOT / "pyproject.toml").read_text().replace("$MYPY_CONFIG_FILE_DIR", str(ROOT))
    settings = settings.replace('mypy_path = "', f'mypy_path = "{tmp_path}:')
    (tmp_path / "pyproject.toml").write_text(settings.replace('    "transformers.*",\n', "") + SETTINGS)
    sources = {path.stem: path.read_text() for path in (ROOT / "docs" / "examples").glob("*.py")}
    for name, page in markdown.pages().items():
        lines = [""] * (page.read_text().count("\n") + 1)
        for block in markdown.blocks(page.read_text()):
            if block.language == "python":
                lines[block.line : block.line + block.text.count("\n")] = block.text.splitlines()
        if any(lines):
            sources[name.removesuffix(".md").replace("/", "_").replace("-", "_")] = "\n".join(lines)
    assert len(sources) >= 15
    (tmp_path / "page").mkdir()
    files = [tmp_path / "page" / f"{name}.py" for name in sources]
    for file, source in zip(files, sources.values(), strict=True):
        file.write_text(source)
    command = [sys.executable, "-m", "mypy", "--config-file", str(tmp_path / "pyproject.toml"), *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
