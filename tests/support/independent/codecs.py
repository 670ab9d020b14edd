"""The tile codecs as FORMAT.md specifies them: libraries for raw, png, jpegxl and jpeg; numpy for learned codecs."""

from __future__ import annotations

import bz2
import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from tests.support.independent.adversarial import Adversarial
from tests.support.independent.blocks import BlockDecoder
from tests.support.independent.boltzmann import RbmAutoencoder
from tests.support.independent.dncnn.restoration import JpegDncnn
from tests.support.independent.iterations import CnnRnnAe
from tests.support.independent.lossless import Lossless, decode_quick
from tests.support.independent.networks import CnnAe, Gdn, changed_synthesis
from tests.support.independent.predictive import PREDICTIVE, decode_huffman, decode_predictive
from tests.support.independent.streams import Shape, read_model, unseal
from tests.support.independent.units import Cae

__all__ = ["Shape", "decode", "transcoded_jpeg", "unseal"]

LEARNED: dict[str, tuple[bytes, Any]] = {
    "block-dnn": (b"BD", BlockDecoder),
    "pca": (b"PC", BlockDecoder),
    "cnn-ae": (b"CA", CnnAe),
    "cnn-ae-ft": (b"CF", CnnAe),
    "gdn-factorized": (b"GF", Gdn),
    "cnn-rnn-ae": (b"CR", CnnRnnAe),
    "cae": (b"CE", Cae),
    "gan": (b"GN", Adversarial),
    "gan-ae": (b"GE", Adversarial),
    "rbm-autoencoder": (b"RB", RbmAutoencoder),
    "jpeg-dncnn": (b"JD", JpegDncnn),
    "lossless": (b"LL", Lossless),
}


def transcoded_jpeg(payload: bytes) -> bytes:
    """The JPEG file of method jpeg."""
    content = unseal(b"JT", payload)
    data = bytes(imagecodecs.jpegxl_decode_jpeg(content[4:]))
    assert struct.unpack_from("<I", content) == (len(data),)
    return data


def jpegls(content: bytes, shape: Shape) -> np.ndarray:
    """FORMAT.md 6, jpegls."""
    near, transform, at = content[0], content[1], 2
    planes = np.empty((shape.channels, shape.height, shape.width), np.int64)
    for plane in planes:
        (length,) = struct.unpack_from("<I", content, at)
        plane[:] = imagecodecs.jpegls_decode(content[at + 4 : at + 4 + length])
        at += 4 + length
    assert at == len(content)
    if transform:
        assert near == 0 and shape.mode in ("RGB", "RGBA")
        planes[[0, 2]] = (planes[[0, 2]] + planes[1] - (1 << (shape.bit_depth - 1))) % (1 << shape.bit_depth)
    return np.minimum(planes, (1 << shape.bit_depth) - 1).transpose(1, 2, 0).astype(shape.dtype)


def decode(codec: str, latents: bytes, shape: Shape, models: Path, shared: bytes = b"") -> np.ndarray:
    """The base of a tile, (h, w, channels); `shared`: of its image."""
    name, _, model = codec.partition("@")
    if name in LEARNED:
        magic, decoder = LEARNED[name]
        config, tensors = read_model(models / model)
        if name == "cnn-ae-ft" and shared:
            tensors = changed_synthesis(tensors, unseal(b"CT", shared))
        return decoder(config, tensors).decode(unseal(magic, latents), shape)
    if name == "jpegls":
        return jpegls(unseal(b"JL", latents), shape)
    if name == "lossless-quick":
        return decode_quick(latents, shape)
    if name == "huffman":
        return decode_huffman(latents, shape)
    if name in PREDICTIVE:
        return decode_predictive(name, latents, shared, shape)
    if name == "raw":
        samples = np.frombuffer(unseal(b"RW", latents), np.dtype(shape.dtype).newbyteorder("<"))
    elif name == "bzip2":
        samples = np.frombuffer(bz2.decompress(unseal(b"BZ", latents)), np.dtype(shape.dtype).newbyteorder("<"))
    else:
        magic, library = {
            "jpegxl": (b"JX", imagecodecs.jpegxl_decode),
            "png": (b"PN", imagecodecs.png_decode),
            "jpeg": (b"JG", imagecodecs.jpeg8_decode),
        }[name]
        samples = library(unseal(magic, latents))
    assert samples.max() < 1 << shape.bit_depth
    return samples.astype(shape.dtype).reshape(shape.height, shape.width, shape.channels)
