"""What an audit says of an image that is unlike the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BLANK, CLIPPED, SHALLOW, JPEG_GRID = "blank", "clipped", "shallow", "jpeg-grid"
DOUBLE_JPEG, BLURRED, UPSCALED = "double-jpeg", "blurred", "upscaled"
NEAR_DUPLICATE, DUPLICATE = "near-duplicate", "duplicate"

# kind -> what it says of an image; the value of a finding is what stands in brackets
KINDS: Mapping[str, str] = {
    BLANK: "Nearly all samples have one value [share of samples that have it, or its neighbours].",
    CLIPPED: "Light or dark parts were cut off at the end of the scale [share of pixels in such parts].",
    SHALLOW: "Samples use fewer bits than they are stored in [bits used].",
    JPEG_GRID: "The pixels were a JPEG file before they were stored as pixels [share of blocks that fit its grid].",
    DOUBLE_JPEG: "The JPEG file was made from the pixels of another one [nats by which that explains a coefficient].",
    BLURRED: "Even the sharpest parts are blurred [standard deviation of the blur, in pixels].",
    UPSCALED: "The pixels were interpolated from fewer [factor by which width and height were enlarged].",
    NEAR_DUPLICATE: "Another image looks the same [bits of 64 in which the perceptual hashes differ].",
    DUPLICATE: "Another image has the same pixels [images that have them].",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was found of an image.

    `kind`: one of KINDS. `value`: the number that KINDS says in brackets. `detail`: a sentence for people, of trusted
    words and numbers alone, without the image's name.
    """

    kind: str
    value: float
    detail: str
