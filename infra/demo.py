"""`make demo`: compress the samples twice, verify, restore, and compare with an independent decoder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

SAMPLES = Path(__file__).parent / "samples" / "images"
TILEPRESS = Path(sys.executable).with_name("tilepress")


def main() -> None:
    """Two archives of the samples: one by the default codecs, one with learned previews and exact residuals."""
    work = Path(tempfile.mkdtemp(prefix="tilepress-demo-"))
    try:
        for name, options in (("auto", []), ("block-dnn-16", ["--codec", "block-dnn-16"])):
            round_trip(work / f"{name}.tp", work / f"{name}-restored", options)
        run("info", work / "block-dnn-16.tp", "coffee.png")
        run("errors", work / "auto.tp")
    finally:
        shutil.rmtree(work)


def round_trip(archive: Path, restored: Path, options: list[str]) -> None:
    """Compress, verify, restore and compare."""
    run("compress", SAMPLES, archive, *options, allowed=(0, 3))  # 3: one sample is damaged on purpose
    run("verify", archive, "--against", SAMPLES)
    run("restore", archive, restored)
    compare(restored)


def run(verb: str, *arguments: object, allowed: tuple[int, ...] = (0,)) -> None:
    """Run the command as a person would, and show it."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ tilepress {verb} {' '.join(words)}", flush=True)
    code = subprocess.run([TILEPRESS, verb, *words]).returncode
    if code not in allowed:
        raise SystemExit(f"demo: tilepress {verb} ended with {code}")


def compare(restored: Path) -> None:
    """Every sample is back, byte for byte or at least pixel for pixel, as decoders that are not ours read it."""
    files = sorted(path for path in SAMPLES.rglob("*") if path.is_file())
    identical = pixels = 0
    for path in files:
        back = restored / path.relative_to(SAMPLES)
        if back.read_bytes() == path.read_bytes():
            identical += 1
        elif np.array_equal(decode(path), decode(back)):
            pixels += 1
        else:
            raise SystemExit(f"demo: {back} is not what {path} was")
    print(f"\ncompared {len(files)} files: {identical} byte for byte, {pixels} pixel for pixel, 0 different")


def decode(path: Path) -> np.ndarray:
    """Pixels by tifffile or imagecodecs."""
    if path.suffix in (".tif", ".tiff"):
        return np.asarray(tifffile.imread(path))
    return np.asarray(imagecodecs.imread(path))


if __name__ == "__main__":
    main()
