"""Whether a text-to-speech model and a vocoder fit, whether the installation works, and what to do if not."""

from .comparison import Comparison, FieldComparison, compare
from .installation import Check, check_installation
from .sides import Side, SideError, resolve_side
from .verdict import Remedy, remedies, verdict

__all__ = [
    "Check",
    "Comparison",
    "FieldComparison",
    "Remedy",
    "Side",
    "SideError",
    "check_installation",
    "compare",
    "remedies",
    "resolve_side",
    "verdict",
]
