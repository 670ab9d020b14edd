"""An archive as a data set of Ray Data: `tilepress.ray_dataset`. Ray is imported when it is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tilepress.codecs.extras import require_extra
from tilepress.pipeline.reading.archive import open_archive
from tilepress.pipeline.reading.entry_table import EntryTable
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place

if TYPE_CHECKING:
    import ray.data

_TASK_IMAGES = 64
_TASK_BYTES = 16 << 20  # of stored files


def ray_dataset(
    archive: Place,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    preview: bool = False,
    storage_options: Mapping[str, Any] = NO_OPTIONS,
) -> ray.data.Dataset:
    """Return the images of `archive` as a ray.data.Dataset; Ray's workers read and decode them.

    A row is {"path": str, "image": uint8 or uint16 (height, width, channels)}, in no certain order:

        import ray, tilepress

        ray.init()
        images = tilepress.ray_dataset("s3://bucket/photos.tp", include=["2024/**"])
        bright = images.map(lambda row: {"path": row["path"], "mean": float(row["image"].mean())})
        bright.write_parquet("means/")

    Args:
        archive: Local path or URL of an archive. Workers must reach the same place.
        include: Only files that match one of these patterns.
        exclude: Leave out files that match.
        preview: Read the lossy pictures of the latents, where there are some; of JPEGs an eighth of the sides.
        storage_options: How the place is reached, as fsspec takes it.

    Returns:
        A lazy ray.data.Dataset. UsageError where there is no archive, MissingExtra without Ray.
    """
    require_extra("ray", "ray_dataset")
    import ray.data

    from tilepress.pipeline.engine.ray_environment import environment

    entries = open_archive(archive, storage_options=storage_options).images(include, exclude)
    tasks = [{"entries": part} for part in entries.slices(_TASK_IMAGES, _TASK_BYTES)]
    if not tasks:
        return ray.data.from_items([], override_num_blocks=1)
    blocks = min(len(tasks), 2000)
    return ray.data.from_items(tasks, override_num_blocks=blocks).flat_map(
        partial(_read, preview=preview, variables=environment())
    )


def _read(
    task: dict[str, EntryTable], *, preview: bool, variables: tuple[tuple[str, str], ...]
) -> Iterator[dict[str, str | np.ndarray]]:
    """The images of a task, one at a time."""
    from tilepress.pipeline.engine.ray_environment import adopt

    adopt(variables)
    for entry in task["entries"]:
        yield {"path": entry.path, "image": entry.array(preview=preview)}
