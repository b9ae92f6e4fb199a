"""The page: where to drop a file, what to choose, and the one place where everything appears."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from ..mel.speech import CLIPS
from ..model import Vocos
from ..plugins import mel_conventions
from .compute import listen
from .render import render_error, render_outcome

OWN = "the checkpoint's own"
TITLE = "Vocos studio"
# System fonts: the theme's own would come from another server.
THEME = gr.themes.Default(
    primary_hue="teal", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
).set(block_info_text_color="*body_text_color")
# Uploads that nobody has used for an hour go before the studio ends, s.
CLEAR_EVERY, CLEAR_AFTER = 600, 3600
HELP = """# Vocos studio

Drop a recording, or a mel that a text-to-speech model made. Griffin-Lim and Vocos turn it into sound, both from the
same mel, so that you hear and see what the vocoder does. A recording first becomes the mel that you choose. Everything
stays on this machine, and what you upload is deleted when the studio ends.
"""


def build_page(models: Mapping[str, Vocos], max_upload_mb: int) -> gr.Blocks:
    """The layout, with what its button does.

    Args:
        models: the checkpoints to choose from, by name.
        max_upload_mb: what is said of the limit; who serves the page enforces it.
    """
    clips = {f"{clip.path.stem}: {clip.speaker}": clip.path for clip in CLIPS}

    def show(upload: str | None, clip: str, model: str, convention: str) -> str:
        path = clips[clip] if upload is None else Path(upload)
        return listen_or_tell(path, models[model], model, convention)

    page = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(CLEAR_EVERY, CLEAR_AFTER))
    with page:
        gr.Markdown(HELP)
        with gr.Row():
            with gr.Column(min_width=300):
                upload = gr.File(
                    label=f"A recording, or a mel (.npy, .pt, .safetensors); up to {max_upload_mb} MB", height=190
                )
            with gr.Column(min_width=300):
                clip = gr.Dropdown(list(clips), value=next(iter(clips)), label="Without a file: a clip that ships")
                model = gr.Dropdown(list(models), value=next(iter(models)), label="Checkpoint")
                convention = gr.Dropdown(
                    [OWN, *sorted(mel_conventions())],
                    value=OWN,
                    label="Mel convention",
                    info="What a mel is of, or which mel a recording goes through",
                )
        button = gr.Button("Listen", variant="primary", elem_id="listen")
        outcome = gr.HTML(elem_id="outcome", min_height=120)
        button.click(
            show,
            [upload, clip, model, convention],
            outcome,
            api_visibility="private",
            concurrency_limit=1,
            show_progress="full",
        )
    return page


def listen_or_tell(path: Path, vocos: Vocos, model: str, convention: str) -> str:
    """HTML of what came of a file, or of why nothing did; never raises."""
    chosen = None if convention == OWN else mel_conventions()[convention]
    try:
        return render_outcome(listen(path, vocos, model=model, convention=chosen))
    except FileNotFoundError:
        return render_error("the file is no longer there: upload it again")
    except (ValueError, TypeError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        return render_error(f"{path.name}: {why.rstrip('.')}")
    except MemoryError:
        return render_error(f"{path.name} holds more than fits into this machine's memory")
    except Exception:  # a defect of ours: the page says so, the terminal has what is needed to mend it
        traceback.print_exc(file=sys.stderr)
        return render_error(f"{path.name}: a defect of the studio itself; its terminal has the details")
