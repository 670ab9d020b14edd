"""The page of `tilepress view` in a real browser: what a person does, and no error on the console."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tilepress
from tests.support.make_archives import encoded, smooth, write_files
from tests.support.web.browser import page

HOSTILE = "<img src=x onerror=document.title='broken'>.png"
FILES = {
    "a/first.png": encoded(smooth(300, 400, 3)),
    "a/second.png": encoded(smooth(280, 200, 3, seed=1)),
    HOSTILE: encoded(smooth(90, 90, 3, seed=2)),
    "broken.png": encoded(smooth(100, 100, 3))[:900],
}


@contextmanager
def serving(archive: Path) -> Iterator[str]:
    """The command, its URL read from what it says; an interrupt must end it with exit code 0."""
    command = [sys.executable, "-c", "from tilepress.jobs.cli.app import main; main()", "view", archive, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())
        assert found
        yield found[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A viewer of small images with latents and residuals."""
    folder = tmp_path_factory.mktemp("page")
    tilepress.compress(write_files(folder / "source", FILES), folder / "a.tp", codec="block-dnn-16", tile=256)
    with serving(folder / "a.tp") as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_grid_search_zoom_variants_tiles_and_keys(url: str, width: int, scheme: str, tmp_path: Path) -> None:
    with page(width, 800, scheme=scheme) as shown:  # type: ignore[arg-type]  # of two literals
        shown.goto(url)
        shown.wait_for_selector('.card[title="a/first.png"] img.there')
        assert shown.locator(".card").count() == len(FILES)
        assert shown.locator(f'.card[title="{HOSTILE}"] .name').inner_text() == HOSTILE
        assert "truncated" in shown.locator('.card[title="broken.png"] .why.bad').inner_text()
        shown.keyboard.press("/")
        shown.keyboard.type("FIRST")
        shown.wait_for_selector('.card[title="a/second.png"]', state="detached")
        shown.wait_for_selector("#count:text-is('1 image')")
        shown.locator("#query").fill("a/*")
        shown.wait_for_selector('.card[title="a/second.png"]')
        shown.click('.card[title="a/first.png"]')
        shown.wait_for_selector("#viewer canvas")
        shown.wait_for_selector('#variants [data-variant="difference"]:not(:disabled)')
        shown.keyboard.press("3")
        shown.wait_for_selector('#variants [data-variant="difference"][aria-pressed="true"]')
        shown.keyboard.press("t")
        shown.wait_for_selector("#legend:has-text('Bits a pixel')")
        shown.keyboard.press("+")
        shown.keyboard.press("ArrowRight")
        shown.wait_for_url(re.compile("second"))
        shown.wait_for_timeout(1500)  # for requests that would fail
        assert shown.locator("#trouble").is_hidden()
        assert len(shown.screenshot(path=str(tmp_path / "detail.png"))) > 10_000
        assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        shown.keyboard.press("Escape")
        shown.wait_for_selector("#detail", state="hidden")
        assert shown.title() != "broken"


@pytest.mark.slow
def test_a_large_image_has_an_overview_and_then_all_tiles(tmp_path: Path) -> None:
    source = write_files(tmp_path / "source", {"b/large.png": encoded(smooth(2200, 2600, 1))})
    tilepress.compress(source, tmp_path / "a.tp", codec="jpegxl", effort=1, tile=256)
    with serving(tmp_path / "a.tp") as url, page() as shown:
        shown.goto(f"{url}#b%2Flarge.png")
        shown.wait_for_selector("#viewer canvas")
        shown.wait_for_selector("#progress", state="hidden", timeout=60_000)
        with shown.expect_response(re.compile("default.jpg")) as answer:
            for _ in range(6):
                shown.keyboard.press("+")
        assert answer.value.ok


HOSTILE_NAMES = (
    """quotes "double" 'single' `back`.png""",
    "two\nlines\r\tand a tab.png",
    "left\u202egnp.right \u2066to\u200f left.png",
    "</script><script>document.title='broken'</script>.png",
    "javascript:document.title='broken'.png",
    "a#b?c&d=e%2e%2e%2f;.png",
    " .png",
    "..%2f..%5c\\..png",
    f"{'/'.join(['x' * 250] * 15)}/\N{ROBOT FACE}.png",  # 3,8 kB
)


@pytest.mark.slow
def test_hostile_names_are_shown_as_they_are_and_run_nothing(tmp_path: Path) -> None:
    files = {name: encoded(smooth(140, 150, 3, seed=at)) for at, name in enumerate(HOSTILE_NAMES)}
    source = write_files(tmp_path / "s", files)
    tilepress.compress(source, tmp_path / "a.tp", codec="jpegxl", effort=1, tile=256)
    with serving(tmp_path / "a.tp") as url, page() as shown:
        shown.goto(url)
        seen = "count => document.querySelectorAll('.card img.there').length === count"
        shown.wait_for_function(seen, arg=len(files))
        titles = {card.get_attribute("title") for card in shown.locator(".card").all()}
        assert titles == set(files)
        for at in range(len(files)):
            card = shown.locator(".card").nth(at)
            name = card.get_attribute("title")
            card.click()
            shown.wait_for_function("name => document.querySelector('.facts h1')?.textContent === name", arg=name)
            shown.wait_for_selector("#viewer canvas")
            shown.wait_for_timeout(300)  # for requests that would fail
            assert shown.locator("#trouble").is_hidden(), name
            shown.keyboard.press("Escape")
            shown.wait_for_selector("#detail", state="hidden")
        assert "broken" not in shown.title() and shown.locator("script").count() == 2


@pytest.mark.slow
def test_a_name_is_never_markup(url: str) -> None:
    with page() as shown:
        shown.goto(url)
        shown.click(f'.card[title="{HOSTILE}"]')
        shown.wait_for_selector(".facts h1")
        assert shown.locator(".facts h1").inner_text() == HOSTILE
        shown.wait_for_timeout(500)
        assert shown.title() != "broken"
        assert shown.locator("img[src=x]").count() == 0
