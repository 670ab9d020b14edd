"""How much work reading spends on bringing a TIFF file back byte for byte.

PNG needs none: what is kept of its stream costs next to nothing, and the search is left to restoring.
"""

from typing import Literal

from tilepress.pipeline.deflate import DeflateSettings

Proof = Literal["none", "guess", "quick", "full"]


def is_worth_proving(settings: DeflateSettings, proof: Proof) -> bool:
    """Whether to compress everything again: always for "full"; for "quick" only at levels that zlib is fast at."""
    return proof == "full" or (proof == "quick" and not settings.slow)
