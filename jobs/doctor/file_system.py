"""What only local folders have: a file system of some kind, room, hard links, and files that killed writers left."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tilepress.jobs.doctor.checks import BROKEN, LOOK, NOT_APPLICABLE, OK, Finding
from tilepress.jobs.doctor.scratch import Scratch
from tilepress.pipeline.storage.base import local_path_of
from tilepress.pipeline.storage.local_create import sync_folder
from tilepress.pipeline.storage.local_listing import TEMPORARY_SUFFIX

_SHARED = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "lustre", "ceph", "glusterfs", "beegfs", "gpfs", "afs"),
    *("vboxsf", "virtiofs", "ocfs2", "gfs2", "davfs"),
}
_IN_MEMORY = {"tmpfs", "ramfs"}
_LITTLE = 1 << 30  # bytes
_FEW_FILES = 10_000
_MOUNTS = Path("/proc/self/mounts")


def file_system(scratch: Scratch) -> Finding:
    """Tell the kind of file system, what it lacks, and whether it has room."""
    if local_path_of(scratch.storage.url) is None:
        return Finding(NOT_APPLICABLE, "objects are in no local folder")
    folder = Path(scratch.storage.url)
    kind, free, files = kind_of(folder), shutil.disk_usage(folder).free, os.statvfs(folder).f_favail
    sync_folder(str(folder))  # OSError of a failing disk ends the command with its name
    links = "hard links" if _has_links(folder) else "no hard links: files get their names by renaming under a claim"
    text = f"{kind or 'unknown'}, {free / 1e9:.1f} GB free, {links}"
    figures = {"free_bytes": float(free)}
    if why := _why_to_look(kind, free, files, statvfs_files=os.statvfs(folder).f_files):
        return Finding(LOOK, f"{text}; {why}", figures)
    return Finding(OK, text, figures)


def _why_to_look(kind: str, free: int, files: int, *, statvfs_files: int) -> str:
    if kind in _IN_MEMORY:
        return "it is in memory: an archive is gone when this machine is switched off"
    if free < _LITTLE:
        return "that is little room"
    if statvfs_files and files < _FEW_FILES:
        return f"it has room for {files:,} files only"
    if kind in _SHARED or kind.startswith("fuse."):
        return (
            "it is shared or in user space, and what holds for one machine need not hold for several: with "
            "`ray_address` the nodes of a cluster read and write here"
        )
    return ""


def kind_of(folder: Path, mounts: Path = _MOUNTS) -> str:
    """Return the kind of file system that a folder is on, such as ext4; empty where the system does not say."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    found, place = "", folder.resolve()
    deepest = -1
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        path = Path(point.replace("\\040", " "))
        if place.is_relative_to(path) and len(path.parts) >= deepest:  # of two at one place, the later hides the other
            found, deepest = kind, len(path.parts)
    return found


def _has_links(folder: Path) -> bool:
    first, second = folder / f".link-1{TEMPORARY_SUFFIX}", folder / f".link-2{TEMPORARY_SUFFIX}"
    first.touch()
    try:
        second.hardlink_to(first)
    except OSError:
        return False
    finally:
        first.unlink()
        second.unlink(missing_ok=True)
    return True


def temporary_files(scratch: Scratch) -> Finding:
    """Leave a temporary file, as a writer that is killed may; it must not be listed, and be removed."""
    if local_path_of(scratch.storage.url) is None:
        return Finding(NOT_APPLICABLE, "writers make no temporary files")
    path = Path(scratch.storage.url) / f".0123456789abcdef{TEMPORARY_SUFFIX}"
    path.write_bytes(b"half an obj")
    if path.name in {entry.name for entry in scratch.storage.list()}:
        return Finding(BROKEN, "temporary files are listed: a collection in this folder would have them too")
    scratch.storage.remove_stale_temporaries("", -1.0)
    if path.exists():
        return Finding(BROKEN, "what killed writers leave is not removed")
    return Finding(OK, "what a killed writer leaves is not listed, and is removed")
