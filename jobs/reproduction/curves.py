"""Validation errors over the training of a table's models, read from the logs that their trainings left."""

from __future__ import annotations

import io
from collections.abc import Sequence

from tilepress.jobs.reproduction.models import log_name
from tilepress.jobs.reproduction.page import MadeCurves
from tilepress.jobs.reproduction.table import Curves
from tilepress.pipeline.archive.parquet.reading import open_parquet, read_table
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.storage.base import Storage

_ERROR = "val_mse"
Points = list[tuple[float, float]]


def made_curves(curves: Curves, work: Storage, plot: str) -> MadeCurves:
    """Return the curves of a run: MSE at the end, and the step from which it is below the target."""
    points = {model: _points(work, model) for model in curves.models}
    columns = ["steps", "MSE at the end"]
    if curves.target:
        columns.append(f"steps until {curves.target}")
    if curves.target and curves.batches_per_epoch:
        columns.append("epochs")
    lines = tuple((model, *_cells(each, curves)[: len(columns)]) for model, each in points.items())
    return MadeCurves(curves.title, tuple(columns), lines, plot, points)


def _points(work: Storage, model: str) -> Points:
    name = log_name(model)
    try:
        log = read_table(open_parquet(io.BytesIO(work.read(name)), name), name).to_pylist()
        return [(float(row["step"]), float(row[_ERROR])) for row in log if row.get(_ERROR) is not None]
    except (IntegrityError, ValueError, KeyError, TypeError) as exc:
        advice = f"remove {work.url}/models/{model} to train it again"
        raise IntegrityError(f"{work.url}/{name}: not the log of a training ({exc}); {advice}") from exc


def _cells(points: Points, curves: Curves) -> Sequence[str]:
    if not points:
        return ("0", "–", "–", "–")
    last, mse = points[-1]
    step = next((step for step, error in points if error < curves.target), None)
    reached = ("not reached", "–")
    if step is not None:
        reached = (f"{step:.0f}", f"{step / curves.batches_per_epoch:.1f}" if curves.batches_per_epoch else "")
    return (f"{last:.0f}", f"{mse:.5f}", *reached)
