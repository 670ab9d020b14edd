"""JPEG files for the tests of the origin `jpeg`: made by Pillow from pictures, or of random coefficients."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tests.support.origins.made_pictures import photo
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.jpeg.file.coefficients import Coefficients, Sampling, block_shapes
from tilepress.codecs.jpeg.file.tables import CHROMA, LUMA, standard_table

SUBSAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}  # as Pillow calls them


def jpeg_of(pixels: np.ndarray, quality: int, sampling: str = "4:4:4", **options: object) -> bytes:
    """The file that Pillow makes of a picture (h, w, c)."""
    out = io.BytesIO()
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    subsampling = {} if pixels.shape[2] == 1 else {"subsampling": SUBSAMPLING[sampling]}
    image.save(out, "JPEG", **({} if "qtables" in options else {"quality": quality}), **subsampling, **options)
    return out.getvalue()


def pillow_decoded(data: bytes) -> np.ndarray:
    """The picture (h, w, c) that Pillow makes of a file."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def rough_photo(spec: TileSpec, seed: int = 0) -> np.ndarray:
    """Like a photograph of grass: every coefficient of a JPEG of it is somewhere another one than 0."""
    texture = np.random.default_rng(seed).laplace(0, 12, (spec.height, spec.width, 1))
    return np.clip(photo(spec, seed) + np.rint(texture), 1, spec.maximum - 1).astype(spec.dtype)


def decoded_photo(spec: TileSpec, quality: int, sampling: str = "4:4:4", seed: int = 0) -> np.ndarray:
    """A picture like a photograph, saved and decoded by Pillow."""
    return pillow_decoded(jpeg_of(rough_photo(spec, seed), quality, sampling))


def random_coefficients(
    width: int, height: int, sampling: Sampling, components: int, quality: int, seed: int = 0
) -> Coefficients:
    """Coefficients that decode to everything a block can be: flat, rough, and far beyond 0 and 255."""
    rng = np.random.default_rng(seed)
    tables = [standard_table(LUMA, quality)] + [standard_table(CHROMA, quality)] * 2
    blocks = []
    for table, shape in zip(tables, block_shapes(width, height, sampling, components), strict=False):
        values = rng.laplace(0, 40, (*shape, 64)) / table * np.exp(-np.arange(64) / 20)
        values[:, :, 0] = rng.integers(-900, 900, shape) / table[0]
        blocks.append(np.clip(np.rint(values), -1023, 1023).astype(np.int16))
    return Coefficients(width, height, sampling, tuple(tables[:components]), tuple(blocks))


def unpadded_coefficients(
    width: int, height: int, sampling: Sampling, components: int = 3, quality: int = 90
) -> Coefficients:
    """Random ones; blocks that only fill up MCUs are zero."""
    image = random_coefficients(width, height, sampling, components, quality, seed=width)
    for n, blocks in enumerate(image.blocks):
        across, down = (1, 1) if n == 0 else sampling
        blocks[-(-height // (8 * down)) :] = 0
        blocks[:, -(-width // (8 * across)) :] = 0
    return image
