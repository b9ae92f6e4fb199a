"""The page in a real browser: drop, choose, click; sound that plays, pictures that show, words for what is wrong."""

from __future__ import annotations

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
    """The page, freshly opened; scripts that fail fail the test."""
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
    """Uploads a file in place of the one before."""
    if page.get_by_label("Clear").count():
        page.get_by_label("Clear").click()
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_text(path.stem).first.wait_for()


def choose(page, label: str, value: str) -> None:
    """Picks from a list by typing, as one does."""
    field = page.get_by_label(label)
    field.click()
    field.fill(value)
    page.get_by_role("option", name=value, exact=True).click()


def listen(page) -> str:
    """Clicks, waits for what comes of it, and gives its text."""
    page.evaluate(f"document.querySelector('{DONE}')?.remove()")
    page.get_by_role("button", name="Listen").click()
    page.locator(DONE).wait_for()
    return page.locator(DONE).inner_text()


def durations(page) -> list[float]:
    """Of all players, once the browser knows them, s."""
    page.wait_for_function("[...document.querySelectorAll('#outcome audio')].every(each => each.duration > 0)")
    return page.evaluate("[...document.querySelectorAll('#outcome audio')].map(each => each.duration)")


def pictures(page) -> list[dict]:
    """What each shows, and its size within the file and on the screen."""
    return page.evaluate(
        "[...document.querySelectorAll('#outcome img')].map(each => "
        "({text: each.alt, loaded: each.complete && each.naturalWidth > 50, width: each.clientWidth}))"
    )


def test_a_recording(page, recording) -> None:
    """Three players of its length, five pictures, measures and the verdict; and one of them plays."""
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
    assert "They fit as they are" in text
    assert "MR-STFT" in text
    assert "mine.wav" in text
    played = page.evaluate(
        "(async () => {const player = document.querySelectorAll('#outcome audio')[2]; player.muted = true; "
        "await player.play(); const end = Date.now() + 10000; while (player.currentTime === 0 && Date.now() < end) "
        "await new Promise(done => setTimeout(done, 50)); return player.currentTime;})()"
    )
    assert played > 0


def test_a_mel_of_another_convention(page, mel_file) -> None:
    """First taken for the checkpoint's own, which is doubted; then for what it is."""
    drop(page, mel_file("coqui-default"))
    assert "This is hardly a mel of vocos-22khz" in listen(page)
    choose(page, "Mel convention", "coqui-default")
    text = listen(page)
    assert "hardly" not in text
    assert "They fit with a loss" in text
    assert durations(page) == pytest.approx([SECONDS] * 2, abs=0.03)
    assert all(each["loaded"] for each in pictures(page))
    assert len(pictures(page)) == 5


def test_bad_uploads_are_told_and_the_page_goes_on(page, recording, tmp_path) -> None:
    """One after the other; a good one works afterwards."""
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


def test_what_is_too_large_is_told(page, recording, tmp_path) -> None:
    """By the browser already; the page goes on with another file."""
    soundfile.write(tmp_path / "large.wav", np.zeros(1_000_000), 16000)
    page.locator("input[type=file]").set_input_files(tmp_path / "large.wav")
    page.get_by_text("maximum allowed size").first.wait_for()
    drop(page, recording)
    listen(page)
    assert len(durations(page)) == 3


def test_nothing_is_loaded_from_elsewhere(studio, browser) -> None:
    """No answer comes from another server, with a clip that ships in place of a file; narrow pages don't overflow."""
    context = browser.new_context(viewport={"width": 800, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    answered: list[str] = []
    page.on("response", lambda response: answered.append(response.url))
    page.goto(studio.url)
    listen(page)
    assert len(durations(page)) == 3
    assert answered
    assert [url for url in answered if not url.startswith((studio.url, "data:", "blob:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()
