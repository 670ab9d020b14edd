"""A page: one HTML file that opens from the disk, asks no network, and is made of sections.

    from tilepress.jobs.pages.page import Page
    from tilepress.jobs.pages.render import render
    from tilepress.jobs.pages.sections import Column, Figure, Figures, Table

    page = Page(
        title="photos.tp",
        subtitle="What the archive holds",
        command="tilepress report photos.tp",
        sections=[
            Figures(title="Sizes", figures=[Figure("saved", 0.43, "percent")], command="tilepress info photos.tp"),
            Table(title="Largest", columns=[Column("path"), Column("size", "bytes")], rows=[("a.png", 123_456)]),
        ],
    )
    Path("photos.html").write_bytes(render(page))

A section is a frozen dataclass with a title, a lead (one sentence of what is to be seen) and the command that made its
numbers. `sections.py` has those of numbers and text: Figures, Shares, Bars, Distributions, Curves, Table, Notes,
Downloads. `picture_sections.py` has those with images: Findings, Gallery, Comparison. `pictures.py` makes the images of
arrays, `spread.py` collects a distribution in little memory, `downloads.py` makes files that the page carries.

Values are plain: numbers with a kind (`numbers.py`), texts from anywhere. Every text is escaped, and characters that
nobody sees are spelled (`markup.py`), so names and metadata of untrusted images may be given as they are. Lists of
images begin with the most important one: a page of at most 5 MB takes them in that order, from every section in turn,
and says how many it left out (`budget.py`). Nothing here knows archives, audits or codecs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilepress.jobs.pages.sections import Section


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page before it is HTML."""

    title: str  # what the page is about: the name of an archive
    command: str  # that makes this page again
    sections: Sequence[Section]
    subtitle: str = ""  # what the page says of it, a few words
    kicker: str = "tilepress"  # the small line above the title: what kind of page this is
    facts: Sequence[tuple[str, str]] = ()  # (name, text), below the title: when it was made, of which version
