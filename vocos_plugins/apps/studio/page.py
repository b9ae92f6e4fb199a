"""The page: an upload field, choices, and the area that shows the outcome."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from ...mel.speech import CLIPS
from ...model import Vocos
from ...plugins import mel_conventions
from .compute import listen
from .render import render_error, render_outcome

OWN = "the checkpoint's own"
TITLE = "Vocos studio"
# System fonts, since the theme's own would be loaded from another server.
THEME = gr.themes.Default(
    primary_hue="teal", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
).set(block_info_text_color="*body_text_color")
# Uploads unused for an hour are deleted while the studio runs, seconds.
CLEAR_EVERY, CLEAR_AFTER = 600, 3600
MOST_JOBS = 20  # that wait; one runs at a time
STREAM_WAIT_S = 3.0
HELP = """# Vocos studio

Drop a recording, or a mel from a text-to-speech model. Griffin-Lim and Vocos decode the same mel, so that you can hear
and see what the vocoder does. A recording is first converted to the mel that you choose. Everything stays on this
machine, and uploads are deleted when the studio ends.
"""


def build_page(models: Mapping[str, Vocos], max_upload_mb: int, listeners: Mapping[str, int]) -> gr.Blocks:
    """Builds the layout and connects its button.

    Args:
        models: the checkpoints to choose from, by name.
        max_upload_mb: the limit that the page shows; the server enforces it.
        listeners: open event streams by session; a job whose session has none is dropped.
    """
    clips = {f"{clip.path.stem}: {clip.speaker}": clip.path for clip in CLIPS}

    def show(upload: str | None, clip: str, model: str, convention: str, request: gr.Request) -> str:
        if not _is_awaited(request.session_hash or "", listeners):
            return render_error("the page was closed")
        path = clips[clip] if upload is None else Path(upload)
        return listen_or_explain(path, models[model], model, convention)

    page = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(CLEAR_EVERY, CLEAR_AFTER))
    page.queue(max_size=MOST_JOBS)
    with page:
        gr.Markdown(HELP)
        with gr.Row():
            with gr.Column(min_width=300):
                upload = gr.File(
                    label=f"A recording, or a mel (.npy, .pt, .safetensors); up to {max_upload_mb} MB", height=190
                )
            with gr.Column(min_width=300):
                clip = gr.Dropdown(list(clips), value=next(iter(clips)), label="Without a file: a bundled clip")
                model = gr.Dropdown(list(models), value=next(iter(models)), label="Checkpoint")
                convention = gr.Dropdown(
                    [OWN, *sorted(mel_conventions())],
                    value=OWN,
                    label="Mel convention",
                    info="The convention of the mel, or of the mel that a recording is converted to",
                )
        button = gr.Button("Listen", variant="primary", elem_id="listen")
        outcome = gr.HTML(elem_id="outcome", min_height=120)
        button.click(
            show,
            [upload, clip, model, convention],
            outcome,
            api_visibility="private",  # not for Gradio's API clients
            concurrency_limit=1,
            show_progress="full",
        )
    return page


def _is_awaited(session: str, listeners: Mapping[str, int]) -> bool:
    """Whether anyone waits for a job. A page asks for its stream just after its job, so that it may be late."""
    end = time.monotonic() + STREAM_WAIT_S
    while not listeners.get(session) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(listeners.get(session))


def listen_or_explain(path: Path, vocos: Vocos, model: str, convention: str) -> str:
    """Returns the outcome of a file as HTML, or the reason for its failure; never raises."""
    chosen = None if convention == OWN else mel_conventions()[convention]
    try:
        return render_outcome(listen(path, vocos, model=model, convention=chosen))
    except FileNotFoundError:
        return render_error("the file no longer exists: upload it again")
    except (ValueError, TypeError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        return render_error(f"{path.name}: {why.rstrip('.')}")
    except MemoryError:
        return render_error(f"{path.name} is too large for this machine's memory")
    except Exception:  # a bug: the page says so, and the terminal gets the traceback for a report
        traceback.print_exc(file=sys.stderr)
        return render_error(f"{path.name}: a bug in the studio; its terminal has the details")
