"""`make bench`: every figure of the README, one after the other, from a folder of images like ../shared/data.

    python infra/bench/all.py IMAGES

IMAGES holds photos/eval and photos/train (RGB PNG of 512x512), xray/eval, ct16/eval (gray of 8 and 16 bits) and
standard (gray). Run it on a machine that does nothing else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BASES = ("block-dnn-16", "pca-16", "block-dnn-4", "cnn-ae", "gdn-factorized")
WITH_BASES = ["--residual", "lossless-1", *(word for base in BASES for word in ("--base", base))]


def main() -> None:
    """Run every benchmark and print what it prints, under its command."""
    images = Path(sys.argv[1])
    photos = images / "photos"
    for command in (
        ["startup.py"],
        [
            "lossless.py",
            str(photos / "eval"),
            str(images / "xray/eval"),
            str(images / "ct16/eval"),
            "--tile",
            "0",
            *WITH_BASES,
        ],
        [
            "lossless.py",
            str(photos / "eval"),
            str(images / "xray/eval"),
            "--gray",
            "--tile",
            "0",
            "--coder",
            "lossless",
            "--max-error",
            "1",
            "--max-error",
            "2",
            "--max-error",
            "4",
            "--max-error",
            "8",
        ],
        ["predictive_mlp.py", str(images / "standard"), str(photos / "eval"), "--effort", "5", "--effort", "9"],
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
