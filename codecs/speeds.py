"""How fast the built-in codecs are: literals, as infra/bench/speed/codecs.py measures them on one machine.

Megapixels a second of one core, encoding and decoding, of RGB photographs: exactly where the codec can, with the
default residual on top of lossy ones.
"""

from __future__ import annotations

SPEEDS: dict[str, tuple[float, float]] = {
    "raw": (340.0, 220.0),
    "jpegxl": (0.73, 4.8),
    "png": (3.3, 31.0),
    "bzip2": (4.7, 7.2),
    "jpeg": (160.0, 230.0),
    "jpegls": (17.0, 18.0),
    "lossless": (0.17, 0.17),
    "lossless-quick": (3.0, 4.5),
    "huffman": (35.0, 43.0),
    "predictive-mlp": (0.018, 1.0),
    "predictive-mlp-range": (0.018, 0.95),
    "block-dnn": (2.2, 3.5),
    "pca": (2.3, 3.5),
    "cnn-ae": (1.3, 2.1),
    "cnn-ae-ft": (0.31, 2.9),
    "gdn-factorized": (0.86, 1.2),
    "cnn-rnn-ae": (0.61, 1.1),
    "cae": (1.5, 2.4),
    "gan": (1.6, 2.4),
    "gan-ae": (1.3, 2.4),
    "rbm-autoencoder": (2.0, 3.3),
    "jpeg-dncnn": (0.48, 0.55),
}
