"""Which models decoding an archive takes."""

from __future__ import annotations

from tilepress.codecs.model import Model
from tilepress.codecs.registry import RESIDUALS, load_residual
from tilepress.pipeline.reading.archive import Archive


def needed_models(archive: Archive) -> tuple[set[str], set[str]]:
    """Return what decoding the archive's tiles takes: SHA-256 of every codec's model, and the residual coders."""
    models, coders = set(), set()
    for row in (row for view in archive.runs for row in view.index.walk(["tiles"])):
        for tile in row["tiles"] or ():
            models.add((tile["codec"] or "").partition("@")[2])
            coders.add(tile["residual_codec"])
    return models - {""}, coders


def residual_models(coders: set[str]) -> set[str]:
    """Return SHA-256 of the models of residual coders. One that is unknown here is reported with its images."""
    folders = (load_residual(coder).model_folder for coder in coders & RESIDUALS.keys())
    return {Model.load(folder).name for folder in folders if folder is not None}
