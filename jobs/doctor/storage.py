"""The checks of a storage, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tilepress.jobs.doctor.checks import Finding
from tilepress.jobs.doctor.consistency import listing, names, ranges, reachable, read_after_write
from tilepress.jobs.doctor.contention import create_only, create_only_in_parts, lost_answers
from tilepress.jobs.doctor.file_system import file_system, temporary_files
from tilepress.jobs.doctor.pace import clock, pace
from tilepress.jobs.doctor.s3_checks import rejects_wrong_checksums, unfinished_uploads
from tilepress.jobs.doctor.scratch import Scratch

REACHABLE = "reachable"


def storage_checks(scratch: Scratch, *, thorough: bool) -> Mapping[str, Callable[[], Finding]]:
    """Return the checks of a place by name: REACHABLE first, without which there is no sense in the others.

    They fill the place; `thorough`: with more objects than a server lists at a time.
    """
    checks: Mapping[str, Callable[[Scratch], Finding]] = {
        REACHABLE: reachable,
        "create-only": create_only,
        "create-only in parts": create_only_in_parts,
        "lost answers": lost_answers,
        "read after write": read_after_write,
        "ranges": ranges,
        "listing": partial(listing, thorough=thorough),
        "names": names,
        "checksums": rejects_wrong_checksums,
        "unfinished uploads": unfinished_uploads,
        "temporary files": temporary_files,
        "file system": file_system,
        "clock": clock,
        "pace": pace,
    }
    return {name: partial(check, scratch) for name, check in checks.items()}
