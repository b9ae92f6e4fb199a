"""The class of ``vocos.pretrained``: three parts, and the calls that programs make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from vocos_plugins import Vocos as Core
from vocos_plugins.config import VocosConfig
from vocos_plugins.inference.backend import Backend
from vocos_plugins.inference.checks import bandwidth_ids, check_shape
from vocos_plugins.inference.decode import resynthesize, synthesize
from vocos_plugins.network.network import Network
from vocos_plugins.plugins.catalogue import checkpoint_cards, find_export
from vocos_plugins.storage.find import load_checkpoint
from vocos_plugins.storage.hub import HubOptions
from vocos_plugins.storage.weights import weights_to_save

from .backbones import Backbone
from .codes import EncodecFeatures
from .construction import build_parts, parts_of
from .extractors import FeatureExtractor
from .fourier_heads import FourierHead
from .shared import SharedNetwork, config_now, config_of

T = TypeVar("T", bound="Vocos")


class Vocos(nn.Module):
    """A vocoder of three parts. None of its calls records gradients.

    On a CPU, `vocos_plugins.inference` computes `decode` with the weights as they are at that moment, if backbone and
    head are exactly of this package's classes. Anything else is computed by the modules.

    Args:
        feature_extractor: audio ``(B, N)`` -> features ``(B, C, T)``.
        backbone: features -> hidden states ``(B, T, dim)``.
        head: hidden states -> audio ``(B, N)``.
    """

    def __init__(self, feature_extractor: FeatureExtractor, backbone: Backbone, head: FourierHead) -> None:
        super().__init__()
        self.feature_extractor = feature_extractor
        self.backbone = backbone
        self.head = head
        self._backend = Backend("auto")
        self._provenance: Mapping[str, Any] = {}
        self._config: VocosConfig | None = None  # of parts that `of_network` took over

    @classmethod
    def from_hparams(cls: type[T], config_path: str) -> T:
        """Builds a model with random weights from a YAML file in the reference's format.

        Raises:
            ValueError: a part is missing in the file, or its class is unknown.
        """
        return cls(**build_parts(config_path))

    @classmethod
    def from_pretrained(cls: type[T], repo_id: str, revision: str | None = None) -> T:
        """Loads a model in eval mode: of a repository on the Hugging Face hub, in a directory, or a bundled one.

        Raises:
            CheckpointError: nothing is there by that name, or a file is damaged, unsafe or does not fit.
        """
        checkpoint = load_checkpoint(repo_id, HubOptions(revision), checkpoint_cards, find_export)
        core = Core.from_checkpoint(checkpoint)
        parts = parts_of(core.config)
        if parts is None:  # the reference has no amplitude prior, for instance
            return cls.of_network(core)
        model = cls(**parts)
        weights = weights_to_save(core.state_dict(), half=False)
        model.load_state_dict({**model.state_dict(), **weights})
        model._provenance = core.provenance
        return model.eval()

    @classmethod
    def of_network(cls: type[T], network: Network) -> T:
        """Returns a model of a network's own modules, whatever they are; both share their weights."""
        parts: Any = {
            "feature_extractor": network.feature_extractor,
            "backbone": network.backbone,
            "head": network.head,
        }
        model = cls(**parts)
        model._config, model._provenance = network.config, network.provenance
        return model.train(network.training)

    @torch.no_grad()
    def forward(self, audio_input: Tensor, **kwargs: Any) -> Tensor:
        """Decodes the features of audio ``(B, N)``; ``kwargs`` go to the feature extractor and to `decode`."""
        network = self._network()
        if network is not None and self._config is not None:
            return resynthesize(network, audio_input, **kwargs)
        return self.decode(self.feature_extractor(audio_input, **kwargs), **kwargs)

    @torch.no_grad()
    def decode(self, features_input: Tensor, **kwargs: Any) -> Tensor:
        """Decodes features ``(B, C, T)`` to audio ``(B, N)``.

        Args:
            features_input: features as the feature extractor makes them.
            kwargs: ``bandwidth_id`` of a conditioned model: an integer, or a tensor ``(1,)`` or ``(B, 1)``.
        """
        network = self._network()
        if network is None or kwargs.keys() - {"bandwidth_id"}:
            audio: Tensor = self.head(self.backbone(features_input, **kwargs))
            return audio
        features = check_shape(features_input, network.config.n_features)
        bandwidths = None
        if network.config.n_bandwidths is not None:  # the reference ignores it otherwise
            bandwidths = bandwidth_ids(kwargs.get("bandwidth_id"), len(features), network.config)
            bandwidths = None if bandwidths is None else bandwidths.to(features.device)
        # Heads compute in float32 at least.
        dtype = torch.promote_types(next(self.backbone.parameters()).dtype, torch.float32)
        return synthesize(network, features.to(dtype), bandwidths)

    @torch.no_grad()
    def codes_to_features(self, codes: Tensor) -> Tensor:
        """Turns EnCodec codes ``(Q, T)`` or ``(Q, B, T)`` into features ``(B, 128, T)``.

        Raises:
            ValueError: the feature extractor is no `EncodecFeatures`.
        """
        if isinstance(self.feature_extractor, EncodecFeatures):
            return self.feature_extractor.sums(codes)
        network = self._network()
        if network is None or self._config is None:
            kind = type(self.feature_extractor).__name__
            raise ValueError(f"codes need a model whose feature extractor is an EncodecFeatures, this one has a {kind}")
        return network.codes_to_features(codes)

    def _network(self) -> SharedNetwork | None:
        """Returns a view of the parts as they are now; None if there are others than this package's among them."""
        parts = self.feature_extractor, self.backbone, self.head
        config = config_of(*parts) if self._config is None else config_now(self._config, *parts[1:])
        return None if config is None else SharedNetwork(config, parts, self._provenance, self._backend)
