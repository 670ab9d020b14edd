"""What a page promises: its size, what it says of what it left out, that it asks no network."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import re

import numpy as np

from tests.jobs.pages.test_markup import read
from tests.support.web.sample_page import COLUMNS, ROWS, sample_page, sample_rows
from tilepress.jobs.pages.downloads import Download, csv_file
from tilepress.jobs.pages.page import Page
from tilepress.jobs.pages.picture_sections import Comparison, Findings, Gallery, Thumb
from tilepress.jobs.pages.pictures import thumbnail
from tilepress.jobs.pages.render import LIMIT, render
from tilepress.jobs.pages.sections import (
    Bars,
    Column,
    Curves,
    Distribution,
    Distributions,
    Downloads,
    Figures,
    Notes,
    Shares,
    Table,
)
from tilepress.jobs.pages.spread import Histogram, Spread

_NOISE = np.random.default_rng(3).integers(0, 256, (40, 192, 192, 3), np.uint8)
_CODE = 400_000  # bytes of style and scripts


def page_of(*sections: object) -> Page:
    return Page(title="t", command="tilepress x", sections=sections)  # type: ignore[arg-type]  # sections, of any kind


def text_of(page: Page) -> str:
    return " ".join(read(render(page).decode()).text)


def test_a_page_without_images_is_small() -> None:
    assert len(render(page_of(Notes(title="n", paragraphs=["hello"])))) < _CODE // 4


def test_every_section_is_there_with_its_title_and_in_the_navigation() -> None:
    page = sample_page()
    reader = read(render(page).decode())
    ids = [attributes["id"] for tag, attributes in reader.tags if tag == "section"]
    links = [attributes["href"] for tag, attributes in reader.tags if tag == "a"]
    assert len(ids) == len(set(ids)) == len(page.sections)
    assert {f"#{name}" for name in ids} <= set(links)
    assert {section.title for section in page.sections} <= set(reader.text)


def test_sections_of_one_title_have_ids_of_their_own() -> None:
    reader = read(render(page_of(*[Notes(title="Ärger!", paragraphs=["x"])] * 3)).decode())
    ids = [attributes["id"] for tag, attributes in reader.tags if tag == "section"]
    assert len(set(ids)) == 3


def test_the_page_may_ask_no_network() -> None:
    html = render(sample_page()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy.startswith("default-src &#x27;none&#x27;;")
    assert "unsafe" not in policy and "http" not in policy
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", html)


def test_images_are_taken_in_order_until_the_page_is_full() -> None:
    thumbs = [Thumb(thumbnail(each), f"image {at:02d}") for at, each in enumerate(_NOISE)]
    page = page_of(Gallery(title="all", thumbs=thumbs))
    whole, limit = len(render(page)), len(render(page)) // 2
    assert whole < LIMIT
    html = render(page, limit)
    assert limit * 0.9 < len(html) <= limit
    taken = re.findall(rb'alt="image (\d+)"', html)
    assert taken == [b"%02d" % at for at in range(len(taken))]
    assert f"{len(thumbs) - len(taken)} more images were left out".encode() in html


def test_every_section_gets_its_first_images_before_any_gets_many() -> None:
    galleries = [
        Gallery(title=name, thumbs=[Thumb(thumbnail(each), f"{name} {at}") for at, each in enumerate(_NOISE[:10])])
        for name in ("first", "second")
    ]
    html = render(page_of(*galleries), len(render(page_of(*galleries))) // 2)
    counts = [len(re.findall(rb'alt="%s \d+"' % name, html)) for name in (b"first", b"second")]
    assert 0 < counts[1] <= counts[0] <= counts[1] + 1


def test_a_table_shows_some_rows_and_says_of_how_many() -> None:
    rows = sample_rows("x")
    columns = [Column(name, "text" if name == "path" else "number") for name in COLUMNS]
    html = render(page_of(Table(title="t", columns=columns, rows=rows, most=50, total=123_456))).decode()
    assert html.count("<tr>") == 51
    assert "50 of 123,456 rows." in html


def test_a_page_of_the_longest_names_stays_within_the_limit() -> None:
    rows = [("<" * 4096, at) for at in range(2000)]
    page = page_of(Table(title="t", columns=[Column("path"), Column("n", "count")], rows=rows))
    assert len(render(page)) < LIMIT


def test_downloads_are_the_data_and_stand_in_the_page_once() -> None:
    file = csv_file("rows.csv", COLUMNS, sample_rows("x"))
    html = render(page_of(Downloads(title="d", files=[file, file])))
    (data,) = re.findall(rb'<script type="application/gzip" id="[^"]+">([^<]+)</script>', html)
    assert gzip.decompress(base64.b64decode(data)) == file.data
    assert len(file.data.splitlines()) == ROWS + 1


def test_a_spreadsheet_runs_no_name_as_a_formula() -> None:
    assert b"\n'=cmd()," in csv_file("x.csv", ["a", "b"], [("=cmd()", -1)]).data.replace(b"\r", b"")
    assert csv_file("x.csv", ["a"], [(-1,)]).data.endswith(b"\n-1\r\n")


def test_a_file_that_is_too_large_is_said_to_be() -> None:
    noise = np.random.default_rng(1).bytes(LIMIT)
    text = text_of(page_of(Downloads(title="d", files=[Download("big.bin", noise)])))
    assert "big.bin (5.00 MB) is too large for this page." in text


def test_sections_of_nothing_say_so() -> None:
    empty = Spread().histogram()
    page = page_of(
        Figures(title="f", figures=[]),
        Shares(title="s", shares=[]),
        Bars(title="b", bars=[]),
        Distributions(title="d", charts=[_distribution(empty)]),
        Curves(title="c", charts=[]),
        Table(title="t", columns=[Column("a")], rows=[]),
        Gallery(title="g", thumbs=[]),
        Findings(title="fi", findings=[], nothing="All is well."),
        Comparison(title="co", images=[]),
    )
    text = text_of(page)
    assert text.count("There is nothing to show.") == 2
    assert text.count("There are none.") == 3
    assert "All is well." in text


def _distribution(histogram: Histogram) -> Distribution:
    sections = [each for each in sample_page().sections if isinstance(each, Distributions)]
    return dataclasses.replace(sections[0].charts[0], histogram=histogram)
