"""The figures of steps, fetched from the device some steps at a time: to look at one is to wait for it."""

from __future__ import annotations

import math

import torch

from tilepress.pipeline.errors import UsageError

Row = dict[str, float]


class Figures:
    """The figures of the steps since they were last taken.

    Those of steps on the processor are looked at in every step, where that costs nothing.
    """

    def __init__(self, device: torch.device) -> None:
        self._at_once = device.type == "cpu"
        self._waiting: list[tuple[int, dict[str, torch.Tensor]]] = []
        self._rows: list[Row] = []

    def add(self, step: int, figures: dict[str, torch.Tensor]) -> None:
        """Keep the figures of a step, single numbers on the device. UsageError as `fetch`."""
        self._waiting.append((step, figures))
        if self._at_once:
            self.fetch()

    def fetch(self) -> None:
        """Fetch what is on the device, at once. UsageError if the training diverged: figures are not finite."""
        if not self._waiting:
            return
        found = [value.double() for _, figures in self._waiting for value in figures.values()]
        values = iter(torch.stack(found).tolist())
        for step, figures in self._waiting:
            row = {name: float(next(values)) for name in figures}
            if not all(math.isfinite(value) for value in row.values()):
                raise UsageError(f"training diverged at step {step} ({row}): lower lr=, or set clip=1.0")
            self._rows.append(row)
        self._waiting.clear()

    def taken(self) -> list[Row]:
        """Return the figures that were fetched, a row a step, and begin anew."""
        rows, self._rows = self._rows, []
        return rows
