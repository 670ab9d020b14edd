"""How images are put together: by folder, by camera, by a field of EXIF, or by a part of their names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.formats.exif import FIELDS, camera
from tilepress.pipeline.storage.globs import compile_grouping

FOLDER, CAMERA, EXIF = "folder", "camera", "exif:"
DEFAULT_GROUPINGS = (FOLDER, CAMERA)
TOP, NOTHING = "(top)", "(none)"  # the folder of what lies in none; where nothing says which group


def require_groupings(groupings: Sequence[str]) -> None:
    """Raise UsageError for what is neither `folder`, `camera`, `exif:FIELD` nor a pattern of names."""
    if len(set(groupings)) < len(groupings):
        raise UsageError("`group_by` names the same grouping twice: name it once")
    for grouping in groupings:
        if grouping.startswith(EXIF):
            _require_field(grouping.removeprefix(EXIF))
        elif grouping not in (FOLDER, CAMERA):
            _require_pattern(grouping)


def _require_pattern(grouping: str) -> None:
    if not any(mark in grouping for mark in "*?[{/"):
        raise UsageError(
            f"`group_by` {grouping!r} is neither folder, camera, exif:FIELD nor a pattern such as '{{year}}/*/'"
        )
    compile_grouping(grouping)


def _require_field(name: str) -> None:
    if name not in FIELDS:
        near = difflib.get_close_matches(name, FIELDS, 3)
        advice = f"Did you mean {' or '.join(near)}?" if near else "There are Model, LensModel, ISOSpeedRatings, ..."
        raise UsageError(f"`group_by` exif:{name}: EXIF has no such field. {advice}")


def group_of(grouping: str, path: str, fields: Mapping[str, str]) -> str:
    """Return the group of an image in one grouping.

    Args:
        grouping: `folder`; `camera`; `exif:FIELD`; or a pattern of names as in `include`, in which `{word}` is like `*`
            and names the group. Without a `{word}`, the file or folder that the pattern names is the group.
        path: Name of the image.
        fields: Those of its EXIF.
    """
    if grouping == FOLDER:
        return path.rpartition("/")[0] or TOP
    if grouping == CAMERA:
        return camera(fields) or NOTHING
    if grouping.startswith(EXIF):
        return fields.get(grouping.removeprefix(EXIF), "") or NOTHING
    found = _pattern(grouping).fullmatch(path)
    return NOTHING if found is None else "/".join(found.groups())


@lru_cache
def _pattern(grouping: str) -> re.Pattern[str]:
    return compile_grouping(grouping)
