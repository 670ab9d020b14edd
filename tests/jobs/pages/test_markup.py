"""What untrusted texts do to a page: nothing."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.web.sample_page import sample_page
from tilepress.jobs.pages.markup import clipped, element, escaped, safe_link, visible
from tilepress.jobs.pages.page import Page
from tilepress.jobs.pages.render import render
from tilepress.jobs.pages.sections import Column, Table

NASTY = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'\"&<>`",
    "\0\x1b[2J\r\n",
    "\u202egnp.exe\u2028",
]
texts = st.text(st.characters(exclude_categories=[]), max_size=60) | st.sampled_from(NASTY)


class Reader(HTMLParser):
    """Collects tags with their attributes, and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


@given(texts)
@example(NASTY[0])
def test_a_text_comes_back_as_one_text_and_one_attribute(text: str) -> None:
    reader = read(element("p", text, title=text))
    assert reader.tags == [("p", {"title": visible(text)})]
    assert "".join(reader.text) == visible(text)
    assert html.unescape(escaped(text)) == visible(text)


@given(texts)
def test_every_text_can_be_encoded_and_seen(text: str) -> None:
    shown = visible(text)
    assert shown.encode().decode() == shown
    assert not any(ord(each) < 32 or each in "\x7f\u202e\u2028\u2029\ufeff" for each in shown)


@given(texts, st.integers(10, 40))
def test_a_long_text_keeps_its_ends(text: str, most: int) -> None:
    short = clipped(text, most)
    assert len(short) <= most
    assert short == text or (text.startswith(short.partition("…")[0]) and text.endswith(short[-(most // 2) :]))


@pytest.mark.parametrize("link", ["a.png", "2024/a%20b.png", "./x", "../x", "#largest", "https://example.org/?a=1"])
def test_a_harmless_link_is_one(link: str) -> None:
    assert safe_link(link) == link


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        " javascript:x",
        "JaVaScRiPt:x",
        "data:text/html,x",
        "//x.org",
        "java\tscript:x",
        "vbscript:x",
        "",
    ],
)
def test_a_link_that_runs_code_or_leaves_is_none(link: str) -> None:
    assert safe_link(link) is None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_names_add_no_element_and_no_attribute(names: list[tuple[str, str]]) -> None:
    def tags(rows: list[tuple[str, str]]) -> list[tuple[str, list[str]]]:
        table = Table(title="t", columns=[Column("a"), Column("b")], rows=rows)
        page = Page(title=rows[0][0], command=rows[0][1], sections=[table])
        return [(tag, sorted(set(attributes) - {"title"})) for tag, attributes in read(render(page).decode()).tags]

    assert tags(names) == tags([("x", "y") for _ in names])


@pytest.mark.parametrize("name", NASTY)
def test_a_page_with_a_nasty_name_in_every_section_has_the_elements_of_a_harmless_one(name: str) -> None:
    def tags(name: str) -> list[str]:
        return [tag for tag, _ in read(render(sample_page(3, name)).decode()).tags]

    assert tags(name) == tags("photos.tp")
