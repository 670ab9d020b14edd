"""Who read an archive, and whether that was another machine than those that wrote it."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from tilepress.jobs.archives.run_plan import WRITTEN_BY
from tilepress.jobs.doctor.machine import processor, version_of, versions
from tilepress.pipeline.archive.sealed import read_json
from tilepress.pipeline.engine.machine import host_name, may_be_same, this_machine
from tilepress.pipeline.errors import IntegrityError, MissingError
from tilepress.pipeline.reading.archive import Archive

_PACKAGES = ("pillow", "zstandard", "cryptography")  # besides those that `doctor` compares
HERE, ELSEWHERE = "this process", "actors of Ray"  # where networks run

Facts = Mapping[str, Any]


def decoder_facts(networks: str = HERE) -> dict[str, Any]:
    """Return who decodes here: host, machine, processor, where networks run, and the versions of everything."""
    return {**_machine_facts(), "networks": networks}


@cache
def _machine_facts() -> dict[str, Any]:
    known = {**versions(), **{name: version_of(name) for name in _PACKAGES}, "zlib": zlib.ZLIB_RUNTIME_VERSION}
    return {"host": host_name(), **this_machine(), "processor": processor(), "versions": {**known, **_libraries()}}


def _libraries() -> dict[str, str]:
    """The versions of the libraries in imagecodecs that decode what archives hold."""
    import imagecodecs

    names = {"libjxl": "jpegxl", "charls": "jpegls"}
    return {name: str(getattr(imagecodecs, f"{module}_version")()) for name, module in names.items()}


def decoder_id(facts: Facts) -> str:
    """Return 16 hexadecimal digits that name a decoder by all its facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def writers(archive: Archive) -> list[dict[str, str] | None]:
    """Return, for each run that holds something, the machine that claimed it; None where run.json does not say."""
    return [_writer(archive, view.run.summary) for view in archive.runs if not view.abandoned]


def _writer(archive: Archive, name: str) -> dict[str, str] | None:
    try:
        found = read_json(archive.storage.read(name), name).get(WRITTEN_BY)
    except (IntegrityError, MissingError):  # a file for people, which nothing else needs
        return None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else None


def independence(wrote: Iterable[Mapping[str, str] | None], decoded: Iterable[Facts]) -> tuple[bool, str]:
    """Return whether whoever decoded is known to be another machine than every one that wrote, and why, in words."""
    wrote, decoded = list(wrote), list(decoded)
    same = [each["host"] for each in decoded for writer in wrote if writer and may_be_same(each, writer)]
    if same:
        return False, f"{same[0]} decoded it, and the archive was written by that machine, too"
    if None in wrote:
        return False, "a run of the archive does not say which machine wrote it"
    return True, "it was decoded by another machine than wrote it"
