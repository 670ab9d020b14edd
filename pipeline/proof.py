"""How much work reading spends on proving that a file comes back byte for byte."""

from typing import Literal

from tilepress.pipeline.deflate import DeflateSettings

Proof = Literal["none", "quick", "full"]


def is_worth_proving(settings: DeflateSettings, proof: Proof) -> bool:
    """Whether to compress everything again: always for "full"; for "quick" only at levels that zlib is fast at."""
    return proof == "full" or (proof == "quick" and not settings.slow)
