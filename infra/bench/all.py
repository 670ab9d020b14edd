"""`make bench`: every figure of infra/bench/README.md, one after the other, from a folder like ../shared/data.

    python infra/bench/all.py IMAGES

IMAGES holds photos/eval and photos/train (RGB PNG of 512x512), xray/eval, ct16/eval (gray of 8 and 16 bits), live1 and
varied/eval (RGB), and what `tilepress reproduce --list` names. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tilepress
from tilepress.jobs.reproduction.catalogue import TABLES

HERE = Path(__file__).parent
BASES = ("block-dnn-16", "pca-16", "block-dnn-4", "cnn-ae", "gdn-factorized")
BOUNDS = ("1", "2", "4", "8")


def commands(images: Path) -> list[list[str]]:
    """Script and arguments of every benchmark."""
    photos, learning = str(images / "photos/eval"), str(images / "photos/train")
    xray, ct = (str(images / name) for name in ("xray/eval", "ct16/eval"))
    bases = [word for base in BASES for word in ("--base", base)]
    bounds = [word for bound in BOUNDS for word in ("--max-error", bound)]
    return [
        ["startup.py"],
        ["lossless.py", photos, xray, ct, "--tile", "0", *bases],
        ["lossless.py", photos, xray, "--gray", "--tile", "0", "--limit", "4", "--coder", "lossless", *bounds],
        ["throughput/share.py", learning],
        ["throughput/table.py", str(images)],
        ["evaluate.py", photos],
        ["speed/restore.py", photos],
        ["start/first_use.py"],
        ["block_edges.py", photos],
        ["driver.py"],
        ["small_images.py", str(images / "mnist/train-images-idx3-ubyte.gz")],
        ["small_images.py", str(images / "cifar10/cifar10_lossless_train_part.npz")],
        ["learned/deblock.py", str(images / "live1"), "--gray"],
        ["origins/rules.py", photos, "--images", "21"],
        ["origins/ycc.py", str(images)],
        ["origins/jpeg.py", photos, "--pictures", "7"],
        ["origins/jpeg.py", photos, "--pictures", "7", "--crop"],
        ["origins/parts.py", photos, "--pictures", "6"],
        ["s3_reads.py", photos],
        ["pages/report.py", str(images)],
        ["viewer/view.py"],
        ["memory.py"],
    ]


def main() -> None:
    """Run every benchmark and print what it prints, under its command; then make every published table again."""
    images = Path(sys.argv[1])
    for command in commands(images):
        print(f"\n## python infra/bench/{' '.join(command)}\n", flush=True)
        subprocess.run([sys.executable, HERE / command[0], *command[1:]], check=True)
    for table in TABLES:
        print(f"\n## tilepress reproduce {table}\n", flush=True)
        tilepress.reproduce(table, data=[images], out="tables", quiet=False)


if __name__ == "__main__":
    main()
