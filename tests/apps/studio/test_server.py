"""The studio's server: its address, the uploads that it accepts, the files that it writes, and its clean-up."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from vocos_plugins.apps.cli import app
from vocos_plugins.apps.studio import folder, guard, server
from vocos_plugins.mel.speech import CLIPS

pytestmark = pytest.mark.xdist_group("studio")  # the tests share one studio

EVERY = "0.0.0.0"  # noqa: S104 - the address that the command warns of

httpx = pytest.importorskip("httpx")
TestClient = pytest.importorskip("starlette.testclient").TestClient


def get(url: str, **options):
    """Requests a URL with a long timeout, since connections wait until the page is built."""
    return httpx.get(url, timeout=60, **options)


def upload(url: str, name: str, content: bytes):
    return httpx.post(f"{url}gradio_api/upload", files={"files": (name, content)}, timeout=60)


def files_in(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


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


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_other_sites_cannot_post(studio, headers) -> None:
    """Neither an upload nor a job of another site, or of another server of this machine, is accepted."""
    before = files_in(studio.temporary)
    for path in ("upload", "queue/join"):
        response = httpx.post(f"{studio.url}gradio_api/{path}", files={"files": ("a.wav", b"x")}, headers=headers)
        assert response.status_code == 403
    assert files_in(studio.temporary) == before


def test_bodies_of_unknown_or_great_length_are_refused(studio) -> None:
    """Only uploads are large, and they say how large."""
    url = f"{studio.url}gradio_api/queue/join"
    assert httpx.post(url, content=iter([b"{}"]), timeout=60).status_code == 411
    assert httpx.post(url, content=b"x" * 1_100_000, timeout=60).status_code == 413


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


def test_jobs_without_a_listener_are_dropped(start_studio, tmp_path) -> None:
    """Jobs whose clients are gone are not computed, and no more than a number of them may wait."""
    with start_studio(tmp_path) as studio:
        config = get(f"{studio.url}config").json()
        (button,) = [each for each in config["dependencies"] if len(each["inputs"]) == 4]
        values = {each["id"]: each["props"].get("value") for each in config["components"]}
        request = {"data": [values[each] for each in button["inputs"]], "fn_index": button["id"]}
        answers = []
        for number in range(30):
            job = request | {"session_hash": f"gone{number}"}
            answers.append(httpx.post(f"{studio.url}gradio_api/queue/join", json=job, timeout=60).status_code)
        assert answers[0] == 200
        assert answers.count(503) >= 8  # of 30, 20 may wait, and one or two run meanwhile


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_nothing_is_left_behind(start_studio, tmp_path, number) -> None:
    """After any signal, with an upload and an open page, the folder is removed; nothing was written elsewhere."""
    with start_studio(tmp_path) as studio:
        assert get(studio.url).status_code == 200
        assert upload(studio.url, "mine.wav", b"x" * 1000).status_code == 200
        (own,) = studio.temporary.iterdir()
        assert own.name.startswith(f"{folder.PREFIX}{studio.process.pid}-")
        assert [path.name for path in files_in(own)] == ["mine.wav"]
        with httpx.stream("GET", f"{studio.url}gradio_api/heartbeat/abc", timeout=60):
            started = time.monotonic()
            studio.process.send_signal(number)
            assert studio.process.wait(timeout=30) == 0
        assert time.monotonic() - started < 20  # seconds; it waits one second for the open connection
        assert not list(studio.temporary.iterdir())
        assert not files_in(studio.elsewhere)
    assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_folders_of_killed_studios_are_removed(tmp_path) -> None:
    """Only those of processes that are gone: not those of living ones, nor what others named alike."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [f"vocos-studio-{gone.pid}-abc", f"vocos-studio-{os.getpid()}-abc", "vocos-studio-mine"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "upload.wav").touch()
    (tmp_path / f"vocos-studio-{gone.pid}-link").symlink_to(tmp_path / names[2])
    folder.remove_leftovers(tmp_path)
    assert sorted(path.parent.name for path in files_in(tmp_path)) == sorted(names[1:])


@pytest.fixture
def own_folder(tmp_path) -> Path:
    """A folder that is named as this process's studio would name it."""
    made = tmp_path / f"vocos-studio-{os.getpid()}-abc"
    made.mkdir()
    return made


def test_the_oldest_uploads_make_room(own_folder, tmp_path) -> None:
    """Files go by age until both the number and the size allow one more; never those of another folder."""
    for age, name in enumerate("abcd"):
        (own_folder / name).write_bytes(b"x" * 10)
        os.utime(own_folder / name, (1000 + age, 1000 + age))
    folder.make_room(own_folder, n_files=10, n_bytes=25)
    assert sorted(path.name for path in files_in(own_folder)) == ["c", "d"]
    folder.make_room(own_folder, n_files=2, n_bytes=1000)
    assert [path.name for path in files_in(own_folder)] == ["d"]
    with pytest.raises(ValueError, match="not the studio's own folder"):
        folder.make_room(tmp_path, n_files=1, n_bytes=0)
    assert [path.name for path in files_in(tmp_path)] == ["d"]


@pytest.fixture
def guarded(own_folder):
    """Makes a guard of a server on a host, with uploads of up to 1 MB; it returns the status of a POST."""

    async def accept(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def make(host="127.0.0.1"):
        door = guard.Guard(accept, folder=own_folder, host=host, max_upload_mb=1, listeners=Counter())
        # In a thread of its own: in this one, the browser's event loop may be running.
        client = TestClient(door, base_url="http://127.0.0.1:7860")
        return lambda path, **headers: client.post(path, content=b"x", headers=headers).status_code

    return make


@pytest.mark.parametrize("host", ["::1", "127.0.0.2", "localhost", "127.0.0.1"])
def test_every_loopback_address_is_guarded(guarded, host) -> None:
    """A server on one answers to the names of any, and to no other."""
    post = guarded(host)
    assert [post("/a", Host=name) for name in ("[::1]:7860", "127.0.0.2", "localhost:80")] == [200] * 3
    names = ("evil.example", "127.0.0.1.evil.example", "[::2]", "", "[")
    assert [post("/a", Host=name) for name in names] == [400] * len(names)


def test_uploads_have_a_rate(guarded) -> None:
    """More in a minute are refused, whatever their size."""
    post = guarded()
    answers = [post("/gradio_api/upload") for _ in range(guard.UPLOADS_PER_MINUTE + 1)]
    assert answers == [200] * guard.UPLOADS_PER_MINUTE + [429]


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [(("127.0.0.1", "127.3.2.1", "::1", "localhost"), True), ((EVERY, "::", "192.168.1.2", "example.org"), False)],
    ids=["loopback", "others"],
)
def test_loopback(hosts, expected) -> None:
    """Loopback addresses and the name localhost count, other hosts don't."""
    assert {guard.is_loopback(host) for host in hosts} == {expected}


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
