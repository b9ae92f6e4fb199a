"""Bark with Vocos: the codec that `adapt` returns, and a transformers model that decodes a batch in one call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import BarkModel

from vocos_plugins import MelConvention, Vocos

from .codec import CodesMismatch, VocosCodec


class VocosBarkModel(BarkModel):
    """A ``BarkModel`` for batches: `attach` a Vocos to it; without one it behaves like ``BarkModel``.

    With a Vocos, a batch is decoded in one call, each text as if it were alone. ``BarkModel`` itself decodes one by one
    if ``return_output_lengths`` is set, and otherwise decodes the padding too.
    """

    def codec_decode(self, fine_output: Tensor, output_lengths: Tensor | None = None) -> Any:
        """Decodes codes ``(B, 8, T)`` to audio ``(B, T * 320)``; with frames ``(B,)``, to a list of such rows."""
        codec = self.codec_model
        if not isinstance(codec, VocosCodec) or output_lengths is None:
            return super().codec_decode(fine_output, output_lengths)
        # transformers puts the batch first, EnCodec's quantizer the codebooks.
        features = codec.quantizer.decode(fine_output.transpose(0, 1))
        audio = codec.decode_features(features, output_lengths)
        hop_length = codec.vocos.hop_length
        # A list, as BarkModel.codec_decode returns for lengths; its generate() pads the rows.
        return [row[: n_frames * hop_length] for row, n_frames in zip(audio, output_lengths.tolist(), strict=True)]

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor | None = None,
        history_prompt: dict[str, Tensor] | None = None,
        return_output_lengths: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Generates as ``BarkModel.generate`` does; with a Vocos, audio ``(B, N)`` is 0 past each text's end."""
        # Only when it is asked for lengths does BarkModel pass them to codec_decode.
        wanted = return_output_lengths or isinstance(self.codec_model, VocosCodec)
        result = super().generate(input_ids, history_prompt, return_output_lengths=wanted, **kwargs)
        return result[0] if wanted and not return_output_lengths else result


def wrap(
    vocos: Vocos,
    *,
    source: MelConvention | None = None,
    strict: bool = False,  # noqa: ARG001 - every adapter's wrap has it
) -> VocosCodec:
    """Returns the codec that can take EnCodec's place in a Bark, as `adapt` does; `attach` puts one there.

    Args:
        vocos: an EnCodec model; it is shared, not copied.
        source: must be None, since Bark has no mel.
        strict: has no effect, since nothing is converted.

    Raises:
        CodesMismatch: the model doesn't take Bark's codes, or ``source`` is a mel.
    """
    if source is not None:
        raise CodesMismatch(f"Bark outputs EnCodec codes, not mels: leave out source={source.name or source!r}")
    return VocosCodec(vocos).eval()
