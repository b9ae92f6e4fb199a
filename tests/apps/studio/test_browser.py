"""The page in a real browser: drop a file, choose, click; audio plays, pictures show, and errors are explained."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.xdist_group("studio")  # one server and one browser for all

SECONDS = 1.2
WAIT_MS = 60_000
DONE = "#outcome .studio"


@pytest.fixture
def page(studio, browser):
    """The freshly opened page; a script error fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(studio.url)
    page.get_by_role("button", name="Listen").wait_for()
    yield page
    context.close()
    assert not errors


@pytest.fixture
def recording(speech, tmp_path) -> Path:
    soundfile.write(tmp_path / "mine.wav", speech, 16000)
    return tmp_path / "mine.wav"


def drop(page, path: Path) -> None:
    """Uploads a file, replacing the previous one."""
    if page.get_by_label("Clear").count():
        page.get_by_label("Clear").click()
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_text(path.stem).first.wait_for()


def choose(page, label: str, value: str) -> None:
    """Chooses from a list by typing, as a user does."""
    field = page.get_by_label(label)
    field.click()
    field.fill(value)
    page.get_by_role("option", name=value, exact=True).click()


def listen(page) -> str:
    """Clicks the button, waits for the outcome, and returns its text."""
    page.evaluate(f"document.querySelector('{DONE}')?.remove()")
    page.get_by_role("button", name="Listen").click()
    page.locator(DONE).wait_for()
    return page.locator(DONE).inner_text()


def durations(page) -> list[float]:
    """Returns the durations of all players in seconds, once the browser knows them."""
    page.wait_for_function("[...document.querySelectorAll('#outcome audio')].every(each => each.duration > 0)")
    return page.evaluate("[...document.querySelectorAll('#outcome audio')].map(each => each.duration)")


def pictures(page) -> list[dict]:
    """Returns each picture's text, whether it is loaded, and its width on the screen."""
    return page.evaluate(
        "[...document.querySelectorAll('#outcome img')].map(each => "
        "({text: each.alt, loaded: each.complete && each.naturalWidth > 50, width: each.clientWidth}))"
    )


def test_a_recording(page, recording) -> None:
    """The page has three players of the recording's length, five pictures, measures and the verdict; a player plays."""
    drop(page, recording)
    text = listen(page)
    assert durations(page) == pytest.approx([SECONDS] * 3, abs=1e-3)
    shown = pictures(page)
    assert [each["text"] for each in shown] == [
        "Mel, Original",
        "Mel, Griffin-Lim",
        "Difference of the mel, Griffin-Lim",
        "Mel, Vocos",
        "Difference of the mel, Vocos",
    ]
    assert all(each["loaded"] and each["width"] > 100 for each in shown)
    assert "Compatible: no conversion is needed" in text
    assert "MR-STFT" in text
    assert "mine.wav" in text
    played = page.evaluate(
        "(async () => {const player = document.querySelectorAll('#outcome audio')[2]; player.muted = true; "
        "await player.play(); const end = Date.now() + 10000; while (player.currentTime === 0 && Date.now() < end) "
        "await new Promise(done => setTimeout(done, 50)); return player.currentTime;})()"
    )
    assert played > 0


def test_a_mel_of_another_convention(page, mel_file) -> None:
    """Decoded as the checkpoint's own mel it raises a warning; with the right convention it doesn't."""
    drop(page, mel_file("coqui-default"))
    assert "This does not look like a vocos-22khz mel" in listen(page)
    choose(page, "Mel convention", "coqui-default")
    text = listen(page)
    assert "does not look like" not in text
    assert "Compatible, but lossy" in text
    assert durations(page) == pytest.approx([SECONDS] * 2, abs=0.03)
    assert all(each["loaded"] for each in pictures(page))
    assert len(pictures(page)) == 5


def test_bad_uploads_are_explained_and_the_page_still_works(page, recording, tmp_path) -> None:
    """Each bad upload shows an error; a good one works afterwards."""
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "empty.flac").write_bytes(b"")
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for name, expected in (("text.wav", "not audio"), ("empty.flac", "empty"), ("pickle.npy", "not a readable .npy")):
        drop(page, tmp_path / name)
        text = listen(page)
        assert page.locator("#outcome [role=alert]").count() == 1
        assert expected in text
        assert "Traceback" not in text
    drop(page, recording)
    listen(page)
    assert len(durations(page)) == 3


def test_a_file_that_is_too_large_is_refused(page, recording, tmp_path) -> None:
    """The browser refuses it; another file works afterwards."""
    soundfile.write(tmp_path / "large.wav", np.zeros(1_000_000), 16000)
    page.locator("input[type=file]").set_input_files(tmp_path / "large.wav")
    page.get_by_text("maximum allowed size").first.wait_for()
    drop(page, recording)
    listen(page)
    assert len(durations(page)) == 3


def test_nothing_is_loaded_from_elsewhere(studio, browser) -> None:
    """With a bundled clip, no response comes from another server, and a narrow page doesn't overflow."""
    context = browser.new_context(viewport={"width": 800, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    urls: list[str] = []
    page.on("response", lambda response: urls.append(response.url))
    page.goto(studio.url)
    listen(page)
    assert len(durations(page)) == 3
    assert urls
    assert [url for url in urls if not url.startswith((studio.url, "data:", "blob:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


def test_another_site_cannot_upload(studio, browser) -> None:
    """A page of another origin, here another port of this machine, posts a file as forms do; nothing is stored."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    post = """async url => {
        const form = new FormData();
        form.append("files", new Blob(["x"]), "foreign.wav");
        return (await fetch(url, {method: "POST", body: form, mode: "no-cors"})).type;
    }"""
    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        assert page.evaluate(post, f"{studio.url}gradio_api/upload") == "opaque"
        page.goto(studio.url)
        assert page.evaluate(post, f"{studio.url}gradio_api/upload") == "basic"  # its own page may
        context.close()
        server.shutdown()
    assert len(list(studio.temporary.rglob("foreign.wav"))) == 1
