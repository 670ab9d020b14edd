"""What a published table is, as data: the figures of its article, and how each of its rows is made again.

A table needs data sets, trains models by recipes, and has sections. A section shows some pictures to codecs: its rows
are shipped codecs, models that were trained for the table, and classical coders, its columns are figures of what came
back. Nothing here computes anything: `models.py` trains, `measuring.py` measures, `page.py` writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["ours", "classical"]
Shown = Literal["gray", "rgb", "video luma", "gray 512", "stacks"]


@dataclass(frozen=True)
class DataSet:
    """Images that a table needs. `name`: their folder below `data`; `source`: where people usually get them."""

    name: str
    holds: str
    source: str


@dataclass(frozen=True)
class Arrays:
    """Images that lie in an array file of a data set (see `tilepress import`): the first `count` of `file`."""

    file: str
    count: int


@dataclass(frozen=True)
class Pictures:
    """Pictures of a data set, as codecs see them.

    `shown`: gray (luma) or rgb, as they are; "video luma": luma at 16 to 235, as restorations are reported; "gray 512":
    gray, enlarged to 512 x 512 where they are smaller (bicubic);
    stacks: small images of `arrays` side by side, `columns` x `rows` of them a picture, as archives keep small images.
    `names`: the files without their suffixes, in this order; every file where there are none.
    """

    data: str
    shown: Shown
    names: tuple[str, ...] = ()
    arrays: Arrays | None = None
    columns: int = 25
    rows: int = 20


@dataclass(frozen=True)
class TrainedModel:
    """A model that the table trains: recipe, overrides (`key=value`), and the data set, or the arrays of one."""

    name: str
    recipe: str
    data: str
    overrides: tuple[str, ...] = ()
    arrays: Arrays | None = None


@dataclass(frozen=True)
class Row:
    """One line that is made again: a codec at a setting.

    `codec`: a codec, a shipped model, a coder of `coders.py`, or "trained:NAME", a model of this table.
    `quality`, `effort`: as codecs take them; a column's `quality` is in the place of a row's that has none.
    `ratio`: of each picture the finest quality whose bytes, times `ratio`, are at most those of its samples.
    `like`: of each picture the finest quality that has at most as many bytes as the row of that name.
    `view`: another decoder of the model's.
    """

    name: str
    codec: str
    quality: int | None = None
    effort: int | None = None
    ratio: float = 0.0
    like: str = ""
    view: str = ""
    kind: Kind = "ours"


@dataclass(frozen=True)
class Column:
    """One figure of `figures.py`, over all pictures of the section or those of `names`; `quality` for restorations."""

    title: str
    figure: str
    names: tuple[str, ...] = ()
    quality: int | None = None


@dataclass(frozen=True)
class Published:
    """A line as it was printed: its figures by column, None where there is none.

    `row`: the row that makes it again. `remark`: why it cannot be right, or does not compare.
    """

    name: str
    figures: tuple[float | None, ...]
    row: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Section:
    """A table of the page. `lead`: the column that the plot shows.

    `anchor`: the published line that others are compared with, by the leading column, in the article and here: where
    the article's pictures are not at hand, the differences compare better than the figures.
    """

    title: str
    pictures: Pictures
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    published: tuple[Published, ...] = ()
    lead: int = 0
    anchor: str = ""
    text: str = ""


@dataclass(frozen=True)
class Curves:
    """Validation errors over the training of some models: a plot, and the step at which each is below `target`."""

    title: str
    models: tuple[str, ...]
    target: float = 0.0  # MSE, full scale 1; 0: none
    batches_per_epoch: float = 0.0


@dataclass(frozen=True)
class Table:
    """One page. `bytes_counted`: what the bytes of its rows are; `remarks`: what a reader must know of the figures."""

    name: str
    title: str
    article: str
    data: tuple[DataSet, ...]
    sections: tuple[Section, ...]
    bytes_counted: str
    protocol: str
    models: tuple[TrainedModel, ...] = ()
    curves: tuple[Curves, ...] = ()
    remarks: tuple[str, ...] = field(default=())

    def model(self, name: str) -> TrainedModel:
        """Return one of the models."""
        (found,) = (model for model in self.models if model.name == name)
        return found
