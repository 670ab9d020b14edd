"""An archive as a data set of PyTorch. This module imports torch: `Archive.dataset` imports it when it is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from tilepress.pipeline.reading.entry_table import EntryTable


class ArchiveDataset(Dataset[dict[str, Any]]):
    """A map-style data set: `dataset[number]` is {"path": str, "image": tensor or what `transform` makes of it}.

    The tensor is uint8 or uint16, (channels, height, width). Each worker of a DataLoader opens the archive for itself,
    so that both ways to start workers do.
    """

    def __init__(
        self, entries: EntryTable, preview: bool = False, transform: Callable[[torch.Tensor], Any] | None = None
    ) -> None:
        """Hold the entries; no image is read yet. `preview`: read what `Entry.array` gives as such."""
        self.entries = entries
        self._preview = preview
        self._transform = transform

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.entries)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Return one image, proven right as it is read. IntegrityError if it is damaged, StorageError."""
        entry = self.entries[number]
        pixels = entry.array(preview=self._preview)
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return {"path": entry.path, "image": self._transform(image) if self._transform else image}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.entries.location.url!r}: {len(self)} images>"
