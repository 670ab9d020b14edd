"""Put the pictures of a folder, all of one size, into one array, as infra/gpu/resident.py takes them.

python infra/gpu/pack.py PHOTOS PICTURES.npy
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def packed(folder: Path) -> np.ndarray:
    """Return the pictures of a folder, uint8 (n, h, w, 3), in the order of the SHA-256 of their names.

    ValueError if they are not of one size, or there is none; OSError for files that are no pictures.
    """
    paths = sorted(folder.iterdir(), key=lambda path: hashlib.sha256(path.name.encode()).digest())
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


if __name__ == "__main__":
    np.save(sys.argv[2], packed(Path(sys.argv[1])))
