"""Makes the samples of pictures that were once something smaller: `python infra/samples/make_origins.py`.

Each is a part of the photograph `images/coffee.png`: decoded from a JPEG file, interpolated from a Bayer mosaic by
OpenCV, and converted from PhotoCD's YCC with colour of half size.
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SAMPLES = Path(__file__).parent
WIDTH, HEIGHT = 288, 208


def main() -> None:
    photo = Image.open(SAMPLES / "images/coffee.png").convert("RGB").crop((150, 90, 150 + WIDTH, 90 + HEIGHT))
    for name, picture in {"jpeg": from_jpeg(photo), "bayer": from_bayer(photo), "photocd": from_photocd(photo)}.items():
        picture.save(SAMPLES / f"origins/{name}.png", optimize=True)


def from_jpeg(photo: Image.Image) -> Image.Image:
    """Decoded from a JPEG file of quality 85."""
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=85)
    return Image.open(file)


def from_bayer(photo: Image.Image) -> Image.Image:
    """What a machine-vision camera makes of a sensor with one colour a pixel."""
    colours = np.asarray(photo)
    mosaic = colours[:, :, 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = colours[::2, ::2, 0], colours[1::2, 1::2, 2]
    return Image.fromarray(cv2.cvtColor(mosaic, cv2.COLOR_BayerBG2RGB))


def from_photocd(photo: Image.Image) -> Image.Image:
    """Y, C1 and C2 of 8 bits, these at half size, enlarged by PhotoCD's rule and converted by its integers."""
    red, green, blue = (plane.astype(float) for plane in np.moveaxis(np.asarray(photo), 2, 0))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    y = np.rint(luma / 1.3584).astype(int)
    c1, c2 = half(156 + (blue - luma) / 2.2179), half(137 + (red - luma) / 1.8215)
    r, b = np.floor(1.8215 * (c2 - 137)), np.floor(2.2179 * (c1 - 156))
    values = [1.3584 * y + 1.8215 * (c2 - 137), 1.3584 * y - 0.509 * r - 0.194 * b, 1.3584 * y + 2.2179 * (c1 - 156)]
    return Image.fromarray(np.clip(np.floor(np.stack(values, 2)), 0, 255).astype(np.uint8))


def half(plane: np.ndarray) -> np.ndarray:
    """A plane at half size, enlarged again: samples between two are their mean, those between four theirs."""
    small = np.rint(plane[::2, ::2]).astype(int)
    return (doubled(doubled(small).T).T + 2) >> 2


def doubled(rows: np.ndarray) -> np.ndarray:
    """Twice the rows, and twice the sum of the two beside each that is new."""
    following = np.concatenate([rows[1:], rows[-1:]])
    return np.stack([2 * rows, rows + following], axis=1).reshape(-1, rows.shape[1])


if __name__ == "__main__":
    main()
