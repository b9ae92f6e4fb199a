"""How large a file may be, and what it may unfold to. docs/supply-chain.md has the table of these limits."""

from __future__ import annotations

MIB = 2**20
MAX_CONFIG_BYTES = MIB  # the longest configurations, with word lists and tokenizers, have some hundred KiB
MAX_YAML_VALUES = 10_000
# Silence is packed to a thousandth, speech hardly at all: short files may unfold to much more than they have, long ones
# only to a multiple.
MAX_UNFOLDED_BYTES = 64 * MIB
MAX_UNFOLDED_RATIO = 8
MAX_UNFOLDED_TEXT_RATIO = 64
MAX_LINE_BYTES = 16 * MIB
MAX_EXPANDED_VALUES = 10**6  # of a mel that stores fewer: two minutes
MAX_RECORDS = 100_000
MAX_MEMBERS = 10_000
MAX_OPCODES = 150_000  # five thousand tensors
MAX_PICKLED_VALUES = 3_000_000
MAX_PICKLE_DEPTH = 100
MAX_PICKLE_BYTES = 64 * MIB


def may_unfold_to(size: int, ratio: int = MAX_UNFOLDED_RATIO) -> int:
    """Returns how many bytes a file of that size may unfold to, in all."""
    return max(MAX_UNFOLDED_BYTES, ratio * size)


def check_unfolded(unfolded: int, size: int, what: str, ratio: int = MAX_UNFOLDED_RATIO) -> None:
    """Refuses what a file would unfold to.

    Args:
        unfolded: bytes that it declares.
        size: of the file, in bytes.
        what: unfolds, for the message.
        ratio: of the two, for a large file.

    Raises:
        ValueError: it is more than a file of that size may unfold to.
    """
    if unfolded > (most := may_unfold_to(size, ratio)):
        raise ValueError(
            f"{what} unfolds to {unfolded} bytes, but at most {most} are read from a file of {size}; save it "
            "uncompressed"
        )
