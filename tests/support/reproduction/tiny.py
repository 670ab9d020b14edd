"""A table of a minute, for tests of `tilepress reproduce`: a network of few steps, on samples of the repository."""

from __future__ import annotations

import sys
from pathlib import Path

from tilepress.jobs.reproduction.reproduce import ReproduceConfig, ReproduceReport, reproduce_table
from tilepress.jobs.reproduction.table import (
    Column,
    Curves,
    DataSet,
    Pictures,
    Published,
    Row,
    Section,
    Table,
    TrainedModel,
)

SAMPLES = Path(__file__).parents[3] / "infra/samples/images"
STEPS = 20
_SLIM = ("colour=gray", "block=8", "ratio=8", "crop=32", "batch_size=4", "quantisation_steps=[64.0,16.0]")
_NETWORK = (*_SLIM, f"steps={STEPS}", "checkpoint_every=5", "validate_every=5", "extra=0")
TINY = Table(
    name="tiny",
    title="A table for tests",
    article="No article.",
    data=(DataSet("nature", "photographs of cliffs", "the repository"), DataSet("gray", "gray ones", "the repository")),
    bytes_counted="all.",
    protocol="Few pixels.",
    models=(
        TrainedModel("network", "block-dnn", "nature", _NETWORK),
        TrainedModel("components", "pca", "nature", _SLIM),
    ),
    sections=(
        Section(
            "Half the bytes",
            Pictures("gray", "gray", ("camera",)),
            (
                Column("PSNR, dB", "psnr"),
                Column("SSIM", "ssim"),
                Column("bits a pixel", "bpp"),
                Column("texture", "texture"),
            ),
            (
                Row("the network", "trained:network", quality=100),
                Row("PCA", "trained:components", ratio=2),
                Row("JPEG in as many bytes", "jpeg", like="the network", kind="classical"),
                Row("JPEG 2000 at 4:1", "jpeg2000", ratio=4, kind="classical"),
                Row("JPEG of no bytes", "jpeg", ratio=1e6, kind="classical"),
                Row("`raw`", "raw", kind="classical"),
            ),
            (
                Published("network", (10.0, None, 0.001, None), "the network"),
                Published("another", (99.9, 0.999, None, None), "", "nobody can have that"),
                Published("baseline", (12.5, None, None, None), "JPEG in as many bytes"),
            ),
            anchor="baseline",
        ),
        Section(
            "By quality",
            Pictures("nature", "rgb", ("cliff",)),
            (
                Column("10", "psnr", quality=10),
                Column("90", "psnr", quality=90),
                Column("PSNR-B, 10", "psnr_b", quality=10),
            ),
            (Row("`jpeg`", "jpeg", kind="classical"),),
            (Published("JPEG", (None, 20.0, None), "`jpeg`"),),
        ),
    ),
    curves=(Curves("Error over training", ("network", "components"), target=1.0, batches_per_epoch=10),),
    remarks=("A remark.",),
)


def reproduced(out: Path, *overrides: str, data: tuple[str, ...] = (str(SAMPLES),)) -> ReproduceReport:
    """The tiny table, made again in a folder."""
    return reproduce_table(TINY, ReproduceConfig("tiny", data, str(out), overrides))


if __name__ == "__main__":  # a process to kill
    reproduced(Path(sys.argv[1]))
