"""Makes the pictures of the live page: `python docs/pages.py`, where edgekit, Playwright and Chromium are.

They are of real runs of `edge demo` with the photographs that ship.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from edge.benchmarks.web.demo import demo
from playwright.sync_api import Browser, Page, sync_playwright

from edge.cameras.sample import FOLDER as PHOTOGRAPHS

FOLDER = Path(__file__).parent
QUALITY, MOST_BYTES = 72, 60_000
SEEN_MS = 20_000
"""So long the page is looked at before a picture is taken: the plots have a line, and some events have happened."""


def take(
    browser: Browser, address: str, name: str, size: tuple[int, int], scheme: Any, shows: str = "Egyptian cat"
) -> None:
    """Look at the page until it shows something, and keep a picture. size: of the window, in CSS pixels."""
    page: Page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.goto(address, wait_until="domcontentloaded")
    page.wait_for_timeout(SEEN_MS)
    for _ in range(600):
        if shows in page.inner_text("main"):
            break
        page.wait_for_timeout(25)
    shot = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    page.close()
    for quality in range(QUALITY, 10, -6):
        data = cv2.imencode(".webp", shot, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
        if len(data) < MOST_BYTES:
            break
    (FOLDER / f"{name}.webp").write_bytes(data)


def main() -> None:
    """Make all of them."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with demo(FOLDER, "sample:") as address:
            take(browser, address, "page-light", (1280, 1180), "light", "Egyptian cat")
            take(browser, address, "page-phone", (390, 844), "dark", "Egyptian cat")
        named = [str(PHOTOGRAPHS / f"{name}.jpg") for name in ("coffee", "chelsea", "china", "hopper")]
        with demo(FOLDER, *named) as address:
            take(browser, address, "page-mosaic", (1280, 900), "dark", "palace")
        browser.close()


if __name__ == "__main__":
    main()
