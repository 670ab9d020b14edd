"""What a training leaves beside its model: a Parquet log, TensorBoard events, and curves as PNG."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tilepress.jobs.training.checkpoints import replace_object
from tilepress.pipeline.storage.base import Storage, is_url

LOG = "log.parquet"
CURVES = "curves.png"
EVENTS = "tensorboard"
Row = dict[str, float]

_PANELS = (
    ("loss", "loss", ("loss", "val_loss")),
    ("mean squared error", "full scale 1", ("mse", "val_mse")),
    ("rate", "bits per pixel", ("bpp", "val_bpp")),
    ("PSNR", "dB", ("psnr", "val_psnr")),
)


def merged(rows: Iterable[Row]) -> list[Row]:
    """Return rows of the same step as one, in the order of steps."""
    by_step: dict[float, Row] = {}
    for row in rows:
        by_step.setdefault(row["step"], {}).update(row)
    return [by_step[step] for step in sorted(by_step)]


def write_log(storage: Storage, rows: Sequence[Row]) -> None:
    """`log.parquet`: one row a logged step; columns are float64, null where a figure was not taken."""
    table = merged(rows)
    names = list(dict.fromkeys(name for row in table for name in row))
    columns = {name: pa.array([row.get(name) for row in table], pa.float64()) for name in names}
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    replace_object(storage, LOG, out.getvalue())


def write_curves(storage: Storage, rows: Sequence[Row], title: str) -> None:
    """`curves.png`: loss, error, rate and PSNR over steps, of training and validation."""
    from matplotlib.figure import Figure

    table = merged(rows)
    panels = [panel for panel in _PANELS if any(panel[2][0] in row for row in table)]
    figure = Figure(figsize=(5 * max(1, len(panels)), 3.6), layout="constrained")
    figure.suptitle(title)
    for axes, (name, unit, columns) in zip(
        figure.subplots(1, max(1, len(panels)), squeeze=False)[0], panels, strict=False
    ):
        for column, label in zip(columns, ("training", "validation"), strict=True):
            points = [(row["step"], row[column]) for row in table if column in row]
            axes.plot(*zip(*points, strict=True) if points else ([], []), label=label, marker="." * (label[0] == "v"))
        axes.set(title=name, xlabel="step", ylabel=unit, yscale="log" if "mse" in columns else "linear")
        axes.grid(alpha=0.3)
        axes.legend()
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    replace_object(storage, CURVES, out.getvalue())


class Events:
    """TensorBoard events, written as they come: where the training is kept, or uploaded there at the end."""

    def __init__(self, storage: Storage, first_step: int) -> None:
        from tensorboardX import SummaryWriter

        self._storage = storage
        self._scratch = tempfile.TemporaryDirectory() if is_url(storage.url) else None
        folder = Path(self._scratch.name) if self._scratch else Path(storage.url) / EVENTS
        self._folder = folder
        self._writer: Any = SummaryWriter(str(folder), purge_step=first_step, flush_secs=10)

    def add(self, row: Row) -> None:
        """One row of the log."""
        for name, value in row.items():
            if name != "step":
                kind, _, rest = name.partition("_")
                tag = f"{rest}/validation" if kind == "val" else f"{name}/training"
                self._writer.add_scalar(tag, value, int(row["step"]))

    def close(self) -> None:
        """Flush, and upload if they were written to scratch space."""
        self._writer.close()
        if self._scratch:
            for path in sorted(self._folder.iterdir()):
                replace_object(self._storage, f"{EVENTS}/{path.name}", path.read_bytes())
            self._scratch.cleanup()
