"""The squared error of a model of `rbm-autoencoder` on digits, as the table mnist measures it, through real bytes.

    tilepress import mnist/train-images-idx3-ubyte.gz digits --limit 20000
    tilepress train rbm-autoencoder-digits --data digits --out MODEL
    python infra/bench/learned/digits.py MODEL mnist/t10k-images-idx3-ubyte.gz

Of the first 1,000 digits of the file, in stacks of 25 x 20: summed over the samples of a digit, full scale 1.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np

from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.rbm.codec import RbmAutoencoder
from tilepress.codecs.model import Model

_SIDE, _COUNT, _HEADER = 28, 1000, 16  # bytes before the samples of a file in the IDX format
_ROWS, _COLUMNS = 20, 25
_SPEC = TileSpec(_ROWS * _SIDE, _COLUMNS * _SIDE, 1, "uint8", 8, "gray")


def stacks_of(file: Path) -> np.ndarray:
    """Return the first digits of a file as tiles uint8 (2, 560, 700, 1)."""
    samples = np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, _COUNT * _SIDE**2, _HEADER)
    cells = samples.reshape(-1, _ROWS, _COLUMNS, _SIDE, _SIDE).swapaxes(2, 3)
    return np.ascontiguousarray(cells).reshape(-1, *_SPEC.shape)


def main() -> None:
    """Code and decode the digits, and print the error and the bytes of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("digits", type=Path, help="t10k-images-idx3-ubyte.gz")
    arguments = parser.parse_args()
    codec, stacks = RbmAutoencoder(Model.load(arguments.model)), stacks_of(arguments.digits)
    streams = codec.encode(stacks, _SPEC, Settings())
    errors = (codec.decode(streams, _SPEC).astype(np.float64) - stacks) / 255
    print(f"squared error {np.square(errors).sum() / _COUNT:.3f}, {sum(map(len, streams)) / _COUNT:.1f} bytes a digit")


if __name__ == "__main__":
    main()
