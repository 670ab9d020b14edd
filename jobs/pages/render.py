"""A page as HTML: one file with its style, scripts, images and data inside, which asks no network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tilepress.jobs.pages import blocks, picture_blocks
from tilepress.jobs.pages.budget import Room, by_importance
from tilepress.jobs.pages.downloads import Download
from tilepress.jobs.pages.markup import Markup, clipped, element, joined
from tilepress.jobs.pages.numbers import shown
from tilepress.jobs.pages.page import Page
from tilepress.jobs.pages.picture_sections import Comparison, Findings, Gallery
from tilepress.jobs.pages.sections import (
    Bars,
    Curves,
    Distributions,
    Downloads,
    Figures,
    Notes,
    Section,
    Shares,
    Table,
)

MARK = '<meta name="generator" content="tilepress">'  # by which a page is known as one of ours
LIMIT = 5_000_000  # bytes of a page
_FILES = LIMIT // 4  # bytes that downloads may take of it
_STATIC = Path(__file__).parent / "static"
_SCRIPTS = ("page.js", "charts.js", "tables.js", "compare.js", "downloads.js")
_BLOCKS: dict[type[Section], Callable[[Any], Markup]] = {
    Figures: blocks.figures,
    Shares: blocks.shares,
    Bars: blocks.bars,
    Distributions: blocks.distributions,
    Curves: blocks.curves,
    Table: blocks.table,
    Notes: blocks.notes,
}
_PICTURE_BLOCKS: dict[type[Section], Callable[[Any, Room], Markup]] = {
    Findings: picture_blocks.findings,
    Gallery: picture_blocks.gallery,
    Comparison: picture_blocks.comparison,
}


def render(page: Page, limit: int = LIMIT) -> bytes:
    """Return a page as one HTML file, UTF-8, of at most `limit` bytes if there are images to leave out.

    Images are taken in order of importance until the page is full; the page says how many it left out.
    """
    without = len(_document(page, Room((), 0)))
    return _document(page, Room(by_importance(page.sections), limit - without))


def _document(page: Page, room: Room) -> bytes:
    files = _Files()
    ids = _ids(page.sections)
    sections = [_section(each, name, room, files) for each, name in zip(page.sections, ids, strict=True)]
    body = element(
        "body",
        element("a", "Skip to the content", href="#content", class_="skip"),
        _navigation(page, ids),
        element("main", _head(page), *sections, _foot(page), id="content"),
        *files.scripts,
        *(element("script", script, type="module") for script in _scripts()),
    )
    return b"<!doctype html>\n" + element("html", _meta(page), body, lang="en").encode()


def _meta(page: Page) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        Markup(MARK),
        element("meta", http_equiv="Content-Security-Policy", content=_policy()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", clipped(f"{page.title} · {page.kicker}")),
        element("style", _style()),
    )


@cache
def _style() -> Markup:
    return Markup((_STATIC / "page.css").read_text("utf-8"))


@cache
def _scripts() -> tuple[Markup, ...]:
    return tuple(Markup((_STATIC / name).read_text("utf-8")) for name in _SCRIPTS)


@cache
def _policy() -> str:
    """What the browser lets the page do: its own style and scripts by their hashes, images inside it, no network."""
    scripts = " ".join(map(_hash, _scripts()))
    return (
        f"default-src 'none'; img-src data: blob:; style-src {_hash(_style())}; script-src {scripts}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _ids(sections: Sequence[Section]) -> list[str]:
    """Names of sections within the page, for links: of letters and digits, each once."""
    slugs = [re.sub(r"[^a-z0-9]+", "-", each.title.lower()).strip("-")[:40] or "section" for each in sections]
    return [slug if slugs.index(slug) == at else f"{slug}-{at}" for at, slug in enumerate(slugs)]


def _navigation(page: Page, ids: Sequence[str]) -> Markup:
    links = (
        element("li", element("a", clipped(section.title, 60), href=f"#{name}"))
        for section, name in zip(page.sections, ids, strict=True)
    )
    return element("nav", element("ul", *links), aria_label="Sections", id="sections")


def _head(page: Page) -> Markup:
    facts = (element("div", element("dt", name), element("dd", clipped(text))) for name, text in page.facts)
    return element(
        "header",
        element("p", page.kicker, class_="kicker"),
        element("h1", clipped(page.title)),
        element("p", clipped(page.subtitle), class_="subtitle") if page.subtitle else "",
        element("dl", *facts, class_="facts") if page.facts else "",
    )


def _foot(page: Page) -> Markup:
    made = element("p", "This page was made by ", blocks.command(page.command))
    return element("footer", made, element("p", "It is one file, and asks no network."))


class _Files:
    """The downloads of a page, as they are met."""

    def __init__(self) -> None:
        self.scripts: list[Markup] = []
        self._names: dict[Download, str] = {}
        self._room = _FILES

    def button(self, file: Download) -> Markup:
        """Return what saves a file; where it is too large for the page, a note that says so."""
        size = shown(len(file.data), "bytes")
        name = self._names.get(file) or self._carry(file)
        if not name:
            return element("p", f"{clipped(file.name)} ({size}) is too large for this page.", class_="note")
        text = joined(clipped(file.name, 80), " ", element("small", size))
        facts = {"data_file": name, "data_name": clipped(file.name), "data_type": file.media_type}
        return element("button", text, type="button", class_="download", title=file.note or None, **facts)

    def _carry(self, file: Download) -> str:
        """Put a file into the page, and return its name there; "" if there is no room."""
        data = base64.b64encode(gzip.compress(file.data, mtime=0)).decode()
        if len(data) > self._room:
            return ""
        self._room -= len(data)
        self._names[file] = name = f"file-{len(self.scripts)}"
        self.scripts.append(element("script", Markup(data), type="application/gzip", id=name))
        return name


def _section(section: Section, name: str, room: Room, files: _Files) -> Markup:
    return element(
        "section",
        element("h2", element("a", clipped(section.title), href=f"#{name}")),
        element("p", clipped(section.lead, 600), class_="lead") if section.lead else "",
        _block(section, room, files),
        element("p", blocks.command(section.command), class_="by") if section.command else "",
        id=name,
        aria_label=clipped(section.title),
    )


def _block(section: Section, room: Room, files: _Files) -> Markup:
    if isinstance(section, Downloads):
        items = (
            element("li", files.button(file), element("span", clipped(file.note), class_="note"))
            for file in section.files
        )
        return element("ul", *items, class_="files")
    if type(section) in _PICTURE_BLOCKS:
        return _PICTURE_BLOCKS[type(section)](section, room)
    block = _BLOCKS[type(section)](section)
    if isinstance(section, Table) and section.download is not None:
        return joined(block, files.button(section.download))
    return block
