"""What the built-in codecs can do, as literals: the list of codecs is printed without loading numba, torch or numpy.

The classes say the same, and say it with effect; a test compares them (tests/codecs/test_catalogue.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tilepress.codecs.codec import Codec

LOSSLESS, LOSSY, WITH_RESIDUAL = "lossless", "lossy", "lossy or with residual"
YARDSTICK = "for evaluate only"
_BOTH = ("uint16", "uint8")
_ANY = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class CodecFacts:
    """One codec: which samples and channels it takes, which options change it, whether members differ by a model.

    `options` holds those of the residual too, where one goes on top.
    """

    codec: str
    kind: str
    dtypes: tuple[str, ...]
    channels: tuple[int, ...]
    options: tuple[str, ...]
    needs_model: bool
    summary: str


def facts_of(codec: type[Codec], *, needs_model: bool) -> CodecFacts:
    """Return what a codec's class says of itself; for plug-ins, and to test the literals."""
    kind = LOSSLESS if codec.lossless else WITH_RESIDUAL if codec.exact else LOSSY
    options = codec.options | ({"max_error"} if kind == WITH_RESIDUAL else set())  # the residual takes a bound
    return CodecFacts(
        codec.codec_id,
        kind,
        tuple(sorted(codec.dtypes)),
        tuple(sorted(codec.channels)),
        tuple(sorted(options)),
        needs_model,
        codec.summary,
    )


BUILT_IN = (
    CodecFacts(
        "raw",
        "lossless",
        _BOTH,
        _ANY,
        (),
        False,
        "samples as they are; for measuring, and for tiles that nothing shortens",
    ),
    CodecFacts(
        "jpegxl",
        "lossless",
        _BOTH,
        (1, 2, 3, 4),
        ("effort",),
        False,
        "lossless JPEG XL: the best of the classical codecs, for every kind of image",
    ),
    CodecFacts(
        "png",
        "lossless",
        _BOTH,
        (1, 2, 3, 4),
        ("effort",),
        False,
        "PNG: larger than JPEG XL, decodes quickly everywhere",
    ),
    CodecFacts(
        "bzip2",
        "lossless",
        _BOTH,
        _ANY,
        (),
        False,
        "bzip2 of the samples: for digits, masks and drawings, which repeat themselves; quick",
    ),
    CodecFacts(
        "jpeg",
        "lossy",
        ("uint8",),
        (1, 3),
        ("quality",),
        False,
        "lossy JPEG, the usual yardstick; quality 1 to 100",
    ),
    CodecFacts(
        "jpegls",
        "lossless",
        _BOTH,
        _ANY,
        ("max_error",),
        False,
        "JPEG-LS: fast, lossless or near-lossless (max_error)",
    ),
    CodecFacts(
        "lossless",
        "lossless",
        _BOTH,
        _ANY,
        ("effort", "max_error"),
        True,
        "tilepress's own lossless coder: the smallest; slower than JPEG XL (effort 1 is quick, 5 default, 9 smallest)",
    ),
    CodecFacts(
        "lossless-quick",
        "lossless",
        _BOTH,
        _ANY,
        ("max_error",),
        False,
        "lossless at effort 1, without a model: photographs smaller than by JPEG XL, in a quarter of its time",
    ),
    CodecFacts(
        "huffman",
        "lossless",
        _BOTH,
        _ANY,
        (),
        False,
        "Huffman code of raw samples, one code a plane: the simplest lossless codec",
    ),
    CodecFacts(
        "predictive-mlp",
        "lossless",
        _BOTH,
        _ANY,
        ("effort",),
        False,
        "lossless: a small network fitted to each image predicts its samples; errors Huffman-coded, as published",
    ),
    CodecFacts(
        "predictive-mlp-range",
        "lossless",
        _BOTH,
        _ANY,
        ("effort",),
        False,
        "predictive-mlp with adaptive range coding in the place of Huffman codes: smaller",
    ),
    CodecFacts(
        "block-dnn",
        "lossy or with residual",
        _BOTH,
        _ANY,
        ("max_error", "quality"),
        True,
        "block autoencoder (learned): linear integer decoder, four to sixteen times fewer values",
    ),
    CodecFacts(
        "pca",
        "lossy or with residual",
        _BOTH,
        _ANY,
        ("max_error", "quality"),
        True,
        "principal components of blocks, the linear baseline of the block autoencoders",
    ),
    CodecFacts(
        "cnn-ae",
        "lossy or with residual",
        _BOTH,
        _ANY,
        ("max_error", "quality"),
        True,
        "convolutional autoencoder (learned): a few latents for 4 x 4 pixels, integer decoder",
    ),
    CodecFacts(
        "cnn-ae-ft",
        "lossy or with residual",
        _BOTH,
        _ANY,
        ("effort", "max_error", "quality"),
        True,
        "convolutional autoencoder (learned) whose narrow decoder is tuned to each image",
    ),
    CodecFacts(
        "gdn-factorized",
        "lossy or with residual",
        _BOTH,
        _ANY,
        ("max_error", "quality"),
        True,
        "convolutional transform with divisive normalisation, factorised prior (learned)",
    ),
    CodecFacts(
        "cnn-rnn-ae",
        "lossy or with residual",
        _BOTH,
        _ANY,
        ("max_error", "quality"),
        True,
        "convolutional autoencoder applied to its own remaining error (learned): progressive",
    ),
    CodecFacts(
        "cae",
        "lossy or with residual",
        _BOTH,
        _ANY,
        ("max_error", "quality"),
        True,
        "symmetric convolutional autoencoder (learned): each level of layers is a ratio",
    ),
    CodecFacts(
        "gan",
        "lossy or with residual",
        _BOTH,
        _ANY,
        ("max_error", "quality"),
        True,
        "down-sampled pictures and two generators of the rest (learned), one against a critic",
    ),
    CodecFacts(
        "gan-ae",
        "lossy or with residual",
        _BOTH,
        _ANY,
        ("max_error", "quality"),
        True,
        "convolutional autoencoder (learned), with a view that was trained against a critic",
    ),
    CodecFacts(
        "rbm-autoencoder",
        "lossy or with residual",
        _BOTH,
        _ANY,
        ("max_error", "quality"),
        True,
        "deep autoencoder of 28 x 28 blocks that began as Boltzmann machines (learned): for digits",
    ),
    CodecFacts(
        "jpeg-dncnn",
        "lossy or with residual",
        ("uint8",),
        (1, 3),
        ("max_error", "quality"),
        True,
        "JPEG, restored by a residual network (learned) that stays within its quantisation cells",
    ),
)

YARDSTICKS = (
    CodecFacts(
        "jpeg2000",
        YARDSTICK,
        _BOTH,
        (1, 3),
        ("quality",),
        False,
        "lossy JPEG 2000 (9/7), a bare code stream; quality q aims at a PSNR of 25 + q/4 dB; up to 16 bits",
    ),
    CodecFacts(
        "webp",
        YARDSTICK,
        ("uint8",),
        (1, 3),
        ("effort", "quality"),
        False,
        "lossy WebP, 4:2:0 as always; its own quality 1 to 100",
    ),
    CodecFacts(
        "avif",
        YARDSTICK,
        _BOTH,
        (1, 3),
        ("effort", "quality"),
        False,
        "AVIF, 4:4:4 as avifenc codes pictures; its own quality 1 to 100; up to 12 bits",
    ),
    CodecFacts(
        "jpegxl-lossy",
        YARDSTICK,
        _BOTH,
        (1, 3),
        ("effort", "quality"),
        False,
        "lossy JPEG XL, a bare code stream; quality 1 to 100 as cjxl's; up to 16 bits",
    ),
)  # no archive holds them: see codecs/yardsticks/
