"""A real browser, headless: the machine's own Chromium, driven by Playwright, which downloads nothing here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import ConsoleMessage, Page, Request, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def page(
    width: int = 1280, height: int = 800, *, scheme: Literal["light", "dark"] = "light", offline: bool = False
) -> Iterator[Page]:
    """Open an empty page; leaving it fails if a script threw, the console has an error, or a request failed.

    `offline`: a request to anything but `file:`, `data:` and `blob:` is an error too.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    assert found, "these tests need a browser: apt-get install chromium"
    wrong: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(message.text)

    def watch(request: Request) -> None:
        if offline and not request.url.startswith(("file:", "data:", "blob:", "about:")):
            wrong.append(f"asked the network for {request.url}")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        made = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        made.on("console", note)
        made.on("pageerror", lambda error: wrong.append(str(error)))
        made.on("requestfailed", lambda request: wrong.append(f"{request.url}: {request.failure}"))
        made.on("request", watch)
        yield made
        browser.close()
    assert not wrong, "\n".join(wrong)
