"""The studio's server: its address, the uploads that it accepts, the files that it writes, and its clean-up."""

from __future__ import annotations

import importlib.util
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from vocos_plugins.apps.cli import app
from vocos_plugins.apps.studio import server
from vocos_plugins.mel.speech import CLIPS

pytestmark = pytest.mark.xdist_group("studio")  # the tests share one studio

EVERY = "0.0.0.0"  # noqa: S104 - the address that the command warns of

httpx = pytest.importorskip("httpx")


def get(url: str, **options):
    """Requests a URL with a long timeout, since connections wait until the page is built."""
    return httpx.get(url, timeout=60, **options)


def upload(url: str, name: str, content: bytes):
    return httpx.post(f"{url}gradio_api/upload", files={"files": (name, content)}, timeout=60)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_only_this_machine_reaches_it(studio) -> None:
    """127.0.0.2 reaches servers on every address, but not a server on 127.0.0.1."""
    port = urlsplit(studio.url).port
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_another_site_s_name_does_not_lead_here(studio) -> None:
    """A request under another site's name that resolves to 127.0.0.1 is refused."""
    assert get(studio.url, headers={"Host": "evil.example"}).status_code == 400
    assert get(studio.url, headers={"Host": f"localhost:{urlsplit(studio.url).port}"}).status_code == 200


def test_a_policy_keeps_the_browser_from_other_servers(studio) -> None:
    """The content security policy names no other server."""
    headers = get(studio.url).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]


def test_it_connects_to_nothing(studio) -> None:
    """The process neither connects to another server nor looks up its address."""
    assert get(studio.url).status_code == 200
    addresses = studio.connections.read_text().splitlines()
    assert addresses  # its own address, which shows that the log works
    assert [line for line in addresses if "127.0.0.1" not in line] == []


def test_nothing_can_make_it_connect() -> None:
    """Other machines are refused, this one can still be reached. 192.0.2.1 belongs to nobody (RFC 5737)."""
    code = """if True:
        import socket
        from vocos_plugins.apps.studio.server import forbid_connections

        forbid_connections()
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname()).close()
        for call in (
            lambda: socket.socket().connect(("192.0.2.1", 80)),
            lambda: socket.getaddrinfo("example.org", 80),
            lambda: socket.getaddrinfo(b"example.org", 80),
        ):
            try:
                call()
            except PermissionError as error:
                print(error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("does not connect to other machines") == 3


@pytest.mark.parametrize("path", ["docs", "openapi.json", "gradio_api/file=/etc/passwd", "gradio_api/file=setup.py"])
def test_nothing_else_is_served(studio, path) -> None:
    """Neither files of this machine nor descriptions of the API are served."""
    response = get(f"{studio.url}{path}")
    assert response.status_code in (403, 404)
    assert "root:" not in response.text


def test_an_upload_that_is_too_large_is_refused(studio) -> None:
    """Nothing of it is kept."""
    before = files_in(studio.temporary)
    assert upload(studio.url, "small.wav", b"x" * 500_000).status_code == 200
    stored = set(files_in(studio.temporary)) - set(before)
    assert [path.name for path in stored] == ["small.wav"]
    response = upload(studio.url, "large.wav", b"x" * 1_500_000)
    assert response.status_code == 413
    assert set(files_in(studio.temporary)) == stored | set(before)


def outcome_of(studio, upload: dict | None) -> dict:
    """Requests the result of the page's button as the page does."""
    config = get(f"{studio.url}config").json()
    (button,) = [each for each in config["dependencies"] if len(each["inputs"]) == 4]
    values = {each["id"]: each["props"].get("value") for each in config["components"]}
    data = [upload, *(values[each] for each in button["inputs"][1:])]
    request = {"data": data, "fn_index": button["id"], "session_hash": "abc"}
    assert httpx.post(f"{studio.url}gradio_api/queue/join", json=request, timeout=60).status_code == 200
    with httpx.stream("GET", f"{studio.url}gradio_api/queue/data?session_hash=abc", timeout=60) as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data: ")) if line else {}
            if message.get("msg") == "process_completed":
                return message
    raise AssertionError("no answer")


def test_a_file_of_the_machine_is_no_upload(studio, tmp_path) -> None:
    """A request for a file that nobody uploaded fails and reveals nothing; a request for an upload succeeds."""
    secret = tmp_path / "secret.flac"
    secret.write_bytes(CLIPS[0].path.read_bytes())
    before = files_in(studio.temporary)
    for path in (secret, CLIPS[1].path):
        answer = outcome_of(studio, {"path": str(path), "meta": {"_type": "gradio.FileData"}})
        assert not answer["success"]
        assert path.name not in json.dumps(answer["output"])
    assert files_in(studio.temporary) == before
    (path,) = upload(studio.url, "mine.flac", CLIPS[0].path.read_bytes()).json()
    answer = outcome_of(studio, {"path": path, "meta": {"_type": "gradio.FileData"}})
    assert answer["success"]
    assert "mine.flac" in answer["output"]["data"][0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_nothing_is_left_behind(start_studio, tmp_path, number) -> None:
    """After any signal, with an upload and an open page, the folder is removed; nothing was written elsewhere."""
    with start_studio(tmp_path) as studio:
        assert get(studio.url).status_code == 200
        assert upload(studio.url, "mine.wav", b"x" * 1000).status_code == 200
        (folder,) = studio.temporary.iterdir()
        assert folder.name.startswith(server.PREFIX)
        assert [path.name for path in files_in(folder)] == ["mine.wav"]
        with httpx.stream("GET", f"{studio.url}gradio_api/heartbeat/abc", timeout=60):
            started = time.monotonic()
            studio.process.send_signal(number)
            assert studio.process.wait(timeout=30) == 0
        assert time.monotonic() - started < 20  # seconds; it waits one second for the open connection
        assert not list(studio.temporary.iterdir())
        assert not files_in(studio.elsewhere)
    assert "Traceback" not in (tmp_path / "stderr").read_text()


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [(("127.0.0.1", "127.3.2.1", "::1", "localhost"), True), ((EVERY, "::", "192.168.1.2", "example.org"), False)],
    ids=["loopback", "others"],
)
def test_loopback(hosts, expected) -> None:
    """Loopback addresses and the name localhost count, other hosts don't."""
    assert {server.is_loopback(host) for host in hosts} == {expected}


@pytest.fixture
def run(monkeypatch):
    """Runs the command without serving; returns its result and the arguments of `serve`."""
    served: dict[str, object] = {}

    def serve(models, **options):
        served.update(options, models=models)
        options["ready"]("http://there/")

    monkeypatch.setattr(server, "serve", serve)
    return lambda *arguments: (CliRunner().invoke(app, ["studio", *arguments]), served)


def test_defaults(run) -> None:
    """The defaults are loopback, 50 MB and the bundled checkpoint; the address is printed."""
    result, served = run()
    assert (result.exit_code, result.stderr) == (0, "")
    assert "http://there/" in result.stdout
    assert (served["host"], served["port"], served["max_upload_mb"]) == ("127.0.0.1", 7860, 50)
    assert list(served["models"]) == ["vocos-mel-22khz-small"]


def test_another_address_is_warned_of(run) -> None:
    """A warning on standard error names the address."""
    result, _ = run("--host", EVERY)
    assert result.exit_code == 0
    assert f"anyone who can reach {EVERY}" in result.stderr


def test_a_checkpoint_that_is_not_there(run) -> None:
    """An unknown checkpoint ends the command before it serves."""
    result, served = run("--model", "nothing-of-that-name")
    assert result.exit_code == 2
    assert not served


def test_without_gradio(run, monkeypatch) -> None:
    """The error names the extra to install."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "vocos_plugins.apps.cli.studio.find_spec", lambda name: None if name == "gradio" else find_spec(name)
    )
    result, _ = run()
    assert result.exit_code == 2
    assert "pip install 'vocos-plugins[studio]'" in result.stderr


def test_a_port_that_is_taken() -> None:
    """The error suggests another port."""
    pytest.importorskip("gradio")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(app, ["studio", "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 2
    assert "--port 0" in result.stderr
