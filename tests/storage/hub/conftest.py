"""A stand-in for the Hugging Face hub on loopback, and clients of it in fresh processes.

The machines that run the tests can't reach the real hub. The stand-in answers the requests that `huggingface_hub`
makes to find, download and commit files, with the headers that it looks for; its repositories are created here. The
client reads its settings when it is imported, hence the process for each test.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
import torch
import yaml
from torch import nn

from helpers.paths import ROOT

COMMIT = "c" * 40
# Every client starts with this: the reference package can't be imported, and errors are returned as text.
PRELUDE = """
import json, sys, torch
sys.modules.update(dict.fromkeys(("vocos", "torchaudio", "encodec")))
from vocos_plugins import Vocos
from vocos_plugins.storage.safe_files import CheckpointError
assert "huggingface_hub" not in sys.modules

def attempt(name, **options):
    try:
        return Vocos.from_pretrained(name, **options).provenance or "loaded"
    except CheckpointError as error:
        return str(error)
"""


class FakeHub(ThreadingHTTPServer):
    """A server with repositories by name, each with its files by revision; it records every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.tokens: dict[str, str] = {}
        self.gated: set[str] = set()
        self.requests: list[tuple[str, str, str | None]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, name: str, files: dict[str, bytes], revision: str = "main") -> None:
        self.repositories.setdefault(name, {})[revision] = files


class Handler(BaseHTTPRequestHandler):
    """The few routes of the hub's interface that downloading and committing need."""

    server: FakeHub
    protocol_version = "HTTP/1.1"
    not_found: ClassVar[dict[str, str]] = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}

    def log_message(self, *arguments: Any) -> None:
        """Logs nothing, to keep the test's output clean."""

    def do_HEAD(self) -> None:
        self.resolve()

    def do_GET(self) -> None:
        self.resolve()

    def do_POST(self) -> None:
        self.record()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        route = self.path.split("?")[0].strip("/").split("/")
        match route:
            case ["api", "repos", "create"]:
                request = json.loads(body)
                name = f"{request['organization']}/{request['name']}"
                known = name in self.server.repositories
                self.server.repositories.setdefault(name, {"main": {}})
                self.reply(409 if known else 200, json.dumps({"url": f"{self.server.endpoint}/{name}"}).encode())
            case ["api", "validate-yaml"]:
                self.reply(200, json.dumps({"errors": [], "warnings": []}).encode())
            case ["api", "models", org, name, "preupload", "main"]:
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self.reply(200, json.dumps({"files": files}).encode())
            case ["api", "models", org, name, "commit", "main"]:
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        content = base64.b64decode(line["value"]["content"])
                        self.server.repositories[f"{org}/{name}"]["main"][line["value"]["path"]] = content
                url = f"{self.server.endpoint}/{org}/{name}/commit/{COMMIT}"
                self.reply(200, json.dumps({"commitUrl": url, "commitOid": COMMIT}).encode())
            case _:
                self.reply(404)

    def resolve(self) -> None:
        """Answers ``/org/name/resolve/revision/file``, or with a repository's description."""
        self.record()
        route = self.path.split("?")[0].strip("/").split("/")
        if route[:2] == ["api", "models"]:
            route = [*route[2:4], "resolve", "main", ""]
        name, revision, file = "/".join(route[:2]), route[3], "/".join(route[4:])
        revisions = self.server.repositories.get(name)
        if revisions is None or self.server.tokens.get(name) not in (None, self.headers.get("Authorization")):
            self.reply(404, headers={"X-Error-Code": "RepoNotFound"})
        elif name in self.server.gated:
            self.reply(403, headers={"X-Error-Code": "GatedRepo"})
        elif revision not in revisions:
            self.reply(404, headers={"X-Error-Code": "RevisionNotFound"})
        elif file == "":
            self.reply(200, json.dumps({"id": name, "sha": COMMIT, "siblings": []}).encode())
        elif file not in revisions[revision]:
            self.reply(404, headers=self.not_found)
        else:
            content = revisions[revision][file]
            commit = revision if len(revision) == 40 else hashlib.sha1(f"{name}@{revision}".encode()).hexdigest()  # noqa: S324 - a name, no secret
            etag = hashlib.sha256(content).hexdigest()
            self.reply(200, content, {"X-Repo-Commit": commit, "ETag": f'"{etag}"'})

    def record(self) -> None:
        self.server.requests.append((self.command, self.path, self.headers.get("Authorization")))

    def reply(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A hub without repositories."""
    server = FakeHub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def package(publish) -> Callable[..., dict[str, bytes]]:
    """Returns a reference model's files as in published repositories, without EnCodec's weights."""

    def pack(model: nn.Module, config: Any, **changes: Any) -> dict[str, bytes]:
        buffer = io.BytesIO()
        weights = {key: value for key, value in model.state_dict().items() if ".encodec." not in key}
        torch.save(weights, buffer)
        return {
            "config.yaml": yaml.safe_dump({**publish(config), **changes}).encode(),
            "pytorch_model.bin": buffer.getvalue(),
        }

    return pack


@pytest.fixture
def client(hub, tmp_path) -> Callable[..., Any]:
    """Runs code in a fresh process whose hub is the stand-in; returns what the code assigned to ``result``."""

    def run(code: str, **environment: str) -> Any:
        settings = {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "no_proxy": "127.0.0.1",
            "OUT": str(tmp_path),
        }
        script = PRELUDE + textwrap.dedent(code) + "\nprint(json.dumps(result))"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**inherited, **settings, **environment},
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
