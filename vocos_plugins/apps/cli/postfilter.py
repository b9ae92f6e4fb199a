"""``vocos postfilter``: fits a model to the mels that an acoustic model predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .batch import BatchProgress, end_with, until_done
from .options import SIDE, fail, load_mel_model, resolve_source


def postfilter(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A bundled name, a directory, or a Hugging Face repository.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Directory for the model with its postfilter.")],
    predicted: Annotated[
        Path,
        typer.Option(
            "--predicted",
            help="Mels that the acoustic model predicted: a folder, or JSON lines with mel_filepath and, if known, "
            "audio_filepath.",
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Recordings of the same voice: a folder, a list of files, or a manifest (.csv). Mels of a folder are "
            "paired with recordings of the same names. By default the speech that ships with the package.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help=f"The mel that was predicted: {SIDE}. By default MODEL's own."),
    ] = None,
) -> None:
    """Fit MODEL to mels that an acoustic model predicted, and write it to OUT.

    Predicted mels are flatter than those of recordings, which makes speech dull. The postfilter is a linear map that
    gives them the recordings' mean and covariance; nothing is trained, so a minute or two of speech and a few seconds
    are enough. 10 sentences that were both predicted and recorded do; of different sentences, take 100. Without
    recordings of the voice, the mels get the covariance of other voices and keep their mean, which gains a little less.

    OUT is for the mels of that acoustic model only. Copy-synthesis of recordings is not affected.
    """
    from ...plugins import mel_conventions
    from ..postfilter import find_speech, fit_to_speech

    try:
        speech = find_speech(predicted, data)
    except (ValueError, OSError) as error:
        fail(str(error))
    vocos = load_mel_model(model, "cpu")
    convention = resolve_source(source, vocos.mel) if source else None
    progress = BatchProgress(len(speech.pairs) + len(speech.recordings))
    with until_done(progress):
        fit = fit_to_speech(vocos, speech, convention, mel_conventions().values(), progress)
        counts = f"{fit.predicted.n_frames} predicted and {fit.recorded.n_frames} recorded frames"
        voice = "" if speech.same_voice else " of other voices"
        vocos.provenance = {**vocos.provenance, "postfilter": f"fitted on {counts}{voice}"}
        vocos.save_pretrained(out)
    same = "the same sentences" if speech.paired else "not the same sentences"
    sides = f", of {same}" if speech.same_voice else f"{voice}: the speech that ships with vocos-plugins"
    typer.echo(f"Fitted on {counts}{sides}. {fit.blur}".rstrip())
    typer.echo(f"Wrote {out}")
    end_with(fit.failures)
