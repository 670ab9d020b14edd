"""Which places may be opened that data name, not a person: lines of lists, sources in plans of archives, job files.

Whoever writes such data could else have this machine ask whatever it reaches, such as http://169.254.169.254/ with a
cloud's credentials, or read files through file:// or a chain of file systems (`zip://x::http://...`).
"""

from __future__ import annotations

import os
import re

from tilepress.pipeline.errors import UsageError

# Object stores: which server is asked follows from this machine's settings, and not from the URL.
SCHEMES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "memory"})
VARIABLE = "TILEPRESS_DATA_SCHEMES"  # environment variable: further schemes, "https,sftp"
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")  # what has none is a local path, "a::b" too
_CHAIN = "::"
_LOCAL = frozenset({"", "file", "local"})
# user:password of scheme://user:password@host: up to the last "@" of the word, as passwords hold "/" and "@", too.
PASSWORD = r"(?<=://)[^/:@\s'\"]*:\S*(?=@)"
_PASSWORD = re.compile(PASSWORD)
_SIGNED = re.compile(r"(?i)://[^\s]*[?&](?:[\w.-]*(?:signature|credential|token|secret|password)|sig)=")


def place_from_data(place: str, named_in: str, *, local: bool = True) -> str:
    """Return a place that data name, if it may be opened.

    Args:
        place: A local path or URL.
        named_in: The data, for messages: "the list s3://a/list.txt".
        local: Whether the data may name files of this machine: not so of data that came from elsewhere.

    Raises:
        UsageError: Its scheme is none of SCHEMES nor of those in $TILEPRESS_DATA_SCHEMES, it is a chain of file
            systems, it is a local path and must not be, or it holds credentials.
    """
    found = _SCHEME.match(place)
    scheme = found[1].lower() if found else ""
    if found and _CHAIN in place:
        raise UsageError(f"{named_in} names a chain of file systems ({_CHAIN}), which is opened for nobody but you")
    if scheme in _LOCAL:
        if not local:
            raise UsageError(f"{named_in} names a file of this machine, and is not of this machine: copy it here first")
        return place
    if scheme not in SCHEMES | _further():
        known = ", ".join(sorted(SCHEMES - {"memory"}))
        raise UsageError(
            f"{named_in} names a place by {scheme}://, and data may only name local files and {known}: name it "
            f"yourself, fetch it, or allow that by the variable {VARIABLE}={scheme}"
        )
    require_no_secret(place)
    return place


def require_no_secret(place: str) -> None:
    """Raise UsageError for a URL with a password or signature in it: places are written into plans and reports."""
    if _PASSWORD.search(place) or _SIGNED.search(place):
        scheme = place.partition("://")[0].rpartition(":")[2]
        raise UsageError(
            f"this URL ({scheme}://) holds credentials, and places are recorded: give them by `storage_options`, "
            f"FSSPEC_{scheme.upper()}_* variables or a file of fsspec, and write %40 for an @ behind a port"
        )


def _further() -> frozenset[str]:
    return frozenset(filter(None, (name.strip().lower() for name in os.environ.get(VARIABLE, "").split(","))))
