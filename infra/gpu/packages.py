"""Python packages that the machine lacks, as one small file: wheels without what tilepress never loads.

    python -m infra.gpu.packages WHEELS .gpu/packages.tar.xz

WHEELS is a folder of wheels for the machine's Python (see README.md). Ray's wheel alone is larger than what may
travel; without its dashboard, Java and reinforcement learning, and packed by xz, it is about 32 MB.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

# Of imagecodecs' hundred formats, those that tilepress uses, and the libraries that these are linked to.
_FORMATS = ("shared", "shared_cython", "imcd", "png", "jpegxl", "jpeg8", "deflate")
_LIBRARIES = ("brotlicommon", "brotlidec", "brotlienc", "deflate", "jpeg", "jxl", "jxl_cms", "jxl_threads", "png16")
_DROPPED = (
    "ray/jars/*", "ray/rllib/*", "ray/llm/*", "ray/serve/*", "ray/cpp/*", "ray/dashboard/client/*", "ray/tests/*",
    "zstandard/_cffi*", "*.js.map", "*/__pycache__/*",
)  # fmt: skip
_SAME_TIME = 315_532_800


def repack(wheels: list[Path], target: Path) -> int:
    """Write the members of all wheels that are ever loaded; gives how many."""
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with tarfile.open(target, "w:xz", preset=6) as tar:
        for wheel in sorted(wheels):
            with zipfile.ZipFile(wheel) as container:
                for info in container.infolist():
                    if info.is_dir() or not _loaded(info.filename):
                        continue
                    member = tarfile.TarInfo(_installed(info.filename))
                    member.size, member.mtime = info.file_size, _SAME_TIME
                    member.mode = (info.external_attr >> 16) & 0o777 or 0o644
                    tar.addfile(member, io.BytesIO(container.read(info)))
                    count += 1
    return count


def _loaded(name: str) -> bool:
    """Whether tilepress may ever load a member of a wheel."""
    folder, _, file = name.rpartition("/")
    if folder == "imagecodecs" and file.endswith((".so", ".pyd")):
        return file.partition(".")[0].removeprefix("_") in _FORMATS
    if folder == "imagecodecs.libs":
        return file.removeprefix("lib").rpartition("-")[0] in _LIBRARIES
    return not any(fnmatch.fnmatch(name, pattern) for pattern in _DROPPED)


def _installed(name: str) -> str:
    """Where pip would put a member, below site-packages."""
    first, _, rest = name.partition("/")
    if first.endswith(".data") and rest.startswith(("purelib/", "platlib/")):
        return rest.partition("/")[2]
    return name


def install(packed: Path, folder: Path) -> None:
    """Unpack, and let this process find them, before what the machine has itself: they were carried for a reason."""
    with tarfile.open(packed) as tar:
        tar.extractall(folder, filter="data")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    wheels = list(options.wheels.glob("*.whl"))
    if not wheels:
        parser.error(f"there are no wheels in {options.wheels}")
    count = repack(wheels, options.target)
    print(f"{options.target}: {len(wheels)} packages, {count} files, {options.target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
