"""Which machine this is: enough to tell later whether an archive was read by another one than wrote it, and no more."""

from __future__ import annotations

import hashlib
import platform
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # of the kernel: all containers of a machine have the same
_SALT = b"tilepress machine 1\n"


def this_machine() -> dict[str, str]:
    """Return what tells this machine from others: `machine`, and `boot` ("" where the kernel has none).

    Hashes of 16 hexadecimal digits: they can be compared, and say nothing else. `machine` outlives a restart, and may
    be that of an image in all its containers; `boot` is that of the kernel they share.
    """
    return {"machine": _hash(_read(_MACHINE_ID) or f"{uuid.getnode():x} {socket.gethostname()}"), "boot": _boot()}


def host_name() -> str:
    """Return the name of this machine, for people."""
    return socket.gethostname() or platform.node()


def may_be_same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Tell whether two answers of `this_machine` may be of one machine: either hash is enough."""
    return any(one.get(name) and one.get(name) == other.get(name) for name in ("machine", "boot"))


def _boot() -> str:
    text = _read(_BOOT_ID)
    return _hash(text) if text else ""


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _hash(text: str) -> str:
    return hashlib.sha256(_SALT + text.encode()).hexdigest()[:16]
