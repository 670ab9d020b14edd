"""What an archive remembers of originals that were removed because it gives them back: it may be their only copy.

only-copies/SESSION.json    sealed JSON, created before the first original goes: when, from which source, by what

Nothing refers to these files. `forget --deleted` looks for them: what the source no longer has is then not what
somebody threw away.
"""

from __future__ import annotations

from tilepress.pipeline.archive import dates
from tilepress.pipeline.archive.sealed import seal_json
from tilepress.pipeline.errors import StorageError, TransientStorageError, UsageError
from tilepress.pipeline.storage.base import Storage

FOLDER = "only-copies/"
FORMAT = "tilepress-only-copies-1"


def remember(archive: Storage, session: str, source: str, certificate: str) -> str:
    """Remember that originals are about to be removed; return a note where the archive cannot be written to.

    Args:
        archive: The storage of the archive.
        session: Names the removal.
        source: Where the originals are.
        certificate: SHA-256 of the certificate by which they go.
    """
    content = {"format": FORMAT, "when": dates.now(), "source": source, "certificate": certificate}
    try:
        archive.create(f"{FOLDER}{session}.json", seal_json(content))
    except TransientStorageError:
        raise
    except StorageError as exc:
        return f"the archive does not remember that originals went, so `forget --deleted` will not ask back: {exc}"
    return ""


def require_none(archive: Storage) -> None:
    """Raise UsageError where originals were removed by `delete-source`."""
    found = [entry.name for entry in archive.list(FOLDER)]
    if found:
        raise UsageError(
            f"originals were removed because {archive.url} gives them back ({max(found)}), so what its source no "
            "longer has may be the only copy: say what to forget by `include`, without `deleted`, or add `only_copies`"
        )
