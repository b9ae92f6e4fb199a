"""Bark with Vocos: the codec that `adapt` gives, and transformers' model with batches decoded in one call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import BarkModel

from vocos_plugins import MelConvention, Vocos

from .codec import CodesMismatch, VocosCodec


class VocosBarkModel(BarkModel):
    """transformers' ``BarkModel`` for batches; `attach` gives it its Vocos, without one it is the ``BarkModel``.

    With one, a batch is decoded in one call, each text as if it were alone: ``BarkModel`` decodes text by text where
    ``return_output_lengths`` is asked for, and otherwise speaks its padding, too.
    """

    def codec_decode(self, fine_output: Tensor, output_lengths: Tensor | None = None) -> Any:
        """Codes ``(B, 8, T)`` to audio ``(B, T * 320)``, or with frames ``(B,)`` to a list of as long ones."""
        codec = self.codec_model
        if not isinstance(codec, VocosCodec) or output_lengths is None:
            return super().codec_decode(fine_output, output_lengths)
        features = codec.quantizer.decode(fine_output.transpose(0, 1))
        audio = codec.decode_features(features, output_lengths)
        hop_length = codec.vocos.hop_length
        return [row[: n_frames * hop_length] for row, n_frames in zip(audio, output_lengths.tolist(), strict=True)]

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor | None = None,
        history_prompt: dict[str, Tensor] | None = None,
        return_output_lengths: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """As ``BarkModel.generate``; with a Vocos attached, audio ``(B, N)`` is 0 past each text's end."""
        wanted = return_output_lengths or isinstance(self.codec_model, VocosCodec)
        result = super().generate(input_ids, history_prompt, return_output_lengths=wanted, **kwargs)
        return result[0] if wanted and not return_output_lengths else result


def wrap(
    vocos: Vocos,
    *,
    source: MelConvention | None = None,
    strict: bool = False,  # noqa: ARG001 - every adapter's wrap has it
) -> VocosCodec:
    """What takes EnCodec's place in a Bark, as `adapt` gives it; `attach` puts one there.

    Args:
        vocos: an EnCodec model; it is used, not copied.
        source: Bark has no mel.
        strict: nothing is converted.

    Raises:
        CodesMismatch: the model doesn't take Bark's codes, or a mel is named.
    """
    if source is not None:
        raise CodesMismatch(f"Bark gives EnCodec codes and no mel: leave source={source.name or source!r} out")
    return VocosCodec(vocos).eval()
