"""JPEG decoders that are known to the last bit: how each makes samples, full-size chroma and colours."""

from __future__ import annotations

from dataclasses import dataclass

from tilepress.codecs.jpeg import colour, transform
from tilepress.codecs.jpeg.colour import Conversion
from tilepress.codecs.jpeg.file.coefficients import Sampling
from tilepress.codecs.jpeg.transform import Transform
from tilepress.codecs.jpeg.upsampling import Upsampling


@dataclass(frozen=True)
class Decoder:
    """A decoder. `name`: for people."""

    name: str
    transform: Transform
    upsampling: Upsampling
    conversion: Conversion = colour.JFIF


# Numbers are permanent: archives refer to them. Merged upsampling of libjpeg and libjpeg-turbo gives the pixels of
# replicated chroma.
DECODERS = {
    0: Decoder("libjpeg-turbo", transform.ISLOW, Upsampling.FANCY),
    1: Decoder("libjpeg-turbo, chroma replicated", transform.ISLOW, Upsampling.REPLICATED),
    2: Decoder("libjpeg-turbo, fast DCT", transform.IFAST, Upsampling.FANCY),
    3: Decoder("libjpeg-turbo, fast DCT, chroma replicated", transform.IFAST, Upsampling.REPLICATED),
    4: Decoder("stb_image", transform.STB, Upsampling.STB, colour.STB),
    5: Decoder("libjpeg 7 to 9", transform.ISLOW, Upsampling.SCALED),
    6: Decoder("libjpeg 9a or later", transform.ISLOW, Upsampling.SCALED, colour.JFIF_9A),
}
USUAL = DECODERS[0]


def upsamplings_of(how: Transform, conversion: Conversion | None) -> list[Upsampling]:
    """Return how decoders make chroma large that transform and convert so, the likeliest first; None: of gray."""
    found = (each for each in DECODERS.values() if each.transform is how and conversion in (None, each.conversion))
    return [each.upsampling for each in found]


def recoloured(number: int, sampling: Sampling) -> int | None:
    """Return another decoder that makes the same samples of a file sampled so, but other colours; None if none does."""
    own = DECODERS[number]
    for other, each in DECODERS.items():
        same = each.transform is own.transform and (sampling == (1, 1) or each.upsampling is own.upsampling)
        if same and each.conversion != own.conversion:
            return other
    return None


def decoder_of(how: Transform, upsampling: Upsampling, conversion: Conversion | None) -> int:
    """Return the number of the decoder that works so; without a conversion, of gray, of any."""
    return next(
        number
        for number, each in DECODERS.items()
        if each.transform is how and each.upsampling is upsampling and conversion in (None, each.conversion)
    )
