"""The kernels that tilepress ships, compiled ahead: a pack for one level of processors and one version of Python.

    packs/cpython-311-x86-64-v3/manifest.json        level, Python, versions, and the SHA-256 of every file
                                KEY/NAME.nbi, .nbc   as a cache folder has them; KEY is that of the sources

`tilepress warm --pack` writes it, into the package it runs in, from where wheels and images take it. A file is run only
if it is as the manifest says and its key is that of the sources beside it: after an edit, or with another numba, packs
are as if they were not there. They are looked for in the installed package alone, and trusted as its modules are; the
hashes find damage, not malice.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tilepress.codecs.kernels.level import kernel_level
from tilepress.codecs.kernels.sources import shipped_keys, versions

PACKS = Path(__file__).parent / "packs"
MANIFEST = "manifest.json"
PART = "part"  # the kind of entries that only compilers need
_FORMAT = 1
_log = logging.getLogger(__name__)


class Pack:
    """A folder of compiled kernels with a manifest; one that cannot be read, or is for others, holds none."""

    def __init__(self, folder: Path) -> None:
        """Read the manifest of a folder."""
        self.folder = folder
        self._digests = _read_manifest(folder)

    @staticmethod
    @cache
    def here() -> Pack:
        """Return the pack of this package for the level of kernels and the Python that runs."""
        return Pack(folder_here())

    @property
    def keys(self) -> set[str]:
        """The keys of the sources that there is code of."""
        return {name.partition("/")[0] for name in self._digests}

    def count(self, key: str) -> int:
        """Return for how many signatures there is code of the sources with a key; its files are not looked at."""
        return sum(name.startswith(f"{key}/") and name.endswith(".nbi") for name in self._digests)

    def damaged(self) -> list[str]:
        """Return the names of all files that are not as the manifest says."""
        return [name for name, digest in self._digests.items() if _sha256(self.folder / name) != digest]

    def proven(self, key: str, entry: str) -> Path | None:
        """Return the folder of an entry if all its files are as the manifest says; None if there is no such entry."""
        names = [f"{key}/{entry}.nbi", f"{key}/{entry}.1.nbc"]
        if not all(name in self._digests for name in names):
            return None
        if any(_sha256(self.folder / name) != self._digests[name] for name in names):
            _log.warning("the kernel %s that tilepress ships is damaged, and is compiled anew", entry)
            return None
        return self.folder / key


def folder_here() -> Path:
    """Return the folder in this package for a pack of its kernels, for this Python and this level of processors."""
    return PACKS / f"{sys.implementation.cache_tag}-{kernel_level().name}"


def conditions() -> dict[str, Any]:
    """Return what must hold of a manifest; the sources and versions that code was made of are in its keys."""
    return {"format": _FORMAT, "level": kernel_level().name, "python": sys.implementation.cache_tag}


def remove_pack() -> None:
    """Ship no kernels for this Python and this level of processors any more."""
    if folder_here().exists():
        shutil.rmtree(folder_here())


def write_pack(cache: Path) -> int:
    """Make the pack of this package from a cache folder, and return its bytes.

    Parts are left out: code that is inlined wherever it is called is only needed to compile.
    """
    folder = folder_here()
    digests = {}
    for key in shipped_keys():
        for path in sorted((cache / key).glob("*.nb[ic]")):
            if f"-{PART}-" not in path.name:
                name = f"{key}/{path.name}"
                (folder / key).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / name)
                digests[name] = _sha256(folder / name)
    manifest = conditions() | {"versions": versions(), "files": digests}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _read_manifest(folder: Path) -> dict[str, str]:
    """SHA-256 by name of file; nothing where there is no pack, or one for another Python or level."""
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
        if {name: found[name] for name in conditions()} == conditions():
            return {str(name): str(digest) for name, digest in found["files"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        _log.warning("the manifest of the kernels that tilepress ships cannot be read: %r", exc)
    return {}


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
