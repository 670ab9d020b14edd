"""The sources that kernels are made of, and the key that names code by them: another source, another key."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

Identity: TypeAlias = tuple[int, int]  # of a folder: device and inode
_PACKAGE = Path(__file__).parents[1]
_PIPELINE = _PACKAGE.parent / "pipeline"
_COMPILERS = ("numba", "llvmlite")
_NO_MATTER = {
    *("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_DEBUG_CACHE", "NUMBA_THREADING_LAYER"),
    *("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"),  # of numba's own target: kernels have a level (level.py)
}


def versions() -> dict[str, str]:
    """Return the versions that machine code depends on. NumPy's third number is none: numba knows types by two."""
    return {name: version(name) for name in _COMPILERS} | {"numpy": ".".join(version("numpy").split(".")[:2])}


def sources_key(folder: Path | None) -> str:
    """Return the hash of all that decides how kernels are compiled, but for the level of processors and for Python's.

    `folder`: the kernel's package, hashed with all folders below it beside the codecs; or the folder of a module that
    is in no package, whose neighbours are hashed alone: such a folder may be all of site-packages. None: the codecs.
    """
    digest = hashlib.sha256()
    for name, number in versions().items():
        digest.update(f"{name} {number}\n".encode())
    for name in sorted(name for name in os.environ if name.startswith("NUMBA_") and name not in _NO_MATTER):
        digest.update(f"{name}={os.environ[name]}\n".encode())
    for name, path in _all_sources(folder):
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]


def sources_stamp(folder: Path | None) -> int:
    """Return a number that is another when one of those sources has been written since, without reading them."""
    seen = []
    for root in (_PACKAGE, folder):
        for name, entry in _entries(root) if root else ():
            about = entry.stat()
            seen.append((name, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino))
    return hash(tuple(seen))


def package_of(function: Callable[..., Any]) -> Path | None:
    """Return the outermost package of a function's file, else the file's folder; None for the codecs themselves.

    The pipeline imports nothing but the codecs: its own kernels stay as they are where the jobs change.
    """
    folder = Path(inspect.getfile(function)).parent
    for layer, sources in ((_PACKAGE, None), (_PIPELINE, _PIPELINE)):
        if folder.resolve().is_relative_to(layer.resolve()):
            return sources
    while (folder / "__init__.py").is_file() and (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return folder


def shipped_keys() -> tuple[str, str]:
    """Return the keys of tilepress's own kernels: of the codecs, and of the pipeline."""
    return sources_key(None), sources_key(_PIPELINE)


def _all_sources(folder: Path | None) -> Iterator[tuple[str, Path]]:
    yield from _sources(_PACKAGE)
    if folder:
        yield from _sources(folder)


def _sources(folder: Path) -> list[tuple[str, Path]]:
    """Name (relative, with slashes) and path of every source file of a folder, in the order of names."""
    return [(name, Path(entry.path)) for name, entry in _entries(folder)]


def _entries(folder: Path) -> list[tuple[str, os.DirEntry[str]]]:
    deep = (folder / "__init__.py").is_file()
    return sorted(_below(str(folder), "", (_identity(folder.stat()),) if deep else None), key=lambda found: found[0])


def _below(folder: str, prefix: str, above: tuple[Identity, ...] | None) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every source file of a package, or of a single folder if nothing is said to be `above`.

    Folders of a package may be links, which rglob leaves out: those of a checkout are. A link to a folder that it lies
    in is not followed.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield prefix + entry.name, entry
            elif above and entry.name != "__pycache__" and entry.is_dir():
                identity = _identity(entry.stat())
                if identity not in above:
                    yield from _below(entry.path, f"{prefix}{entry.name}/", (*above, identity))


def _identity(about: os.stat_result) -> Identity:
    return about.st_dev, about.st_ino
