"""Writes the golden parity: the golden archive of format 1, protected. It was run once; see make_golden.py.

    python tests/golden/make_parity.py NEW_FOLDER

NEW_FOLDER gets the files of parity alone: what they protect is in tests/golden/format-1.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from stream_files import digest

import tilepress

ARCHIVE = Path(__file__).parent / "format-1/archive"
PERCENT = 25.0


def main() -> None:
    folder = Path(sys.argv[1])
    if folder.exists():
        raise SystemExit(f"{folder} exists; golden files are never replaced")
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "archive"
        shutil.copytree(ARCHIVE, archive)
        tilepress.protect(archive, parity=PERCENT)
        for place in sorted(archive.rglob("parity/*")):
            target = folder / place.relative_to(archive)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(place.read_bytes())
    print(f"SHA-256: {digest(folder)}")


if __name__ == "__main__":
    main()
