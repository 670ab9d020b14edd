"""For which pictures there are measures of perception (SSIM, MS-SSIM, SSIMULACRA 2), and for which there are none.

They are defined on gray, and on red, green and blue. How inks look, their profile says, and files hold them as they are
or inverted; what neighbouring indices of a palette have in common, nothing says. Of pictures that are equal every
measure says the best that it can, whatever they consist of.
"""

from __future__ import annotations

from types import MappingProxyType

from tilepress.codecs.codec import Colour

PERCEPTION = ("ssim", "ms_ssim", "ssimulacra2")
_WHY = MappingProxyType(
    {
        "cmyk": "how inks look is not known: measures of perception take gray, or red, green and blue",
        "indexed": "indices are no colours: measures of perception take gray, or red, green and blue",
    }
)


def not_perceived(colour: Colour) -> str:
    """Return why there are no measures of perception of unequal pictures of a colour model; "" where there are."""
    return _WHY.get(colour, "")
