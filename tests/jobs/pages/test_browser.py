"""A page in a real browser: nothing on the console, no network, everything by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.support.web.browser import page
from tests.support.web.sample_page import COLUMNS, sample_page, sample_rows
from tilepress.jobs.pages.downloads import csv_file
from tilepress.jobs.pages.render import render

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NASTY = "</script><img src=x onerror=alert(1)>"
_LUMINANCE = """colour => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d");
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(
    (each) => (each / 255 <= 0.04045 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sample page, with a name that would run code wherever it is not escaped."""
    file = tmp_path_factory.mktemp("pages") / "sample page.html"
    file.write_bytes(render(sample_page(name=NASTY)))
    return file.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with page(offline=True) as opened:
        opened.emulate_media(reduced_motion="reduce")  # else the page glides wherever a link leads
        yield opened


@pytest.fixture
def opened(browser: Any, url: str) -> Any:
    """The page, fresh."""
    browser.goto("about:blank")
    browser.goto(url)
    return browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 360])
def test_the_page_fits_its_window(url: str, width: int, scheme: Literal["light", "dark"]) -> None:
    with page(width, 800, scheme=scheme, offline=True) as opened:
        opened.goto(url)
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.evaluate("[...document.images].every(image => image.loading === 'lazy' || image.naturalWidth)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(url: str, scheme: Literal["light", "dark"]) -> None:
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5 to 1."""
    with page(scheme=scheme, offline=True) as opened:
        opened.goto(url)
        for selector in (".kicker", ".lead", ".note", ".command", "td.number", ".figure.good .number", ".warn .sign"):
            ink = opened.eval_on_selector(selector, "each => getComputedStyle(each).color")
            paper = opened.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            light, dark = sorted((opened.evaluate(f"({_LUMINANCE})({each!r})") for each in (ink, paper)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, selector


def test_the_button_turns_light_to_dark_and_back(opened: Any) -> None:
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = opened.evaluate(paper)
    opened.get_by_role("button", name="Show the page dark").click()
    assert opened.evaluate(paper) != light
    opened.get_by_role("button", name="Show the page light").click()
    assert opened.evaluate(paper) == light


def test_the_navigation_leads_to_every_section(opened: Any) -> None:
    for link in opened.query_selector_all("nav a"):
        link.click()
        name = (link.get_attribute("href") or "")[1:]
        opened.wait_for_function(
            "name => document.getElementById(name).getBoundingClientRect().top < innerHeight", arg=name
        )
    opened.wait_for_function("document.querySelector('nav a[aria-current]').hash === '#data'")


def column(opened: Any, number: int) -> list[str]:
    return opened.eval_on_selector_all(
        "table.data tbody tr:not([hidden])", f"rows => rows.map(row => row.cells[{number}].textContent)"
    )


def test_a_table_sorts_by_click_and_by_keyboard(opened: Any) -> None:
    sizes = [row[1] for row in sample_rows("")[:100]]
    exact = "rows => rows.map(row => Number(row.cells[1].dataset.v))"
    opened.get_by_role("button", name="size").click()
    assert opened.eval_on_selector_all("table.data tbody tr", exact) == sorted(sizes, reverse=True)
    assert opened.get_attribute("table.data th:nth-child(2)", "aria-sort") == "descending"
    opened.keyboard.press("Enter")
    assert opened.eval_on_selector_all("table.data tbody tr", exact) == sorted(sizes)
    opened.get_by_role("button", name="path").focus()
    opened.keyboard.press("Space")
    assert column(opened, 0) == sorted(column(opened, 0))
    assert opened.get_attribute("table.data th:nth-child(2)", "aria-sort") == "none"


def test_what_is_not_known_comes_last_either_way(opened: Any) -> None:
    for _ in range(2):
        opened.get_by_role("button", name="PSNR").click()
        cells = column(opened, 3)
        assert "–" in cells and set(cells[cells.index("–") :]) == {"–"}


def test_a_filter_leaves_the_rows_with_all_its_words(opened: Any) -> None:
    opened.get_by_role("searchbox").fill("2024 0042")
    assert len(column(opened, 0)) == 1 and "0042" in column(opened, 0)[0]
    assert "1 of 100 rows" in opened.inner_text(".filter")
    opened.get_by_role("searchbox").fill("")
    assert len(column(opened, 0)) == 100


def test_downloads_are_the_data(opened: Any) -> None:
    with opened.expect_download() as started:
        opened.click("#data button.download >> nth=0")
    assert started.value.suggested_filename == "rows.csv"
    assert Path(started.value.path()).read_bytes() == csv_file("", COLUMNS, sample_rows(NASTY)).data


def wipe(opened: Any) -> float:
    return float(opened.get_attribute(".wipe", "aria-valuenow"))


def test_the_slider_follows_the_mouse_and_the_keys(opened: Any) -> None:
    opened.locator(".stage").scroll_into_view_if_needed()
    box = opened.locator(".layers").bounding_box()
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    opened.mouse.down()
    opened.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 10)
    opened.mouse.up()
    assert wipe(opened) == pytest.approx(25, abs=1)
    cut = opened.eval_on_selector(".layers .decoded", "each => parseFloat(each.style.clipPath.split(' ').at(-1))")
    assert cut == pytest.approx(25, abs=1)
    opened.focus(".wipe")
    before = wipe(opened)
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("Shift+ArrowRight")
    assert wipe(opened) == before + 12
    opened.keyboard.press("End")
    assert wipe(opened) == 100
    opened.keyboard.press("Home")
    assert wipe(opened) == 0


def test_the_difference_is_that_of_the_images_times_the_gain(opened: Any) -> None:
    opened.locator(".stage").scroll_into_view_if_needed()
    opened.get_by_role("button", name="Difference").click()
    opened.get_by_role("slider", name="Gain").fill("0")
    assert opened.eval_on_selector(".layers", "each => each.style.filter") == "brightness(1)"
    opened.get_by_role("slider", name="Gain").fill("4")
    assert "× 16" in opened.inner_text(".side.left")
    box = opened.locator(".layers").bounding_box()
    opened.mouse.move(box["x"] + 42, box["y"] + 42)
    told = opened.inner_text(".readout").replace("−", "-").split()
    before, after, off = (
        list(map(int, told[at + 1 : at + 4])) for at in map(told.index, ("original", "decoded", "difference"))
    )
    assert [b - a for a, b in zip(before, after, strict=True)] == off
    shot = opened.locator(".stage").screenshot(path=None)
    assert _pixel(shot, opened, box) == [min(255, 16 * abs(each)) for each in off]


def _pixel(shot: bytes, opened: Any, box: dict[str, float]) -> list[int]:
    """The colour on the screen of the pixel that is pointed at."""
    import io

    from PIL import Image

    stage = opened.locator(".stage").bounding_box()
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    return list(image.getpixel((round(box["x"] + 42 - stage["x"]), round(box["y"] + 42 - stage["y"]))))


def test_zoom_goes_to_the_pixel_and_keys_choose_views_and_images(opened: Any) -> None:
    opened.focus(".stage")
    for _ in range(5):
        opened.keyboard.press("+")
    assert opened.eval_on_selector(".layers", "each => each.clientWidth") == 128 * 32
    assert opened.eval_on_selector(".layers img", "each => getComputedStyle(each).imageRendering") == "pixelated"
    before = opened.eval_on_selector(".layers", "each => each.style.left")
    opened.keyboard.press("4")
    opened.keyboard.press("ArrowRight")
    assert opened.eval_on_selector(".layers", "each => each.style.left") != before
    opened.keyboard.press("0")
    assert opened.eval_on_selector(".layers", "each => each.clientWidth") < 128 * 32
    assert opened.get_attribute(".group button:has-text('Difference')", "aria-pressed") == "true"
    opened.keyboard.press("]")
    assert opened.get_attribute(".strip button >> nth=1", "aria-pressed") == "true"
    opened.keyboard.press("[")
    opened.keyboard.press("[")
    assert opened.get_attribute(".strip button >> nth=5", "aria-pressed") == "true"
    assert opened.inner_text(".pair.chosen .name").endswith("5.png")


def test_a_mark_tells_its_numbers_when_it_is_pointed_at(opened: Any) -> None:
    for mark, told in (("#rate-and-distortion circle.hit", "jpeg: 0.1"), ("#distributions rect.hit", "(0.")):
        opened.locator(mark).first.scroll_into_view_if_needed()
        opened.wait_for_timeout(200)  # until it has scrolled, which hides what was told
        opened.locator(mark).first.hover(force=True)
        assert told in opened.inner_text(".tip")


def test_on_paper_all_is_shown_and_nothing_to_press(opened: Any) -> None:
    opened.emulate_media(media="print", color_scheme="dark")
    try:
        assert opened.evaluate("getComputedStyle(document.body).display") == "block"
        for hidden in ("nav", ".stage", ".tools", ".filter", ".copy", ".download"):
            assert not opened.is_visible(hidden)
        assert opened.locator(".pair .sides").evaluate_all("all => all.every(each => each.offsetHeight > 0)")
        assert len(opened.pdf(format="A4")) > 10_000
    finally:
        opened.emulate_media(media="screen", color_scheme="light")
