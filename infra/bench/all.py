"""`make bench`: every figure of the README, one after the other, from a folder of images like ../shared/data.

    python infra/bench/all.py IMAGES

IMAGES holds photos/eval and photos/train (RGB PNG of 512x512). Run it on a machine that does nothing else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BASES = ("middle", "block-dnn-16", "pca-16", "block-dnn-4", "cnn-ae", "gdn-factorized")
LOSSLESS = [word for base in BASES for word in ("--base", base)]


def main() -> None:
    """Run every benchmark and print what it prints, under its command."""
    images = Path(sys.argv[1])
    photos = images / "photos"
    for command in (
        ["startup.py"],
        ["lossless.py", str(photos / "eval"), *LOSSLESS],
        ["throughput.py", str(photos / "train")],
        ["evaluate.py", str(photos / "eval")],
        ["block_edges.py", str(photos / "eval")],
        ["driver.py"],
        ["s3_reads.py", str(photos / "eval")],
        ["memory.py"],
    ):
        print(f"\n## python infra/bench/{' '.join(command)}\n", flush=True)
        subprocess.run([sys.executable, HERE / command[0], *command[1:]], check=True)


if __name__ == "__main__":
    main()
