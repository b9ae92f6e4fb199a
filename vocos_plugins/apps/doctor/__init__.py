"""Checks whether a text-to-speech model and a vocoder are compatible and the installation works, with advice if not."""

from .comparison import Comparison, FieldComparison, compare
from .installation import Check, check_installation
from .resolve import Endpoint, EndpointError, resolve_endpoint
from .verdict import Remedy, remedies, verdict

__all__ = [
    "Check",
    "Comparison",
    "Endpoint",
    "EndpointError",
    "FieldComparison",
    "Remedy",
    "check_installation",
    "compare",
    "remedies",
    "resolve_endpoint",
    "verdict",
]
